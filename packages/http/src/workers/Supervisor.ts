/**
 * The main process of a gateway with several workers: starts them on one port, replaces those that end, answers what they ask,
 * and shuts them down. It serves no call itself.
 *
 * All workers accept connections from one socket, which stays open while at least one of them runs. The main process passes
 * no connections on: that would take it 100 µs for each, and clients without keep-alive make one for each call.
 */
import * as Data from "effect/Data"
import * as Deferred from "effect/Deferred"
import type * as Duration from "effect/Duration"
import * as Effect from "effect/Effect"
import * as Runtime from "effect/Runtime"
import type { Worker } from "node:cluster"
import cluster from "node:cluster"
import { isDeepStrictEqual } from "node:util"
import type { ConfigFiles } from "../ConfigFiles.ts"
import * as Heartbeat from "./Heartbeat.ts"
import * as MainProcess from "./MainProcess.ts"
import { MainState, type StateMessage } from "./MainState.ts"
import * as MergedMetrics from "./MergedMetrics.ts"
import { type FromMain, type FromWorker, Outbox, type Question, type Shutdown } from "./Protocol.ts"

/** The first worker has ended before it served. It has printed why, unless a signal ended it. */
export class WorkerFailed extends Data.TaggedError("WorkerFailed")<{ readonly signal: string | null }> {
  override readonly [Runtime.errorReported] = this.signal !== null
  override get message(): string {
    return `The first worker was ended by ${this.signal} before it served.`
  }
}

export interface Options {
  /** The number of workers. */
  readonly workers: number
  /** What the configuration is read from: workers that start later start with the same. */
  readonly files: ConfigFiles
  /** What has a worker reload these, because it has started with earlier ones. */
  readonly catchUp: (files: ConfigFiles) => Question
  /** The secret of sessions, for all workers, if they have one that is not configured. */
  readonly sessionSecret: string | undefined
  /** How long a shutdown may take: workers that still run after that are killed. */
  readonly shutdownTimeout: Duration.Duration
}

/** How long a worker has to run, in milliseconds, for its successor to start at once. */
const settled = 10_000
/** Milliseconds before a worker that ended at once is replaced: doubled each time, up to the longest. */
const [shortestPause, longestPause] = [500, 30_000]
/** Milliseconds that a worker has for the answer to a question. */
const answerTimeout = 1000

/** A worker, and what the main process knows of it. */
interface Member {
  readonly number: number
  readonly worker: Worker
  readonly outbox: Outbox<FromMain>
  readonly startedAt: number
  isServing: boolean
  /** What was in force when it started. */
  files: ConfigFiles | undefined
  metrics: MergedMetrics.Families
}

/** A question under way. */
interface Asking {
  readonly unanswered: Set<Member>
  readonly answers: Map<Member, string>
  readonly done: () => void
}

/**
 * A main process without workers yet: `serve` starts them, and gives the address that they serve at. Replaces those that end until
 * the scope closes, then shuts all down.
 */
export const make = Effect.fnUntraced(function* (options: Options) {
  const run = Effect.runForkWith(yield* Effect.context<never>())
  const supervisor = new Supervisor(options, (effect) => void run(effect))
  yield* Effect.addFinalizer(() => supervisor.stop)
  return {
    serve: Effect.tap(supervisor.startFirst, supervisor.startOthers),
    shutdown: (step: Shutdown) => Effect.sync(() => supervisor.shutDown(step)),
    isShuttingDown: () => supervisor.isShuttingDown,
    /** Asks every worker, and waits for no answer. */
    ask: (question: Question) => Effect.sync(() => supervisor.ask(question, () => {})),
  }
})

class Supervisor {
  readonly #options: Options
  readonly #run: (effect: Effect.Effect<void>) => void
  readonly #members = new Set<Member>()
  readonly #state: MainState
  readonly #asking = new Map<number, Asking>()
  /** Who waits until a worker serves or ends, by its number. */
  readonly #starting = new Map<number, (end: Effect.Effect<string, WorkerFailed>) => void>()
  /** How often in a row a worker has ended soon after its start, by its number. */
  readonly #failures = new Map<number, number>()
  readonly #pauses = new Set<NodeJS.Timeout>()
  readonly #heartbeat = new Heartbeat.Heartbeat<Member>()
  readonly #beating: NodeJS.Timeout
  readonly #stopped = Deferred.makeUnsafe<void>()
  #asked = 0
  #restarts = 0
  /** What the configuration in force is read from. */
  #files: ConfigFiles
  #hasServed = false
  /** What the workers were told of the shutdown. */
  readonly #steps: Array<Shutdown> = []
  /** The counters of workers that have ended. */
  #ended: MergedMetrics.Families = new Map()

  constructor(options: Options, run: (effect: Effect.Effect<void>) => void) {
    this.#options = options
    this.#files = options.files
    this.#run = run
    this.#state = new MainState(
      (body) => this.#tellAll({ type: "state", body }),
      (worker, body) => this.#tell(worker, { type: "reclaim", body }),
    )
    cluster.schedulingPolicy = cluster.SCHED_NONE
    this.#beating = setInterval(() => this.#beat(), Heartbeat.interval)
  }

  // -------------------------------------------------------------------------------------------------------------------
  // Starting, replacing, stopping
  // -------------------------------------------------------------------------------------------------------------------

  /** Starts one worker alone, so that what prevents a start is printed once. */
  get startFirst(): Effect.Effect<string, WorkerFailed> {
    return this.#startAndWait(1)
  }

  /** Starts the others. One that does not start is started again, as one that ends later. */
  get startOthers(): Effect.Effect<void> {
    const others = Array.from({ length: this.#options.workers - 1 }, (_, index) => index + 2)
    return Effect.forEach(others, (number) => Effect.ignore(this.#startAndWait(number)), {
      concurrency: "unbounded",
      discard: true,
    })
  }

  #startAndWait(number: number): Effect.Effect<string, WorkerFailed> {
    return Effect.callback((resume) => {
      this.#starting.set(number, resume)
      this.#start(number)
    })
  }

  #start(number: number): void {
    const worker = cluster.fork({ [MainProcess.variable]: String(number) })
    const outbox = new Outbox<FromMain>((batch) => {
      // A worker that has ended takes no message.
      if (worker.isConnected()) worker.send(batch, () => {})
    })
    const member: Member = {
      number,
      worker,
      outbox,
      startedAt: Date.now(),
      isServing: false,
      files: undefined,
      metrics: new Map(),
    }
    this.#members.add(member)
    worker.on("message", (batch: ReadonlyArray<FromWorker>) => {
      // What a worker has sent may arrive after its end, when what it held has been given back.
      if (!this.#members.has(member)) return
      this.#state.responded(worker.id)
      this.#heartbeat.clear(member)
      for (const message of batch) this.#receive(member, message)
    })
    // Without a listener, an error of the channel would end this process.
    worker.on("error", () => {})
    worker.on("exit", (code, signal: string | null) => this.#left(member, code, signal))
  }

  #left(member: Member, code: number | null, signal: string | null): void {
    const { number, startedAt, worker } = member
    this.#members.delete(member)
    this.#heartbeat.clear(member)
    this.#state.left(worker.id)
    this.#ended = MergedMetrics.merge([this.#ended, MergedMetrics.ended(member.metrics)])
    for (const asking of this.#asking.values()) this.#answered(asking, member)
    const waiting = this.#starting.get(number)
    this.#starting.delete(number)
    waiting?.(Effect.fail(new WorkerFailed({ signal })))
    if (this.#steps.length > 0 || !this.#hasServed) {
      if (this.#members.size === 0) Deferred.doneUnsafe(this.#stopped, Effect.void)
      return
    }
    const failures = Date.now() - startedAt < settled ? (this.#failures.get(number) ?? 0) + 1 : 0
    this.#failures.set(number, failures)
    const pause = failures === 0 ? 0 : Math.min(longestPause, shortestPause * 2 ** (failures - 1))
    this.#restarts++
    this.#run(
      Effect.logError(
        `Worker ${number} (process ${worker.process.pid}) ended ${signal === null ? `with code ${code}` : `by ${signal}`}, and its calls with it. ` +
          `It is replaced ${pause === 0 ? "now" : `in ${pause / 1000} s`}.`,
      ),
    )
    const timer = setTimeout(() => {
      this.#pauses.delete(timer)
      this.#start(number)
    }, pause)
    this.#pauses.add(timer)
  }

  /** Kills workers that hang: they are then replaced as others that end. One that starts is not yet asked. */
  #beat(): void {
    const serving = [...this.#members].filter(({ isServing }) => isServing)
    for (const { outbox } of serving) outbox.add({ type: "ping" })
    for (const { number, worker } of this.#heartbeat.beat(serving)) {
      const seconds = (Heartbeat.interval * Heartbeat.limit) / 1000
      this.#run(
        Effect.logError(
          `Worker ${number} (process ${worker.process.pid}) has not responded for ${seconds} s, and is killed`,
        ),
      )
      worker.process.kill("SIGKILL")
    }
  }

  get isShuttingDown(): boolean {
    return this.#steps.length > 0
  }

  /** Tells the workers to shut down. */
  shutDown(step: Shutdown): void {
    this.#steps.push(step)
    for (const timer of this.#pauses) clearTimeout(timer)
    this.#tellAll({ type: "shutdown", body: step })
    if (this.#members.size === 0) Deferred.doneUnsafe(this.#stopped, Effect.void)
  }

  /** Shuts the workers down, and waits until they have ended. */
  get stop(): Effect.Effect<void> {
    return Effect.suspend(() => {
      this.shutDown("drain")
      return Effect.timeoutOrElse(Deferred.await(this.#stopped), {
        duration: this.#options.shutdownTimeout,
        orElse: () =>
          Effect.logError("Workers that do not end are killed").pipe(
            Effect.andThen(Effect.sync(() => this.#members.forEach(({ worker }) => worker.process.kill("SIGKILL")))),
            Effect.andThen(Deferred.await(this.#stopped)),
          ),
      })
    }).pipe(Effect.ensuring(Effect.sync(() => clearInterval(this.#beating))))
  }

  // -------------------------------------------------------------------------------------------------------------------
  // Messages
  // -------------------------------------------------------------------------------------------------------------------

  #receive(member: Member, message: FromWorker): void {
    switch (message.type) {
      case "hello":
        member.files = this.#files
        this.#reply(member, message.id, {
          started: this.#options.files,
          current: isDeepStrictEqual(this.#files, this.#options.files) ? undefined : this.#files,
          sessionSecret: this.#options.sessionSecret,
          state: this.#state.changes,
        })
        // What was sent before a worker listens is lost.
        return this.#steps.forEach((body) => member.outbox.add({ type: "shutdown", body }))
      case "serving": {
        member.isServing = true
        this.#hasServed = true
        if (!isDeepStrictEqual(member.files, this.#files)) {
          member.outbox.add({ type: "question", id: 0, body: this.#options.catchUp(this.#files) })
        }
        member.outbox.add({ type: "question", id: 0, body: faultsQuestion })
        this.#run(Effect.logInfo(`Worker ${member.number} serves (process ${member.worker.process.pid})`))
        this.#starting.get(member.number)?.(Effect.succeed(message.body))
        return void this.#starting.delete(member.number)
      }
      case "pong":
        return undefined
      case "configured":
        return void (this.#files = message.body)
      case "answer": {
        const asking = this.#asking.get(message.body.question)
        return asking === undefined ? undefined : this.#answered(asking, member, message.body.text)
      }
      case "everyone":
        return this.ask(message.body, (answers) => this.#reply(member, message.id, [...answers.values()]))
      case "metrics":
        return this.ask(metricsQuestion, (answers) => this.#reply(member, message.id, this.#metrics(answers)))
      case "resetCircuit":
      case "endCooldown":
        // A worker that starts would reset the deployments that have changed since the gateway's start. Their circuits and
        // cooldowns are what the others have learnt of them as they are now.
        return member.isServing ? this.#ask(member, message) : this.#reply(member, message.id, null)
      case "release":
      case "adjust":
      case "returned":
      case "recordLater":
        return this.#state.receive(member.worker.id, message, () => {})
      default:
        return this.#ask(member, message)
    }
  }

  /** Asks the state, and replies. */
  #ask(member: Member, message: Extract<StateMessage, { readonly id: number }>): void {
    this.#state.receive(member.worker.id, message, (body) => this.#reply(member, message.id, body))
  }

  #reply({ outbox }: Member, id: number, body: unknown): void {
    outbox.add({ type: "reply", id, body })
  }

  #tell(worker: number, message: FromMain): void {
    for (const member of this.#members) if (member.worker.id === worker) member.outbox.addNow(message)
  }

  #tellAll(message: FromMain): void {
    for (const { outbox } of this.#members) outbox.add(message)
  }

  /** Asks all workers that serve. Those that end, or do not answer in time, are left out. */
  ask(question: Question, use: (answers: ReadonlyMap<Member, string>) => void): void {
    const id = ++this.#asked
    const answers = new Map<Member, string>()
    const timer = setTimeout(() => done(), answerTimeout)
    const done = (): void => {
      clearTimeout(timer)
      if (this.#asking.delete(id)) use(answers)
    }
    const asked = [...this.#members].filter(({ isServing }) => isServing)
    this.#asking.set(id, { unanswered: new Set(asked), answers, done })
    for (const { outbox } of asked) outbox.add({ type: "question", id, body: question })
    if (asked.length === 0) done()
  }

  #answered({ answers, done, unanswered }: Asking, member: Member, text?: string): void {
    if (!unanswered.delete(member)) return
    if (text !== undefined) answers.set(member, text)
    if (unanswered.size === 0) done()
  }

  /** The metrics of all workers that have ever run, and those of the main process. */
  #metrics(answers: ReadonlyMap<Member, string>): string {
    for (const [member, text] of answers) member.metrics = MergedMetrics.parse(text)
    return MergedMetrics.print(
      MergedMetrics.merge([
        this.#ended,
        ...Array.from(this.#members, ({ metrics }) => metrics),
        MergedMetrics.parse(
          [
            "# HELP understudy_workers Worker processes that serve",
            "# TYPE understudy_workers gauge",
            `understudy_workers ${[...this.#members].filter(({ isServing }) => isServing).length}`,
            "# HELP understudy_worker_restarts_total Worker processes that ended and were replaced",
            "# TYPE understudy_worker_restarts_total counter",
            `understudy_worker_restarts_total ${this.#restarts}`,
          ].join("\n"),
        ),
      ]),
    )
  }
}

/** Has a worker switch on the faults that are on in the others. */
const faultsQuestion: Question = { topic: "faults", text: "" }

const metricsQuestion: Question = { topic: "metrics", text: "" }
