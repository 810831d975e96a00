/**
 * A simulated call in time: what keeps it waiting, what breaks it, and when each token is due. It notices a change of
 * the deployment's conditions at once, and stops at once when it is interrupted.
 */
import type * as Chat from "@understudy/core/Chat"
import type { ProviderError } from "@understudy/core/ProviderError"
import * as Arr from "effect/Array"
import * as Cause from "effect/Cause"
import * as Clock from "effect/Clock"
import * as Deferred from "effect/Deferred"
import * as Effect from "effect/Effect"
import type * as Pull from "effect/Pull"
import * as Ref from "effect/Ref"
import type { RevealedTokens } from "./Answer.ts"
import type { Behavior } from "./Behavior.ts"
import type { InjectedFault } from "./Control.ts"
import * as Failures from "./Failures.ts"

/** One call: to whom, in which injected it began, and its draw (0 to 1), which fails it where below the failure rate. */
export interface Call {
  readonly name: string
  readonly injected: Ref.Ref<InjectedFault>
  readonly began: InjectedFault
  readonly draw: number
}

/** Waits until a plain answer is due, or fails as the conditions will have it. */
export const answered = (call: Call): Effect.Effect<void, ProviderError> =>
  Effect.clockWith((clock) =>
    Effect.flatMap(
      due(call, clock.currentTimeMillisUnsafe(), ({ latency }) => latency, 0),
      ({ conditions }) => admitted(call, conditions),
    ),
  )

/** A stream's frames as they come due: those that are due together come together. */
export const streamed = (
  call: Call,
  { end, tokens }: RevealedTokens,
): Effect.Effect<Pull.Pull<Arr.NonEmptyReadonlyArray<Chat.Frame>, ProviderError>> =>
  Effect.map(Clock.currentTimeMillis, (startedAt) => {
    let said = 0
    let spokeAt: number | undefined
    let ended = false
    /** From the last token to the next, or to the end, which comes with the last one. */
    const delay = ({ firstToken, tokenDelay, stallAfterTokens }: Behavior): number => {
      if (said >= stallAfterTokens) return Number.POSITIVE_INFINITY
      if (spokeAt === undefined) return firstToken
      return said < tokens.length ? tokenDelay : 0
    }
    return Effect.gen(function* () {
      if (ended) return yield* Cause.done()
      const { at, conditions, now } = yield* due(call, spokeAt ?? startedAt, delay, said)
      if (spokeAt === undefined) yield* admitted(call, conditions)
      const frames: Array<Chat.Frame> = []
      for (
        let next = at;
        next <= now && said < conditions.disconnectAfterTokens && !ended;
        next = spokeAt + delay(conditions)
      ) {
        frames.push(...(tokens[said] ?? end))
        ended = said === tokens.length
        if (!ended) said++
        spokeAt = next
      }
      return Arr.isArrayNonEmpty(frames) ? frames : yield* Failures.broken(call.name, said)
    })
  })

/** Something that is due: when it was, when it was noticed, and what held then. */
interface Due {
  readonly at: number
  readonly now: number
  readonly conditions: Behavior
}

/** Waits for as long after `since` as the conditions say, whenever they change; fails as soon as the deployment is down. */
const due = Effect.fnUntraced(function* (
  call: Call,
  since: number,
  delay: (conditions: Behavior) => number,
  said: number,
): Effect.fn.Return<Due, ProviderError> {
  let from = since
  while (true) {
    const injected = yield* Ref.get(call.injected)
    const { behavior } = injected
    const now = yield* Clock.currentTimeMillis
    const failure = down(call, injected, now, said)
    if (failure !== undefined) return yield* failure
    const at = from + delay(behavior)
    if (at <= now) return { at, now, conditions: behavior }
    const wake = Math.min(at, behavior.outage.from > now ? behavior.outage.from : Number.POSITIVE_INFINITY)
    const over = Deferred.await(injected.over)
    yield* wake === Number.POSITIVE_INFINITY
      ? over
      : Effect.timeoutOrElse(over, { duration: wake - now, orElse: () => Effect.void })
    // Whoever was silent goes on from here: what would have been said meanwhile does not come in one burst.
    if (at === Number.POSITIVE_INFINITY) from = yield* Clock.currentTimeMillis
  }
})

/** What a call under way fails with when its deployment is out of reach, or has come to refuse every call since it began. */
const down = (call: Call, injected: InjectedFault, now: number, said: number): ProviderError | undefined => {
  const { failureRate, outage, retryAfter, status } = injected.behavior
  const out = outage.from <= now && now < outage.until
  if (!out && (injected === call.began || failureRate < 1)) return undefined
  if (said > 0) return Failures.broken(call.name, said)
  return out ? Failures.unreachable(call.name) : Failures.refused(call.name, status, retryAfter)
}

const admitted = (call: Call, { failureRate, retryAfter, status }: Behavior): Effect.Effect<void, ProviderError> =>
  call.draw < failureRate ? Effect.fail(Failures.refused(call.name, status, retryAfter)) : Effect.void
