/**
 * What becomes of a stream that breaks after its first real output, where its route protects it: whoever comes after it
 * in the plan is asked, in order and once each, by the same admission as ever.
 *
 * Every attempt is one of its own, settled as such. When nobody can, the answer ends in the first fault.
 */
import * as Cause from "effect/Cause"
import * as Effect from "effect/Effect"
import type * as Scope from "effect/Scope"
import * as Stream from "effect/Stream"
import * as CallEvents from "../execution/CallEvents.ts"
import * as Attempt from "../execution/Attempt.ts"
import { Call } from "../model/Call.ts"
import * as Candidate from "../deployment/Candidate.ts"
import type * as Chat from "../model/Chat.ts"
import type { Chunk } from "../execution/StreamStart.ts"
import * as StreamResume from "./StreamResume.ts"
import * as StreamBuffer from "./StreamBuffer.ts"
import type { Leaf } from "../route/BoundRoute.ts"
import type { Step } from "../route/Plan.ts"
import { actionFor } from "../model/ProviderError.ts"
import type { ProviderError } from "../model/ProviderError.ts"
import * as Timeout from "../policy/Timeout.ts"

/** A stream of this step, up to its commit point, and protected after it by whoever comes after it in the plan. */
export const stream = (
  context: Attempt.Context<Chat.Request>,
  steps: ReadonlyArray<Step>,
  step: Step,
  force: boolean,
  scope: Scope.Scope,
): Effect.Effect<Attempt.StartedStream, Attempt.Failure> => {
  const attempt = Attempt.stream(context, step.leaf, force, scope)
  const { buffer, protect } = step.leaf.policies.stream
  // Whoever takes a stream over has nobody to race with.
  const alone: Attempt.Context<Chat.Request> = { ...context, claim: undefined }
  switch (protect) {
    case "preamble":
      return attempt
    case "continue":
      return StreamResume.isResumable(context.call.request)
        ? Effect.map(attempt, (committed) => resumeStream({ context: alone, steps, step, scope }, committed))
        : attempt
    case "full":
      return Effect.map(attempt, (committed) => bufferStream({ context: alone, steps, step, scope }, committed, buffer))
  }
}

/** A committed stream's place: its call, the plan's steps, which of them answers, and the scope of its streams. */
interface Place {
  readonly context: Attempt.Context<Chat.Request>
  readonly steps: ReadonlyArray<Step>
  readonly step: Step
  readonly scope: Scope.Scope
}

type Rest = Attempt.StartedStream["rest"]

/** Goes on after what was delivered. */
const resumeStream = (place: Place, { held, rest }: Attempt.StartedStream): Attempt.StartedStream => {
  const { context } = place
  const delivered = new StreamResume.DeliveredText()
  const recover = recovery(place, (leaf) => resumeFrom(context, leaf, delivered.text))
  let current = rest
  const next: Rest = Effect.suspend(() =>
    Effect.matchEffect(current, {
      onSuccess: (chunk): Rest => Effect.succeed(delivered.pass(chunk)),
      onFailure: (error): Rest => {
        if (Cause.isDone(error)) return Cause.done()
        delivered.broken()
        if (!delivered.textOnly) return Effect.fail(error)
        return Effect.map(recover(error), (other) => {
          current = other.rest
          return delivered.pass(other.held)
        })
      },
    }),
  )
  return { held: delivered.pass(held), rest: next }
}

/**
 * The attempt's own request, and a candidate that says only what is new. What it repeats is not silence: its first word
 * may take as long as any, but what is new comes when it comes.
 */
const resumeFrom = (context: Attempt.Context<Chat.Request>, leaf: Leaf, delivered: string): Asking => {
  const { candidate } = leaf
  const { joint, request } = StreamResume.resumeRequest(
    context.call.request,
    delivered,
    candidate.deployment.capabilities,
  )
  const { resume } = Candidate.limits(candidate, leaf.policies, context.call)
  const stream = (request: Chat.Request) =>
    StreamResume.joined(joint, withInactivityTimeout(candidate.provider.stream(request), resume))
  return {
    context: { ...context, call: new Call(request, true, context.call.options, context.call.at) },
    leaf: {
      ...leaf,
      candidate: { ...candidate, provider: { ...candidate.provider, stream } },
      policies: { ...leaf.policies, ...unhurried },
    },
  }
}

const unlimited: Timeout.AttemptTimeouts = {
  firstToken: Infinity,
  attempt: Infinity,
  resume: Infinity,
  afterFirstEvent: Infinity,
}

/** Whoever goes on is heard at once, and then repeats what is known for as long as that takes. */
const unhurried = { ...unlimited, reasoning: unlimited }

/** Fails when nothing but pings comes for longer than `millis`. */
const withInactivityTimeout = (
  frames: Stream.Stream<Chat.Frame, ProviderError>,
  millis: number,
): Stream.Stream<Chat.Frame, ProviderError> =>
  Stream.timeoutOrElse(
    Stream.filter(frames, ({ parts }) => parts.length > 0),
    {
      duration: millis,
      orElse: () => Stream.fail(Timeout.timeoutError({ phase: "first-token", millis, byCaller: false })),
    },
  )

/** Shows nothing before all of it is there, or more than `bytes`; until then, another answers in its place. */
const bufferStream = (place: Place, committed: Attempt.StartedStream, bytes: number): Attempt.StartedStream => {
  const recover = recovery(place, (leaf) => ({ context: place.context, leaf }))
  const choices = place.context.call.request.sampling?.n ?? 1
  const whole = (committed: Attempt.StartedStream): Effect.Effect<Attempt.StartedStream, ProviderError> =>
    Effect.catch(StreamBuffer.bufferUntilComplete(committed, bytes, choices), (error) =>
      Effect.flatMap(recover(error), whole),
    )
  let rest: Rest | undefined
  const next: Rest = Effect.suspend(
    () =>
      rest ??
      Effect.map(whole(committed), (released) => {
        rest = released.rest
        return released.held
      }),
  )
  return { held: emptyChunk, rest: next, buffered: true }
}

/** A frame that says nothing yet. */
const emptyChunk: Chunk = [{ parts: [] }]

interface Asking {
  readonly context: Attempt.Context<Chat.Request>
  readonly leaf: Leaf
}

/** Asks whoever is left after a fault; each call goes on where the last one stopped. */
const recovery = (
  { context, scope, step, steps }: Place,
  ask: (leaf: Leaf) => Asking,
): ((error: ProviderError) => Effect.Effect<Attempt.StartedStream, ProviderError>) => {
  // A branch that was not taken is nobody's understudy; who races beside this one is interrupted already.
  const left = steps
    .slice(steps.indexOf(step) + 1)
    .filter(({ branch }) => branch === undefined || branch === step.branch)
  let first: { readonly step: Step; readonly error: ProviderError } | undefined
  let broken = step

  const giveUp = (error: ProviderError): Effect.Effect<never, ProviderError> => {
    const fault = first ?? { step: broken, error }
    context.receipt.deployment = fault.step.leaf.candidate.name
    return Effect.fail(fault.error)
  }
  const next = (error: ProviderError): Effect.Effect<Attempt.StartedStream, ProviderError> => {
    const candidate = left.shift()
    if (candidate === undefined) return giveUp(error)
    if (candidate.availability._tag !== "Available") {
      CallEvents.skipped(context, candidate, candidate.availability)
      return next(error)
    }
    const asking = ask(candidate.leaf)
    const onAdmitted = () => CallEvents.failover(context, candidate, [{ _tag: "Failed", step: broken, error }])
    return Effect.matchEffect(Attempt.stream({ ...asking.context, onAdmitted }, asking.leaf, false, scope), {
      onSuccess: (committed) => {
        broken = candidate
        return Effect.succeed(committed)
      },
      onFailure: (failure) => {
        if (failure._tag === "Refused") {
          CallEvents.skipped(context, candidate, failure.reason)
          return next(error)
        }
        broken = candidate
        return deadlineExceeded(failure) ? giveUp(failure) : next(failure)
      },
    })
  }
  return (error) => {
    first ??= { step: broken, error }
    return actionFor(error.reason).fallback === "next" ? next(error) : giveUp(error)
  }
}

const deadlineExceeded = ({ reason }: ProviderError): boolean => reason._tag === "Timeout" && reason.phase === "total"
