/**
 * Runs a router under virtual time: its own code, over providers that are models, called by planned calls. There is no second
 * implementation of routing, retries, circuits, limits or budgets.
 */
import * as Cause from "effect/Cause"
import * as Context from "effect/Context"
import * as Effect from "effect/Effect"
import type * as Exit from "effect/Exit"
import type * as Layer from "effect/Layer"
import * as Option from "effect/Option"
import * as Random from "effect/Random"
import * as References from "effect/References"
import * as Stream from "effect/Stream"
import type { RouterError } from "./execution/RouterError.ts"
import type { CallOptions } from "./model/Call.ts"
import type { Receipt } from "./receipt/Receipt.ts"
import { Router } from "./Router.ts"
import { Chance, named, random } from "./rehearsal/Chance.ts"
import { RehearsedCall } from "./rehearsal/Fate.ts"
import type { Report } from "./rehearsal/Report.ts"
import * as Requests from "./rehearsal/Requests.ts"
import { Tally } from "./rehearsal/Tally.ts"
import type { Assumption } from "./rehearsal/TapeFates.ts"
import type { PlannedCall, Traffic } from "./rehearsal/Traffic.ts"
import { VirtualTime } from "./rehearsal/VirtualTime.ts"

export interface Options<E> {
  /** The router, over modeled providers. */
  readonly router: Layer.Layer<Router, E>
  /** In the order of their times, none before `start`. */
  readonly calls: Iterable<PlannedCall>
  /** Clock milliseconds. */
  readonly start: number
  readonly seed: number
  readonly clientRetries?: Traffic["clientRetries"]
  /** What else the fibre of a call has in its context, and the options of the call. */
  readonly contextOf?: ((call: PlannedCall) => Context.Context<never>) | undefined
  /** What the providers had to assume until now. */
  readonly assumed?: ReadonlyArray<Assumption> | undefined
  /** Told about every minute of virtual time. */
  readonly onProgress?: ((progress: Progress) => void) | undefined
}

/** What came of the calls that have ended until a time. */
export interface Progress {
  /** Clock milliseconds, and how many of them the rehearsal has taken until then. */
  readonly at: number
  readonly elapsed: number
  readonly calls: number
  readonly availability: number
  readonly attempts: number
  /** US dollars. */
  readonly cost: number
}

/** Runs all calls to their end. Takes as long as the work does; the event loop of the process is free now and then. */
export const run = <E>(options: Options<E>): Effect.Effect<Report, E> =>
  Effect.suspend(() => {
    const { assumed = [], calls, clientRetries, contextOf, onProgress, router, seed, start } = options
    const time = new VirtualTime(start)
    const tally = new Tally(start)
    const context = time.within(
      Context.make(Random.Random, random(new Chance(named(seed, "router")))).pipe(
        Context.add(References.MinimumLogLevel, "None"),
      ),
    )
    const rehearsed = Effect.gen(function* () {
      const services = yield* Effect.context<Router>()
      const running = Context.get(services, Router)
      yield* Effect.forkScoped(everyMinute(running, tally, time, start, onProgress))
      yield* new Calls(
        calls,
        time,
        (call, again) => oneCall(running, call, again, services, contextOf),
        tally,
        clientRetries,
      ).all
      return tally.report(running.deployments(), assumed)
    }).pipe(Effect.provide(router), Effect.scoped)
    return inTime(time, context, rehearsed)
  })

/** Runs an effect by virtual time. */
const inTime = <A, E>(
  time: VirtualTime,
  context: Context.Context<never>,
  effect: Effect.Effect<A, E>,
): Effect.Effect<A, E> =>
  Effect.suspend(() => {
    let exit: Exit.Exit<A, E> | undefined
    const fiber = Effect.runForkWith(context)(effect)
    fiber.addObserver((ended) => (exit = ended))
    const isRunning = () => exit === undefined
    const slice = Effect.sync(() => {
      for (let left = timersPerSlice; left > 0 && isRunning() && time.step(); left--);
    })
    return Effect.whileLoop({
      while: isRunning,
      body: () =>
        Effect.andThen(
          slice,
          Effect.suspend(() =>
            isRunning() && time.isIdle
              ? Effect.die(new Error("The rehearsal waits for something that will not happen"))
              : Effect.yieldNow,
          ),
        ),
      step: () => {},
    }).pipe(
      Effect.andThen(Effect.suspend(() => exit!)),
      Effect.onInterrupt(() =>
        Effect.sync(() => {
          fiber.interruptUnsafe()
          time.step()
        }),
      ),
    )
  })

/** After so many times, the event loop of the process gets its turn. */
const timersPerSlice = 2000

const everyMinute = (
  router: Router["Service"],
  tally: Tally,
  time: VirtualTime,
  start: number,
  onProgress: Options<never>["onProgress"],
): Effect.Effect<never> =>
  Effect.forever(
    Effect.andThen(
      Effect.sleep("1 minute"),
      Effect.map(router.status, (statuses) => {
        const open = statuses.filter(({ circuit }) => circuit === "open").map(({ deployment }) => deployment)
        tally.minuteOver(time.now - 1, open)
        onProgress?.({ at: time.now, elapsed: time.now - start, ...tally.soFar })
      }),
    ),
  )

/** `again`: how often its client has made it before. */
type OneCall = (call: PlannedCall, again: number) => Effect.Effect<Receipt, RouterError>

/** Makes the calls when they are due, each in a fibre of its own. */
class Calls {
  readonly #calls: Iterator<PlannedCall>
  readonly #time: VirtualTime
  readonly #make: OneCall
  readonly #tally: Tally
  readonly #retries: NonNullable<Traffic["clientRetries"]>
  #running = 0
  #isLast = false
  #over: () => void = () => {}

  constructor(
    calls: Iterable<PlannedCall>,
    time: VirtualTime,
    make: OneCall,
    tally: Tally,
    retries: Traffic["clientRetries"] = { times: 0, after: 0 },
  ) {
    this.#calls = calls[Symbol.iterator]()
    this.#time = time
    this.#make = make
    this.#tally = tally
    this.#retries = retries
  }

  /** Succeeds when the last call has ended. */
  get all(): Effect.Effect<void> {
    return Effect.contextWith((context: Context.Context<never>) => {
      const run = Effect.runForkWith(context)
      return Effect.callback((resume) => {
        this.#over = () => resume(Effect.void)
        this.#next((effect) => void run(effect))
      })
    })
  }

  #next(run: (effect: Effect.Effect<void>) => void): void {
    const { value: call } = this.#calls.next()
    if (call === undefined) {
      this.#isLast = true
      return this.#endIfOver()
    }
    this.#time.startTimer(call.at - this.#time.now, () => {
      this.#begin(call, 0, run)
      this.#next(run)
    })
  }

  #begin(call: PlannedCall, again: number, run: (effect: Effect.Effect<void>) => void): void {
    const at = this.#time.now
    this.#running++
    this.#tally.began(at)
    run(
      Effect.matchCause(this.#make(call, again), {
        onSuccess: (receipt) => this.#end(at, receipt, undefined),
        onFailure: (cause) => {
          const error = Option.getOrThrowWith(Cause.findErrorOption(cause), () => Cause.squash(cause))
          // It begins before this one is over, so that the rehearsal is not.
          if (again < this.#retries.times) {
            this.#running++
            this.#time.startTimer(this.#retries.after, () => {
              this.#running--
              this.#begin(call, again + 1, run)
            })
          }
          this.#end(at, error.receipt, error)
        },
      }),
    )
  }

  #end(at: number, receipt: Receipt | undefined, error: RouterError | undefined): void {
    this.#tally.ended({ at, millis: this.#time.now - at, error: error?.kind, receipt })
    this.#running--
    this.#endIfOver()
  }

  #endIfOver(): void {
    if (this.#isLast && this.#running === 0) this.#over()
  }
}

/** One call: its receipt, when its response has ended. */
const oneCall = (
  router: Router["Service"],
  call: PlannedCall,
  again: number,
  services: Context.Context<Router>,
  contextOf: Options<never>["contextOf"],
): Effect.Effect<Receipt, RouterError> => {
  const { caller, inputTokens, number, operation, outputTokens, streaming, tags } = call
  const options: CallOptions = { caller, tags }
  const made =
    operation === "embeddings"
      ? Effect.map(router.embed(Requests.embedding(call), options), ({ receipt }) => receipt)
      : streaming
        ? Effect.scoped(
            Effect.flatMap(router.chatStream(Requests.chat(call), options), ({ frames, receipt }) =>
              Effect.as(Stream.runDrain(frames), receipt),
            ),
          )
        : Effect.map(router.chat(Requests.chat(call), options), ({ receipt }) => receipt)
  const own = Context.add(
    contextOf === undefined ? services : Context.merge(services, contextOf(call)),
    RehearsedCall,
    { number, inputTokens, outputTokens, attempts: again * attemptsApart },
  )
  return Effect.provideContext(made, own)
}

/** So that a call that is made again has luck of its own. */
const attemptsApart = 1000
