/**
 * One guarded try of one candidate: admitted, timed, classified, recorded. A retry is a new attempt.
 *
 * However an attempt ends, its permit is settled exactly once, its line stands in the call's receipt, and nothing of it
 * is left running.
 */
import * as Cause from "effect/Cause"
import * as Duration from "effect/Duration"
import * as Effect from "effect/Effect"
import * as Exit from "effect/Exit"
import type * as Pull from "effect/Pull"
import * as Scope from "effect/Scope"
import * as Stream from "effect/Stream"
import * as Acceptance from "./Acceptance.ts"
import * as Admission from "./Admission.ts"
import type { Asked, Call } from "./Call.ts"
import * as Candidate from "./Candidate.ts"
import type * as Chat from "./Chat.ts"
import * as Commit from "./Commit.ts"
import * as Defect from "./Defect.ts"
import type { Options } from "./Deployment.ts"
import type * as Embedding from "./Embedding.ts"
import type { Leaf } from "./Compiled.ts"
import type { Provider } from "./Provider.ts"
import { judge, ProviderError } from "./ProviderError.ts"
import type { Ledger } from "./Receipt.ts"
import * as Retry from "./Retry.ts"
import type { Bus } from "./RouteEvent.ts"
import * as Timeout from "./Timeout.ts"
import * as Usage from "./Usage.ts"
import * as Watchdog from "./Watchdog.ts"
import * as Wildcard from "./Wildcard.ts"

/** What an attempt belongs to: the call, its receipt and deadline, and the engine's stores and bus. */
export interface Context<Request extends Asked = Asked> {
  readonly stores: Admission.Stores
  readonly bus: Bus
  readonly call: Call<Request>
  readonly ledger: Ledger
  readonly deadline: Timeout.Deadline
  /** In a race: whether this answer, which has just come, is the first. It is asked once, and one that came too late is dropped. */
  readonly claim?: (() => boolean) | undefined
  /** Runs once the attempt is admitted, before it starts: a candidate that is skipped after all was never gone on to. */
  readonly onAdmitted?: (() => void) | undefined
}

/** Why an attempt did not answer: the provider failed, or was not asked. */
export type Failure = ProviderError | Admission.Refused

/** Any whole answer. */
export type Answer = Chat.Response | Embedding.Response

/** How a whole answer is asked of a provider. */
export type Ask<Request, Response> = (
  provider: Provider["Service"],
  request: Request,
) => Effect.Effect<Response, ProviderError>

/** One whole answer to a conversation. */
export const chat: Ask<Chat.Request, Chat.Response> = (provider, request) => provider.chat(request)

/** The vectors of texts, one for each or it is no answer. A plan passes over whoever makes none. */
export const embed: Ask<Embedding.Request, Embedding.Response> = (provider, request) =>
  provider.embed === undefined
    ? Effect.fail(embedsNothing)
    : Effect.flatMap(provider.embed(request), (response) => {
        const [asked, got] = [request.input.length, response.vectors.length]
        return asked === got ? Effect.succeed(response) : Effect.fail(miscounted(asked, got))
      })

const miscounted = (asked: number, got: number): ProviderError =>
  new ProviderError({ reason: { _tag: "Malformed" }, message: `${got} vectors for ${asked} inputs` })

const embedsNothing = new ProviderError({
  reason: { _tag: "Unsupported", feature: "embeddings" },
  message: "this provider makes no embeddings",
})

/** One whole answer of any kind. `force` passes by an open circuit: see `Admission.admit`. */
export const whole = <Request extends Asked, Response extends Answer>(
  context: Context<Request>,
  leaf: Leaf,
  force: boolean,
  ask: Ask<Request, Response>,
): Effect.Effect<Response, Failure> =>
  Effect.uninterruptibleMask((restore) =>
    Effect.flatMap(begin(context, leaf, force), (running) => {
      const { attempt } = Candidate.limits(leaf.candidate, leaf.patience, context.call)
      const limit = Timeout.sooner("attempt", attempt, context.deadline, running.startedAt)
      const check = Acceptance.of(context.call.request, leaf.accept)
      let usage: Chat.Usage | undefined
      const answer = Defect.contain(leaf.candidate.name, () =>
        Effect.flatMap(ask(leaf.candidate.provider, running.request), (response) => {
          usage = response.usage
          const fault = check && Acceptance.whole(check, response)
          return fault === undefined ? Effect.succeed(response) : Effect.fail(fault)
        }),
      )
      return Effect.flatMap(Effect.exit(restore(Timeout.within(answer, limit))), (exit) => {
        if (Exit.isSuccess(exit) && context.claim?.() === false) {
          return Effect.andThen(running.end(Exit.interrupt(), usage), Effect.interrupt)
        }
        if (Exit.isSuccess(exit)) {
          leaf.candidate.health.answered(running.elapsed())
          context.ledger.unsaid = exit.value.unsaid
        }
        return Effect.andThen(running.end(exit, usage), exit)
      })
    }),
  )

/** A stream that has begun to answer: what it said so far, then the rest as it comes. */
export interface Committed {
  readonly held: Commit.Chunk
  readonly rest: Pull.Pull<Commit.Chunk, ProviderError>
  /** Whether `rest` keeps silent until the answer is whole. */
  readonly heldBack?: boolean
}

/**
 * A stream up to its commit point. It lives in a fork of `scope`, closed as soon as the stream has ended, has failed, or
 * is no longer wanted.
 */
export const stream = (
  context: Context<Chat.Request>,
  leaf: Leaf,
  force: boolean,
  scope: Scope.Scope,
): Effect.Effect<Committed, Failure> =>
  Effect.uninterruptibleMask((restore) =>
    Effect.flatMap(begin(context, leaf, force), (running) => {
      const { name, provider } = leaf.candidate
      const own = Scope.forkUnsafe(scope)
      const upstream = Scope.makeUnsafe()
      const choices = context.call.request.sampling?.n ?? 1
      const progress = new Commit.Progress(choices)
      const check = Acceptance.of(context.call.request, leaf.accept)
      const { begun, firstToken } = Candidate.limits(leaf.candidate, leaf.patience, context.call)
      const onceBegun: Timeout.Limit = { phase: "first-token", millis: begun, byCaller: false }
      const limit = Timeout.sooner("first-token", firstToken, context.deadline, running.startedAt)
      const close = (exit: Exit.Exit<unknown, ProviderError>) => Scope.close(own, exit)
      const abandoned = (error: ProviderError) => close(progress.whole ? Exit.void : Exit.fail(error))
      const opened = Defect.contain(name, () =>
        Stream.toPull(provider.stream(running.request)).pipe(
          Effect.flatMap((pull) => Effect.map(Commit.preamble(pull, progress, onceBegun), (held) => ({ pull, held }))),
          Scope.provide(upstream),
        ),
      )
      const accepted = ({ held, pull }: Effect.Success<typeof opened>) =>
        Effect.flatMap(Watchdog.make(own, leaf.patience.idle, context.deadline, abandoned), (dog) =>
          check === undefined
            ? Effect.succeed({ held, pull, dog })
            : Effect.map(
                Defect.contain(name, () =>
                  Commit.accepted(pull, held, progress, dog, { bytes: leaf.patience.stream.hold, check, choices }),
                ),
                (held) => ({ held, pull, dog }),
              ),
        )
      // A consumer that stops early closes its scope in success, but the answer it left was not whole.
      const end = (exit: Exit.Exit<unknown, ProviderError>) =>
        running.end(Exit.isSuccess(exit) && !progress.whole ? Exit.interrupt() : exit, progress.usage)
      return Scope.addFinalizerExit(own, end).pipe(
        Effect.andThen(Scope.addFinalizerExit(own, (exit) => Defect.cleanUp(name, Scope.close(upstream, exit)))),
        Effect.andThen(restore(Effect.flatMap(Timeout.within(opened, limit), accepted))),
        Effect.onError((cause) => close(Exit.failCause(cause))),
        Effect.flatMap(({ dog, held, pull }) => {
          if (context.claim?.() === false) return Effect.andThen(close(Exit.interrupt()), Effect.interrupt)
          running.committed()
          context.ledger.unsaid = held.find(({ unsaid }) => unsaid !== undefined)?.unsaid
          return Effect.as(running.permit.answered, {
            held,
            rest: Effect.onError(Commit.rest(Defect.guard(name, pull), progress, dog), (cause) => close(ending(cause))),
          })
        }),
      )
    }),
  )

/** The exit that a stream's scope closes with: a stream that is done has succeeded. */
const ending = (cause: Cause.Cause<ProviderError | Cause.Done>): Exit.Exit<void, ProviderError> => {
  const error = Cause.findErrorOption(cause)
  if (error._tag === "None") return Exit.failCause(cause as Cause.Cause<never>)
  return Cause.isDone(error.value) ? Exit.void : Exit.fail(error.value)
}

/** An attempt that was admitted. `end` settles it, and must run exactly once. */
interface Running<Request> {
  readonly permit: Admission.Permit
  readonly request: Request
  readonly startedAt: number
  readonly elapsed: () => number
  readonly committed: () => void
  readonly end: (exit: Exit.Exit<unknown, ProviderError>, usage: Chat.Usage | undefined) => Effect.Effect<void>
}

/** The request as this deployment is asked on a route: by its own model, for no more than that can write. */
export const addressed = <Request extends Asked>(
  request: Request,
  route: string,
  { candidate, patience }: Leaf,
): Request => {
  const { capabilities, model } = candidate.deployment
  const own = { ...request, model: Wildcard.fill(model, route, request.model), unsupported: patience.unsupported }
  const most = capabilities?.maxOutput
  const sampling = "sampling" in own ? own.sampling : undefined
  return most === undefined || (sampling?.maxTokens ?? 0) <= most
    ? own
    : { ...own, sampling: { ...sampling, maxTokens: most } }
}

const begin = <Request extends Asked>(
  context: Context<Request>,
  leaf: Leaf,
  force: boolean,
): Effect.Effect<Running<Request>, Admission.Refused> => {
  const { bus, call, ledger, stores } = context
  const { deployment, health, name } = leaf.candidate
  return Effect.flatMap(Admission.admit(stores, leaf.candidate, call, force), (permit) =>
    Effect.clockWith((clock) => {
      const startedAt = clock.currentTimeMillisUnsafe()
      const elapsed = () => clock.currentTimeMillisUnsafe() - startedAt
      const request = addressed(call.request, ledger.route, leaf)
      const { model } = request
      context.onAdmitted?.()
      bus.publish({ _tag: "AttemptStarted", call: ledger.id, route: ledger.route, deployment: name, model })
      return Effect.succeed<Running<Request>>({
        permit,
        request,
        startedAt,
        elapsed,
        committed: () => {
          health.spoke(elapsed())
          ledger.deployment = name
          // One that takes over a broken answer was not the first to be heard.
          if (ledger.firstTokenMillis !== undefined) return
          ledger.firstTokenMillis = clock.currentTimeMillisUnsafe() - ledger.startedAt
          bus.publish({
            _tag: "Committed",
            call: ledger.id,
            route: ledger.route,
            deployment: name,
            millis: ledger.firstTokenMillis,
          })
        },
        end: (exit, said) => {
          const usage = Usage.sound(said)
          const error = Exit.isSuccess(exit) ? undefined : Cause.findErrorOption(exit.cause)
          if (error === undefined) ledger.answered(name, elapsed(), usage, deployment.price)
          else if (error._tag === "Some") ledger.failed(name, elapsed(), error.value, usage, deployment.price)
          else ledger.interrupted(name, elapsed(), usage, deployment.price)
          bus.publish({
            _tag: "AttemptEnded",
            call: ledger.id,
            route: ledger.route,
            attempt: ledger.attempts[ledger.attempts.length - 1]!,
          })
          if (error === undefined) ledger.deployment = name
          const settled = permit.settle({ ...judged(leaf, exit), usage })
          return error?._tag === "Some" && error.value.reason._tag === "LocalError"
            ? Effect.andThen(Effect.logError(`${error.value.message}: "${name}" could not be asked`), settled)
            : settled
        },
      })
    }),
  )
}

/** What an exit tells of its deployment. */
export const judged = (
  { candidate, patience }: Leaf,
  exit: Exit.Exit<unknown, ProviderError>,
): Omit<Admission.Ending, "usage"> => {
  if (Exit.isSuccess(exit)) return healthy
  const error = Cause.findErrorOption(exit.cause)
  if (error._tag === "None" || isCallersModel(candidate.deployment, error.value)) return saysNothing
  const { reason, retryAfter: wait } = error.value
  return {
    judged: judge(reason).circuit,
    account: reason._tag === "Authentication" || reason._tag === "QuotaExhausted",
    wait: wait === undefined ? Retry.shortest(patience.retry) : Duration.toMillis(wait),
  }
}

const healthy = { judged: undefined }
const saysNothing = { judged: "ignored" } as const

/** Whether it failed for a model that the caller named: one that is not there says nothing of the others. */
const isCallersModel = ({ model }: Options, { reason }: ProviderError): boolean =>
  Wildcard.isWild(model) && (reason._tag === "ModelNotFound" || reason._tag === "Permission")
