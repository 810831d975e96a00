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
import * as Announce from "./Announce.ts"
import * as Attempt from "./Attempt.ts"
import { Call } from "./Call.ts"
import * as Candidate from "./Candidate.ts"
import type * as Chat from "./Chat.ts"
import type { Chunk } from "./Commit.ts"
import * as Continuation from "./Continuation.ts"
import * as Holdback from "./Holdback.ts"
import type { Leaf } from "./Compiled.ts"
import type { Step } from "./Plan.ts"
import { judge } from "./ProviderError.ts"
import type { ProviderError } from "./ProviderError.ts"
import * as Timeout from "./Timeout.ts"

/** A stream of this step, up to its commit point, and protected after it by whoever comes after it in the plan. */
export const stream = (
  context: Attempt.Context<Chat.Request>,
  steps: ReadonlyArray<Step>,
  step: Step,
  force: boolean,
  scope: Scope.Scope,
): Effect.Effect<Attempt.Committed, Attempt.Failure> => {
  const attempt = Attempt.stream(context, step.leaf, force, scope)
  const { hold, protect } = step.leaf.patience.stream
  // Whoever takes a stream over has nobody to race with.
  const alone: Attempt.Context<Chat.Request> = { ...context, claim: undefined }
  switch (protect) {
    case "preamble":
      return attempt
    case "continue":
      return Continuation.continuable(context.call.request)
        ? Effect.map(attempt, (committed) => continued({ context: alone, steps, step, scope }, committed))
        : attempt
    case "full":
      return Effect.map(attempt, (committed) => heldBack({ context: alone, steps, step, scope }, committed, hold))
  }
}

/** A committed stream's place: its call, the plan's steps, which of them answers, and the scope of its streams. */
interface Place {
  readonly context: Attempt.Context<Chat.Request>
  readonly steps: ReadonlyArray<Step>
  readonly step: Step
  readonly scope: Scope.Scope
}

type Rest = Attempt.Committed["rest"]

/** Goes on after what was delivered. */
const continued = (place: Place, { held, rest }: Attempt.Committed): Attempt.Committed => {
  const { context } = place
  const delivered = new Continuation.Delivered()
  const recover = recovery(place, (leaf) => goingOn(context, leaf, delivered.text))
  let current = rest
  const next: Rest = Effect.suspend(() =>
    Effect.matchEffect(current, {
      onSuccess: (chunk): Rest => Effect.succeed(delivered.pass(chunk)),
      onFailure: (error): Rest => {
        if (Cause.isDone(error)) return Cause.done()
        delivered.broken()
        if (!delivered.plain) return Effect.fail(error)
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
const goingOn = (context: Attempt.Context<Chat.Request>, leaf: Leaf, delivered: string): Asking => {
  const { candidate } = leaf
  const { joint, request } = Continuation.ask(context.call.request, delivered, candidate.deployment.capabilities)
  const { takingOver } = Candidate.limits(candidate, leaf.patience, context.call)
  const stream = (request: Chat.Request) =>
    Continuation.joined(joint, audible(candidate.provider.stream(request), takingOver))
  return {
    context: { ...context, call: new Call(request, true, context.call.options, context.call.at) },
    leaf: {
      ...leaf,
      candidate: { ...candidate, provider: { ...candidate.provider, stream } },
      patience: { ...leaf.patience, ...unhurried },
    },
  }
}

const unlimited: Timeout.Limits = { firstToken: Infinity, attempt: Infinity, takingOver: Infinity, begun: Infinity }

/** Whoever goes on is heard at once, and then repeats what is known for as long as that takes. */
const unhurried = { ...unlimited, thinking: unlimited }

/** Fails when nothing but pings comes for longer than `millis`. */
const audible = (
  frames: Stream.Stream<Chat.Frame, ProviderError>,
  millis: number,
): Stream.Stream<Chat.Frame, ProviderError> =>
  Stream.timeoutOrElse(
    Stream.filter(frames, ({ parts }) => parts.length > 0),
    { duration: millis, orElse: () => Stream.fail(Timeout.error({ phase: "first-token", millis, byCaller: false })) },
  )

/** Shows nothing before all of it is there, or more than `bytes`; until then, another answers in its place. */
const heldBack = (place: Place, committed: Attempt.Committed, bytes: number): Attempt.Committed => {
  const recover = recovery(place, (leaf) => ({ context: place.context, leaf }))
  const choices = place.context.call.request.sampling?.n ?? 1
  const whole = (committed: Attempt.Committed): Effect.Effect<Attempt.Committed, ProviderError> =>
    Effect.catch(Holdback.hold(committed, bytes, choices), (error) => Effect.flatMap(recover(error), whole))
  let rest: Rest | undefined
  const next: Rest = Effect.suspend(
    () =>
      rest ??
      Effect.map(whole(committed), (released) => {
        rest = released.rest
        return released.held
      }),
  )
  return { held: nothing, rest: next, heldBack: true }
}

/** A frame that says nothing yet. */
const nothing: Chunk = [{ parts: [] }]

interface Asking {
  readonly context: Attempt.Context<Chat.Request>
  readonly leaf: Leaf
}

/** Asks whoever is left after a fault; each call goes on where the last one stopped. */
const recovery = (
  { context, scope, step, steps }: Place,
  ask: (leaf: Leaf) => Asking,
): ((error: ProviderError) => Effect.Effect<Attempt.Committed, ProviderError>) => {
  // A branch that was not taken is nobody's understudy; who races beside this one is interrupted already.
  const left = steps
    .slice(steps.indexOf(step) + 1)
    .filter(({ within }) => within === undefined || within === step.within)
  let first: { readonly step: Step; readonly error: ProviderError } | undefined
  let broken = step

  const giveUp = (error: ProviderError): Effect.Effect<never, ProviderError> => {
    const fault = first ?? { step: broken, error }
    context.ledger.deployment = fault.step.leaf.candidate.name
    return Effect.fail(fault.error)
  }
  const next = (error: ProviderError): Effect.Effect<Attempt.Committed, ProviderError> => {
    const candidate = left.shift()
    if (candidate === undefined) return giveUp(error)
    if (candidate.verdict._tag !== "Ready") {
      Announce.passedOver(context, candidate, candidate.verdict)
      return next(error)
    }
    const asking = ask(candidate.leaf)
    const onAdmitted = () => Announce.failover(context, candidate, [{ _tag: "Failed", step: broken, error }])
    return Effect.matchEffect(Attempt.stream({ ...asking.context, onAdmitted }, asking.leaf, false, scope), {
      onSuccess: (committed) => {
        broken = candidate
        return Effect.succeed(committed)
      },
      onFailure: (failure) => {
        if (failure._tag === "Refused") {
          Announce.passedOver(context, candidate, failure.refusal)
          return next(error)
        }
        broken = candidate
        return outOfTime(failure) ? giveUp(failure) : next(failure)
      },
    })
  }
  return (error) => {
    first ??= { step: broken, error }
    return judge(error.reason).next === "next" ? next(error) : giveUp(error)
  }
}

const outOfTime = ({ reason }: ProviderError): boolean => reason._tag === "Timeout" && reason.phase === "total"
