/**
 * Recovery of streams that break after their first output, on routes whose `stream.protect` asks for it: the next
 * deployment of the plan takes over.
 *
 * Each takeover is an attempt of its own: admitted, recorded and settled like any other, but neither retried nor raced.
 * When no deployment can take over, the stream fails with its first error.
 */
import * as Cause from "effect/Cause"
import * as Effect from "effect/Effect"
import * as Stream from "effect/Stream"
import * as Candidate from "../deployment/Candidate.ts"
import * as AccountRotation from "../execution/AccountRotation.ts"
import * as CallExecutor from "../execution/CallExecutor.ts"
import type { PlacedStream } from "../execution/CallExecutor.ts"
import * as Fallback from "../execution/Fallback.ts"
import * as StreamAttempt from "../execution/StreamAttempt.ts"
import type { ProviderStream, StartedStream, Transform } from "../execution/StreamAttempt.ts"
import type { Chunk } from "../execution/StreamStart.ts"
import { Call } from "../model/Call.ts"
import type * as Chat from "../model/Chat.ts"
import { actionFor, blamesAccount } from "../model/ProviderError.ts"
import type { ProviderError } from "../model/ProviderError.ts"
import * as Params from "../policy/Params.ts"
import * as Timeout from "../policy/Timeout.ts"
import type { Receipt } from "../receipt/Receipt.ts"
import type { Leaf } from "../route/BoundRoute.ts"
import * as ErrorBranch from "../route/ErrorBranch.ts"
import { Step } from "../route/Plan.ts"
import * as StreamBuffer from "./StreamBuffer.ts"
import * as StreamResume from "./StreamResume.ts"

/** The stream, recovered as the policy of its step says. */
export const protect = (placed: PlacedStream): StartedStream => {
  const { planned, step, stream } = placed
  const { buffer, protect } = step.leaf.policies.stream
  switch (protect) {
    case "preamble":
      return stream
    case "continue":
      return StreamResume.isResumable(planned.context.call.request) ? resumeStream(placed) : stream
    case "full":
      return bufferStream(placed, buffer)
  }
}

/** `continue`: another deployment goes on after the text that was delivered. */
const resumeStream = (placed: PlacedStream): StartedStream => {
  const { call } = placed.planned.context
  const delivered = new StreamResume.DeliveredText()
  const takeOver = recovery(placed, (leaf) => resumption(call, leaf, delivered.text))
  let { rest } = placed.stream
  const next: StartedStream["rest"] = Effect.suspend(() =>
    Effect.matchEffect(rest, {
      onSuccess: (chunk): StartedStream["rest"] => Effect.succeed(delivered.pass(chunk)),
      onFailure: (error): StartedStream["rest"] => {
        if (Cause.isDone(error)) return Cause.done()
        delivered.broken()
        if (!delivered.textOnly) return Effect.fail(error)
        return Effect.map(takeOver(error), (stream) => {
          rest = stream.rest
          return delivered.pass(stream.held)
        })
      },
    }),
  )
  return { held: delivered.pass(placed.stream.held), rest: next }
}

/**
 * A request to go on after the text delivered, and a stream of only what is new. The new deployment may repeat that text
 * before it goes on: the stream has no limit on its first output, but on each frame until then.
 */
const resumption = (original: Call<Chat.Request>, { candidate, policies }: Leaf, delivered: string): Transform => {
  const { deployment, name } = candidate
  const call = Params.callFor(name, deployment, original)
  const { mode, request } = StreamResume.resumeRequest(call.request, delivered, deployment.capabilities)
  const { resume } = Candidate.limits(candidate, policies, call)
  const resumed = new Call(request, true, call.options, call.at)
  resumed.spending = call.spending
  resumed.paramsOf = call.paramsOf
  return {
    call: resumed,
    frames: (frames) => StreamResume.joined(mode, withInactivityTimeout(frames, resume)),
    limits: unlimited,
  }
}

const unlimited: Timeout.AttemptTimeouts = {
  firstToken: Infinity,
  attempt: Infinity,
  resume: Infinity,
  afterFirstEvent: Infinity,
}

/** Fails when nothing but pings comes for longer than `millis`. */
const withInactivityTimeout = (frames: ProviderStream, millis: number): ProviderStream =>
  Stream.timeoutOrElse(
    Stream.filter(frames, ({ parts }) => parts.length > 0),
    {
      duration: millis,
      orElse: () => Stream.fail(Timeout.timeoutError({ phase: "first-token", millis, byCaller: false })),
    },
  )

/** `full`: nothing is shown until the answer is complete, or larger than `bytes`; until then another deployment may answer instead. */
const bufferStream = (placed: PlacedStream, bytes: number): StartedStream => {
  const takeOver = recovery(placed, () => undefined)
  const choices = placed.planned.context.call.request.sampling?.n ?? 1
  const complete = (stream: StartedStream): Effect.Effect<StartedStream, ProviderError> =>
    Effect.catch(StreamBuffer.bufferUntilComplete(stream, bytes, choices), (error) =>
      Effect.flatMap(takeOver(error), complete),
    )
  let rest: StartedStream["rest"] | undefined
  const next: StartedStream["rest"] = Effect.suspend(
    () =>
      rest ??
      Effect.map(complete(placed.stream), (released) => {
        rest = released.rest
        return released.held
      }),
  )
  return { held: emptyChunk, rest: next, buffered: true }
}

/** One frame without parts. */
const emptyChunk: Chunk = [{ parts: [] }]

// ---------------------------------------------------------------------------------------------------------------------
// Takeover
// ---------------------------------------------------------------------------------------------------------------------

/** Starts the stream that takes over after an error. Each call goes on after the step that the last one started. */
type TakeOver = (error: ProviderError) => Effect.Effect<StartedStream, ProviderError>

const recovery = (
  { planned, scope, step }: PlacedStream,
  transformFor: (leaf: Leaf) => Transform | undefined,
): TakeOver => {
  const { affinity, context } = planned
  const chain: Fallback.Chain<{ readonly stream: StartedStream; readonly step: Step }> = {
    rules,
    recorder: context.recorder,
    attempt: (step, { onAdmitted }) => {
      const attempt = (step: Step) => {
        const options = { onAdmitted, transform: transformFor(step.leaf) }
        const starting = StreamAttempt.start(context, step.leaf, scope, options)
        const started =
          affinity === undefined
            ? starting
            : Effect.tap(starting, () => CallExecutor.keep(affinity, step, context.recorder))
        const { trace } = context.recorder
        return Effect.map(trace === undefined ? started : trace.aroundElsewhere(started), (stream) => ({
          stream,
          step,
        }))
      }
      const { accounts } = step.leaf.candidate
      return accounts === undefined
        ? Effect.mapError(attempt(step), (error) => Fallback.failedStep(context.recorder, step, error))
        : AccountRotation.once(accounts, step, attempt, context.recorder)
    },
  }
  let current = step
  let left = takingOver(step.next, step.branch)
  let first: { readonly step: Step; readonly error: ProviderError } | undefined
  return (error) => {
    const { error: firstError, step: firstStep } = (first ??= { step: current, error })
    const giveUp = Effect.suspend(() => {
      context.recorder.attributeTo(firstStep.leaf.candidate.name)
      return Effect.fail(firstError)
    })
    if (actionFor(error.reason).fallback !== "next") return giveUp
    const position: Fallback.Position = {
      step: blamesAccount(error.reason) ? otherAccounts(current, context.recorder.receipt, left) : left,
      failures: [{ _tag: "Failed", step: current, error }],
      branches: ErrorBranch.noBranch,
    }
    return Effect.matchEffect(Fallback.next(chain, position), {
      onSuccess: ({ step, stream }) => {
        current = step
        left = step.next
        return Effect.succeed(stream)
      },
      onFailure: () => giveUp,
    })
  }
}

/**
 * The steps from this one on that may take over: those on `branch`, the error branch of the stream, or on none. Other racers of
 * its hedge are tried one after the other: their race is over.
 */
const takingOver = (from: Step | undefined, branch: Step["branch"]): Step | undefined => {
  let step = from
  while (step?.branch !== undefined && step.branch !== branch) step = step.next
  if (step === undefined) return undefined
  const taken = step
  return new Step({ ...taken, hedge: undefined }, () => takingOver(taken.next, branch))
}

/**
 * The steps after an account was to blame for the end of its stream: the accounts of its deployment that the call has not
 * tried, then the steps that are left.
 */
const otherAccounts = (step: Step, { attempts }: Receipt, left: Step | undefined): Step | undefined => {
  const candidate = Candidate.otherAccounts(
    step.leaf.candidate,
    ({ account, name }) => !attempts.some((attempt) => attempt.deployment === name && attempt.account === account),
  )
  if (candidate === undefined) return left
  return new Step({ ...step, leaf: { ...step.leaf, candidate }, hedge: undefined }, () => left)
}

/** After the first output no error branch is taken, and only the call's own deadline ends the recovery. */
const rules: Fallback.Rules = {
  skipReason: ({ availability }) => (availability._tag === "Available" ? undefined : availability),
  nextFor: (failure, branches) =>
    failure._tag === "Failed" && ErrorBranch.deadlineExceeded(failure.error.reason) ? "end" : branches,
}
