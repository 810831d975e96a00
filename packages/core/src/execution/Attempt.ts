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
import * as Acceptance from "../policy/Acceptance.ts"
import * as Admission from "../admission/Admission.ts"
import type { AnyRequest, Call } from "../model/Call.ts"
import * as Candidate from "../deployment/Candidate.ts"
import type * as Chat from "../model/Chat.ts"
import * as StreamStart from "./StreamStart.ts"
import * as Defect from "../model/Defect.ts"
import type { Options } from "../deployment/Deployment.ts"
import type { Rejected } from "../model/SkipReason.ts"
import type * as Embedding from "../model/Embedding.ts"
import type { Leaf } from "../route/BoundRoute.ts"
import type { Provider } from "../model/Provider.ts"
import { actionFor, ProviderError } from "../model/ProviderError.ts"
import type { ReceiptBuilder } from "../receipt/Receipt.ts"
import * as Retry from "../policy/Retry.ts"
import type { EventBus } from "../receipt/RouteEvent.ts"
import * as Timeout from "../policy/Timeout.ts"
import * as Usage from "../model/Usage.ts"
import * as Watchdog from "./Watchdog.ts"
import * as Wildcard from "../route/Wildcard.ts"

/** What an attempt belongs to: the call, its receipt and deadline, and the engine's stores and bus. */
export interface Context<Request extends AnyRequest = AnyRequest> {
  readonly stores: Admission.Stores
  readonly bus: EventBus
  readonly call: Call<Request>
  readonly receipt: ReceiptBuilder
  readonly deadline: Timeout.Deadline
  /** In a race: whether this answer, which has just come, is the first. It is asked once, and one that came too late is dropped. */
  readonly claim?: (() => boolean) | undefined
  /** Runs once the attempt is admitted, before it starts: a candidate that is skipped after all was never gone on to. */
  readonly onAdmitted?: (() => void) | undefined
}

/** Why an attempt did not answer: the provider failed, or was not asked. */
export type Failure = ProviderError | Rejected

/** Any whole answer. */
export type Answer = Chat.Response | Embedding.Response

/** How a whole answer is asked of a provider. */
export type Invoke<Request, Response> = (
  provider: Provider["Service"],
  request: Request,
) => Effect.Effect<Response, ProviderError>

/** One whole answer to a conversation. */
export const chat: Invoke<Chat.Request, Chat.Response> = (provider, request) => provider.chat(request)

/** The vectors of texts, one for each or it is no answer. A plan passes over whoever makes none. */
export const embed: Invoke<Embedding.Request, Embedding.Response> = (provider, request) =>
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
export const complete = <Request extends AnyRequest, Response extends Answer>(
  context: Context<Request>,
  leaf: Leaf,
  force: boolean,
  ask: Invoke<Request, Response>,
): Effect.Effect<Response, Failure> =>
  Effect.uninterruptibleMask((restore) =>
    Effect.flatMap(start(context, leaf, force), (running) => {
      const { attempt } = Candidate.limits(leaf.candidate, leaf.policies, context.call)
      const limit = Timeout.earliest("attempt", attempt, context.deadline, running.startedAt)
      const check = Acceptance.of(context.call.request, leaf.accept)
      let usage: Chat.Usage | undefined
      const answer = Defect.contain(leaf.candidate.name, () =>
        Effect.flatMap(ask(leaf.candidate.provider, running.request), (response) => {
          usage = response.usage
          const fault = check && Acceptance.checkResponse(check, response)
          return fault === undefined ? Effect.succeed(response) : Effect.fail(fault)
        }),
      )
      return Effect.flatMap(Effect.exit(restore(Timeout.withTimeout(answer, limit))), (exit) => {
        if (Exit.isSuccess(exit) && context.claim?.() === false) {
          return Effect.andThen(running.end(Exit.interrupt(), usage), Effect.interrupt)
        }
        if (Exit.isSuccess(exit)) {
          leaf.candidate.health.recordLatency(running.elapsed())
          context.receipt.droppedParams = exit.value.droppedParams
        }
        return Effect.andThen(running.end(exit, usage), exit)
      })
    }),
  )

/** A stream that has begun to answer: what it said so far, then the rest as it comes. */
export interface StartedStream {
  readonly held: StreamStart.Chunk
  readonly rest: Pull.Pull<StreamStart.Chunk, ProviderError>
  /** Whether `rest` keeps silent until the answer is whole. */
  readonly buffered?: boolean
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
): Effect.Effect<StartedStream, Failure> =>
  Effect.uninterruptibleMask((restore) =>
    Effect.flatMap(start(context, leaf, force), (running) => {
      const { name, provider } = leaf.candidate
      const own = Scope.forkUnsafe(scope)
      const upstream = Scope.makeUnsafe()
      const choices = context.call.request.sampling?.n ?? 1
      const progress = new StreamStart.StreamState(choices)
      const check = Acceptance.of(context.call.request, leaf.accept)
      const { afterFirstEvent, firstToken } = Candidate.limits(leaf.candidate, leaf.policies, context.call)
      const onceBegun: Timeout.TimeoutLimit = { phase: "first-token", millis: afterFirstEvent, byCaller: false }
      const limit = Timeout.earliest("first-token", firstToken, context.deadline, running.startedAt)
      const close = (exit: Exit.Exit<unknown, ProviderError>) => Scope.close(own, exit)
      const abandoned = (error: ProviderError) => close(progress.isComplete ? Exit.void : Exit.fail(error))
      const opened = Defect.contain(name, () =>
        Stream.toPull(provider.stream(running.request)).pipe(
          Effect.flatMap((pull) =>
            Effect.map(StreamStart.readUntilFirstOutput(pull, progress, onceBegun), (held) => ({ pull, held })),
          ),
          Scope.provide(upstream),
        ),
      )
      const accepted = ({ held, pull }: Effect.Success<typeof opened>) =>
        Effect.flatMap(Watchdog.make(own, leaf.policies.idle, context.deadline, abandoned), (dog) =>
          check === undefined
            ? Effect.succeed({ held, pull, dog })
            : Effect.map(
                Defect.contain(name, () =>
                  StreamStart.accepted(pull, held, progress, dog, {
                    bytes: leaf.policies.stream.buffer,
                    check,
                    choices,
                  }),
                ),
                (held) => ({ held, pull, dog }),
              ),
        )
      // A consumer that stops early closes its scope in success, but the answer it left was not whole.
      const end = (exit: Exit.Exit<unknown, ProviderError>) =>
        running.end(Exit.isSuccess(exit) && !progress.isComplete ? Exit.interrupt() : exit, progress.usage)
      return Scope.addFinalizerExit(own, end).pipe(
        Effect.andThen(Scope.addFinalizerExit(own, (exit) => Defect.cleanUp(name, Scope.close(upstream, exit)))),
        Effect.andThen(restore(Effect.flatMap(Timeout.withTimeout(opened, limit), accepted))),
        Effect.onError((cause) => close(Exit.failCause(cause))),
        Effect.flatMap(({ dog, held, pull }) => {
          if (context.claim?.() === false) return Effect.andThen(close(Exit.interrupt()), Effect.interrupt)
          running.committed()
          context.receipt.droppedParams = held.find(({ droppedParams }) => droppedParams !== undefined)?.droppedParams
          return Effect.as(running.permit.recordSuccess, {
            held,
            rest: Effect.onError(StreamStart.readRemainder(Defect.guard(name, pull), progress, dog), (cause) =>
              close(ending(cause)),
            ),
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
interface RunningAttempt<Request> {
  readonly permit: Admission.Permit
  readonly request: Request
  readonly startedAt: number
  readonly elapsed: () => number
  readonly committed: () => void
  readonly end: (exit: Exit.Exit<unknown, ProviderError>, usage: Chat.Usage | undefined) => Effect.Effect<void>
}

/** The request as this deployment is asked on a route: by its own model, for no more than that can write. */
export const requestFor = <Request extends AnyRequest>(
  request: Request,
  route: string,
  { candidate, policies }: Leaf,
): Request => {
  const { capabilities, model } = candidate.deployment
  const own = {
    ...request,
    model: Wildcard.substitute(model, route, request.model),
    unsupportedParams: policies.unsupportedParams,
  }
  const most = capabilities?.maxOutput
  const sampling = "sampling" in own ? own.sampling : undefined
  return most === undefined || (sampling?.maxTokens ?? 0) <= most
    ? own
    : { ...own, sampling: { ...sampling, maxTokens: most } }
}

const start = <Request extends AnyRequest>(
  context: Context<Request>,
  leaf: Leaf,
  force: boolean,
): Effect.Effect<RunningAttempt<Request>, Rejected> => {
  const { bus, call, receipt, stores } = context
  const { deployment, health, name } = leaf.candidate
  return Effect.flatMap(Admission.admit(stores, leaf.candidate, call, force), (permit) =>
    Effect.clockWith((clock) => {
      const startedAt = clock.currentTimeMillisUnsafe()
      const elapsed = () => clock.currentTimeMillisUnsafe() - startedAt
      const request = requestFor(call.request, receipt.route, leaf)
      const { model } = request
      context.onAdmitted?.()
      bus.publish({ _tag: "AttemptStarted", call: receipt.id, route: receipt.route, deployment: name, model })
      return Effect.succeed<RunningAttempt<Request>>({
        permit,
        request,
        startedAt,
        elapsed,
        committed: () => {
          health.recordFirstToken(elapsed())
          receipt.deployment = name
          // One that takes over a broken answer was not the first to be heard.
          if (receipt.firstTokenMillis !== undefined) return
          receipt.firstTokenMillis = clock.currentTimeMillisUnsafe() - receipt.startedAt
          bus.publish({
            _tag: "FirstToken",
            call: receipt.id,
            route: receipt.route,
            deployment: name,
            millis: receipt.firstTokenMillis,
          })
        },
        end: (exit, said) => {
          const usage = Usage.sound(said)
          const error = Exit.isSuccess(exit) ? undefined : Cause.findErrorOption(exit.cause)
          if (error === undefined) receipt.succeeded(name, elapsed(), usage, deployment.price)
          else if (error._tag === "Some") receipt.failed(name, elapsed(), error.value, usage, deployment.price)
          else receipt.cancelled(name, elapsed(), usage, deployment.price)
          bus.publish({
            _tag: "AttemptEnded",
            call: receipt.id,
            route: receipt.route,
            attempt: receipt.attempts[receipt.attempts.length - 1]!,
          })
          if (error === undefined) receipt.deployment = name
          const settled = permit.settle({ ...outcomeOf(leaf, exit), usage })
          return error?._tag === "Some" && error.value.reason._tag === "LocalError"
            ? Effect.andThen(Effect.logError(`${error.value.message}: "${name}" could not be asked`), settled)
            : settled
        },
      })
    }),
  )
}

/** What an exit tells of its deployment. */
export const outcomeOf = (
  { candidate, policies }: Leaf,
  exit: Exit.Exit<unknown, ProviderError>,
): Omit<Admission.Outcome, "usage"> => {
  if (Exit.isSuccess(exit)) return succeeded
  const error = Cause.findErrorOption(exit.cause)
  if (error._tag === "None" || isCallersModel(candidate.deployment, error.value)) return inconclusive
  const { reason, retryAfter: wait } = error.value
  return {
    action: actionFor(reason).circuit,
    account: reason._tag === "Authentication" || reason._tag === "QuotaExhausted",
    wait: wait === undefined ? Retry.shortestDelay(policies.retry) : Duration.toMillis(wait),
  }
}

const succeeded = { action: undefined }
const inconclusive = { action: "ignore" } as const

/** Whether it failed for a model that the caller named: one that is not there says nothing of the others. */
const isCallersModel = ({ model }: Options, { reason }: ProviderError): boolean =>
  Wildcard.hasWildcard(model) && (reason._tag === "ModelNotFound" || reason._tag === "Permission")
