/**
 * A router whose calls pass guardrails: a layer over the `Router`, and over a `BudgetedRouter`, so that budgets reserve for what is
 * called in the end.
 *
 * ```ts
 * const GuardedLive = GuardedRouter.layer.pipe(
 *   Layer.provide([Router.layer({ deployments, routes }), Guardrails.layer([noSecrets])]),
 * )
 * ```
 *
 * Guardrails run one after the other, each on what the one before left, and are those of the route that the caller named. A call
 * that one refuses fails with kind `GuardrailRefused`, and its receipt has the outcome `refused`; what an answer has cost that is
 * refused afterwards is still billed. One without a decision fails the call with kind `GuardrailFailed`, or is skipped.
 */
import * as Cause from "effect/Cause"
import * as Clock from "effect/Clock"
import * as Context from "effect/Context"
import * as Duration from "effect/Duration"
import * as Effect from "effect/Effect"
import * as Exit from "effect/Exit"
import * as Layer from "effect/Layer"
import * as Random from "effect/Random"
import * as CallRecorder from "./execution/CallRecorder.ts"
import type { RouterError } from "./execution/RouterError.ts"
import * as Guardrails from "./Guardrails.ts"
import type { AfterDecision, BeforeDecision, GuardedCall, Guardrail, GuardrailError } from "./Guardrails.ts"
import type { AnyRequest, CallOptions } from "./model/Call.ts"
import { operationOf } from "./model/Call.ts"
import * as LayeredOptions from "./model/LayeredOptions.ts"
import type * as Chat from "./model/Chat.ts"
import type { Guard, GuardrailResult, GuardrailStage } from "./model/Guard.ts"
import { Stopped } from "./model/Guard.ts"
import * as Outline from "./model/Outline.ts"
import { Router } from "./Router.ts"

/** The router in context, with the guardrails in context. */
export const layer: Layer.Layer<Router, never, Router | Guardrails.Guardrails> = Layer.effect(
  Router,
  Effect.gen(function* () {
    const router = yield* Router
    const { current } = yield* Guardrails.Guardrails
    const random = yield* Random.Random
    const newId = CallRecorder.makeIds(() => random.nextDoubleUnsafe())
    /** The guardrails of a model's route. None if there is no such route: its call fails in the router. */
    const guardrailsOf = (model: string): ReadonlyArray<Guardrail> => {
      const all = current()
      if (all.length === 0) return all
      const name = router.canonicalName(model)
      const own = all.filter(({ routes }) => routes === undefined || routes.includes(name))
      return own.length > 0 && isKnown(router, name) ? own : none
    }
    const guarded = <Request extends AnyRequest, A, R>(
      request: Request,
      streaming: boolean,
      options: CallOptions | undefined,
      run: Run<Request, A, R>,
    ): Effect.Effect<A, RouterError, R> => {
      const guardrails = guardrailsOf(request.model)
      if (guardrails.length === 0) return run(request, options)
      return Effect.contextWith((context: Context.Context<R>) => {
        const call = new GuardedRun(router, guardrails, newId(), Context.get(context, Clock.Clock), streaming, options)
        return call.run(request, run)
      })
    }
    return Router.of({
      ...router,
      chat: (request, options) => guarded(request, false, options, router.chat),
      chatStream: (request, options) => guarded(request, true, options, router.chatStream),
      embed: (request, options) => guarded(request, false, options, router.embed),
      operate: (request, options) => guarded(request, request.streaming === true, options, router.operate),
      // Guardrails see the whole request.
      protocols: (model) => (guardrailsOf(model).length === 0 ? router.protocols(model) : noProtocols),
      explain: (request, options) =>
        Effect.map(router.explain(request, options), (explanation) => {
          const guardrails = guardrailsOf(request.model).map(({ name }) => name)
          return guardrails.length === 0 ? explanation : { ...explanation, guardrails }
        }),
    })
  }),
)

const none: ReadonlyArray<Guardrail> = []
const noProtocols: ReadonlySet<string> = new Set()

const isKnown = ({ deployments, routes }: Router["Service"], name: string): boolean =>
  routes().includes(name) || deployments().includes(name)

type Run<Request extends AnyRequest, A, R> = (
  request: Request,
  options: CallOptions | undefined,
) => Effect.Effect<A, RouterError, R>

const noOptions: CallOptions = {}
const noTags: ReadonlyArray<string> = []

/** One call with its guardrails. */
class GuardedRun implements Guard {
  readonly #router: Router["Service"]
  readonly #guardrails: ReadonlyArray<Guardrail>
  readonly #clock: Clock.Clock
  readonly #streaming: boolean
  readonly #options: CallOptions
  readonly id: string
  readonly startedAt: number
  readonly results: Array<GuardrailResult> = []
  readonly complete: Guard["complete"]
  readonly held: Guard["held"]
  readonly ended: Guard["ended"]
  /** The request as the guardrails before it have left it, once they have run. */
  #request: AnyRequest | undefined = undefined

  constructor(
    router: Router["Service"],
    guardrails: ReadonlyArray<Guardrail>,
    id: string,
    clock: Clock.Clock,
    streaming: boolean,
    options: CallOptions = noOptions,
  ) {
    this.#router = router
    this.#guardrails = guardrails
    this.#clock = clock
    this.#streaming = streaming
    this.#options = options
    this.id = id
    this.startedAt = clock.currentTimeMillisUnsafe()
    const after = guardrails.filter((guardrail) => guardrail.after !== undefined)
    const holding = after.filter(({ streams }) => streams === "hold")
    const recording = after.filter(({ streams }) => streams !== "hold")
    const decide = (list: ReadonlyArray<Guardrail>) =>
      list.length === 0 ? undefined : (response: Chat.Response) => this.#after(list, response)
    this.complete = decide(after)
    this.held = decide(holding)
    this.ended =
      recording.length === 0
        ? undefined
        : (response) => Effect.forEach(recording, (each) => this.#record(each, response), { discard: true })
  }

  /** Runs the guardrails before the call, then the call. */
  run<Request extends AnyRequest, A, R>(request: Request, run: Run<Request, A, R>): Effect.Effect<A, RouterError, R> {
    const options = LayeredOptions.withGuard(this.#options, this)
    const end = (exit: Exit.Exit<never, Stopped>) =>
      this.#router.end(this.#request ?? request, { options, streaming: this.#streaming }, exit)
    this.#request = request
    const before = Effect.onInterrupt(this.#before(request), () => Effect.exit(end(Exit.interrupt())))
    return Effect.matchEffect(before, {
      onSuccess: (request) => run(request, options),
      onFailure: (stopped) => end(Exit.fail(stopped)),
    })
  }

  get tooLarge(): Effect.Effect<void, Stopped> {
    return Effect.forEach(
      this.#guardrails.filter(({ after, streams }) => after !== undefined && streams === "hold"),
      (guardrail) => this.#failed(guardrail, "after", 0, "the stream is larger than what is held for it"),
      { discard: true },
    )
  }

  #before<Request extends AnyRequest>(request: Request): Effect.Effect<Request, Stopped> {
    return Effect.reduce(
      this.#guardrails.filter(({ before }) => before !== undefined),
      () => request,
      (request, guardrail) =>
        Effect.flatMap(
          this.#decision(guardrail, "before", () => guardrail.before!(this.#callOf(request))),
          (decision) => this.#applied(guardrail, request, decision),
        ),
    )
  }

  /** The request after a decision. */
  #applied<Request extends AnyRequest>(
    guardrail: Guardrail,
    request: Request,
    timed: Timed<BeforeDecision> | undefined,
  ): Effect.Effect<Request, Stopped> {
    if (timed === undefined) return Effect.succeed(request)
    const { decision, millis } = timed
    const go = (action: GuardrailResult["action"], next: Request): Effect.Effect<Request> => {
      this.#decided(guardrail, "before", action, millis)
      this.#request = next
      return Effect.succeed(next)
    }
    const fails = (why: string) => Effect.as(this.#failed(guardrail, "before", millis, why), request)
    switch (decision._tag) {
      case "Pass":
        return go("pass", request)
      case "Refuse":
        return this.#refused(guardrail, "before", millis, decision)
      case "RewriteRequest": {
        const { model } = request
        const rewritten = { ...decision.request, model, native: undefined }
        return isLike(request, rewritten)
          ? go("rewrite", rewritten)
          : fails("it rewrote the request to one of another operation")
      }
      case "Reroute": {
        const { route } = decision
        return isKnown(this.#router, this.#router.canonicalName(route))
          ? go("route", Outline.set(request, { model: route }))
          : fails(`there is no route or deployment called "${route}"`)
      }
    }
  }

  /** The response after the decisions of these guardrails. */
  #after(guardrails: ReadonlyArray<Guardrail>, response: Chat.Response): Effect.Effect<Chat.Response, Stopped> {
    return Effect.reduce(
      guardrails,
      () => response,
      (response, guardrail) =>
        Effect.flatMap(
          this.#afterDecision(guardrail, "after", response),
          (timed): Effect.Effect<Chat.Response, Stopped> => {
            if (timed === undefined) return Effect.succeed(response)
            const { decision, millis } = timed
            switch (decision._tag) {
              case "Pass":
                this.#decided(guardrail, "after", "pass", millis)
                return Effect.succeed(response)
              case "Refuse":
                return this.#refused(guardrail, "after", millis, decision)
              case "RewriteResponse":
                this.#decided(guardrail, "after", "rewrite", millis)
                return Effect.succeed({ ...decision.response, native: undefined })
            }
          },
        ),
    )
  }

  /** Records what a guardrail decides of a response that was sent. */
  #record(guardrail: Guardrail, response: Chat.Response): Effect.Effect<void> {
    return Effect.matchEffect(Effect.interruptible(this.#afterDecision(guardrail, "stream", response)), {
      // It has been recorded.
      onFailure: () => Effect.void,
      onSuccess: (timed) =>
        Effect.sync(() => {
          if (timed === undefined) return
          const { decision, millis } = timed
          this.#decided(guardrail, "stream", actions[decision._tag], millis)
        }),
    })
  }

  #afterDecision(guardrail: Guardrail, stage: GuardrailStage, response: Chat.Response) {
    return this.#decision(guardrail, stage, () => guardrail.after!(this.#callOf(this.#request!), response))
  }

  #callOf(request: AnyRequest): GuardedCall {
    const { caller, protocol, tags = noTags, team } = this.#options
    return {
      id: this.id,
      route: this.#router.canonicalName(request.model),
      request: "messages" in request ? Outline.whole(request) : request,
      operation: operationOf(request),
      streaming: this.#streaming,
      caller,
      team,
      tags,
      protocol,
    }
  }

  /** Runs a guardrail. `undefined` if it has no decision, and the call goes on without. */
  #decision<Decision>(
    guardrail: Guardrail,
    stage: GuardrailStage,
    run: () => Effect.Effect<Decision, GuardrailError>,
  ): Effect.Effect<Timed<Decision> | undefined, Stopped> {
    return Effect.suspend(() => {
      const startedAt = this.#clock.currentTimeMillisUnsafe()
      const elapsed = () => this.#clock.currentTimeMillisUnsafe() - startedAt
      const timeout = Duration.fromInputUnsafe(guardrail.timeout ?? defaultTimeout)
      const decided = Effect.timeoutOrElse(Effect.suspend(run), {
        duration: timeout,
        orElse: () => Effect.fail({ message: `no decision in ${Duration.format(timeout)}` }),
      })
      return Effect.matchCauseEffect(decided, {
        onSuccess: (decision): Effect.Effect<Timed<Decision> | undefined, Stopped> =>
          Effect.succeed({ decision, millis: elapsed() }),
        onFailure: (cause) => {
          const error = Cause.findErrorOption(cause)
          const defect = error._tag === "Some" ? undefined : cause
          const why = error._tag === "Some" ? error.value.message : "it failed unexpectedly"
          return Effect.as(this.#failed(guardrail, stage, elapsed(), why, defect), undefined)
        },
      })
    })
  }

  #decided({ name }: Guardrail, stage: GuardrailStage, action: GuardrailResult["action"], millis: number): void {
    this.results.push({ guardrail: name, stage, action, millis })
  }

  #refused(
    guardrail: Guardrail,
    stage: GuardrailStage,
    millis: number,
    { code, message }: Guardrails.Refuse,
  ): Effect.Effect<never, Stopped> {
    return Effect.suspend(() => {
      this.#decided(guardrail, stage, "refuse", millis)
      return Effect.fail(new Stopped({ kind: "GuardrailRefused", message, code }))
    })
  }

  /** A guardrail has no decision: the call ends, if it blocks without one. */
  #failed(
    guardrail: Guardrail,
    stage: GuardrailStage,
    millis: number,
    why: string,
    defect?: Cause.Cause<unknown>,
  ): Effect.Effect<void, Stopped> {
    return Effect.suspend(() => {
      const { name, onError = "block" } = guardrail
      this.#decided(guardrail, stage, "error", millis)
      const consequence =
        stage === "stream"
          ? "the stream has been sent"
          : onError === "block"
            ? "the call is blocked"
            : "the call goes on"
      const line = `Guardrail "${name}" gave no decision, and ${consequence}: ${why}, call ${this.id}`
      const logged = Effect.annotateLogs(
        defect === undefined ? Effect.logWarning(line) : Effect.logWarning(line, defect),
        { call: this.id, guardrail: name },
      )
      return onError === "pass" || stage === "stream"
        ? logged
        : Effect.andThen(logged, Effect.fail(new Stopped({ kind: "GuardrailFailed", message: blocked(name) })))
    })
  }
}

interface Timed<Decision> {
  readonly decision: Decision
  readonly millis: number
}

const actions = {
  Pass: "pass",
  Refuse: "refuse",
  RewriteResponse: "rewrite",
} as const satisfies Record<AfterDecision["_tag"], GuardrailResult["action"]>

const defaultTimeout: Duration.Input = "5 seconds"

const blocked = (name: string): string => `The guardrail "${name}" gave no decision, and calls are blocked without one.`

/** Whether a rewritten request is of the kind of the original. */
const isLike = <Request extends AnyRequest>(request: Request, rewritten: AnyRequest): rewritten is Request =>
  operationOf(request) === operationOf(rewritten)
