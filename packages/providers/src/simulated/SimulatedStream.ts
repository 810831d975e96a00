/**
 * The timing of a simulated call: its delays, its failures, and when each token is due. A change of the deployment's fault
 * takes effect at once, and so does interruption.
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

/** A call: the deployment, the fault at its start, and a random number, 0 to 1. The call fails if it is below the failure rate. */
export interface Call {
  readonly name: string
  readonly injected: Ref.Ref<InjectedFault>
  readonly began: InjectedFault
  readonly random: number
}

/** Waits until the complete response is due, or fails. */
export const complete = (call: Call): Effect.Effect<void, ProviderError> =>
  Effect.clockWith((clock) =>
    Effect.flatMap(
      due(call, clock.currentTimeMillisUnsafe(), ({ latency }) => latency, 0),
      ({ behavior }) => admitted(call, behavior),
    ),
  )

/** The frames of a stream, each when it is due. Frames that are due together are emitted together. */
export const stream = (
  call: Call,
  { end, tokens }: RevealedTokens,
): Effect.Effect<Pull.Pull<Arr.NonEmptyReadonlyArray<Chat.Frame>, ProviderError>> =>
  Effect.map(Clock.currentTimeMillis, (startedAt) => {
    let sent = 0
    let lastAt: number | undefined
    let ended = false
    /** The time from the last token to the next. The end comes with the last token. */
    const delay = ({ firstToken, tokenDelay, stallAfterTokens }: Behavior): number => {
      if (sent >= stallAfterTokens) return Number.POSITIVE_INFINITY
      if (lastAt === undefined) return firstToken
      return sent < tokens.length ? tokenDelay : 0
    }
    return Effect.gen(function* () {
      if (ended) return yield* Cause.done()
      const { at, behavior, now } = yield* due(call, lastAt ?? startedAt, delay, sent)
      if (lastAt === undefined) yield* admitted(call, behavior)
      const frames: Array<Chat.Frame> = []
      for (
        let next = at;
        next <= now && sent < behavior.disconnectAfterTokens && !ended;
        next = lastAt + delay(behavior)
      ) {
        frames.push(...(tokens[sent] ?? end))
        ended = sent === tokens.length
        if (!ended) sent++
        lastAt = next
      }
      return Arr.isArrayNonEmpty(frames) ? frames : yield* Failures.broken(call.name, sent)
    })
  })

/** An event that is due: its time, the time now, and the behavior now. */
interface Due {
  readonly at: number
  readonly now: number
  readonly behavior: Behavior
}

/** Waits until `delay` after `since`, also when the behavior changes. Fails as soon as the deployment is down. */
const due = Effect.fnUntraced(function* (
  call: Call,
  since: number,
  delay: (behavior: Behavior) => number,
  sent: number,
): Effect.fn.Return<Due, ProviderError> {
  let from = since
  while (true) {
    const injected = yield* Ref.get(call.injected)
    const { behavior } = injected
    const now = yield* Clock.currentTimeMillis
    const failure = down(call, injected, now, sent)
    if (failure !== undefined) return yield* failure
    const at = from + delay(behavior)
    if (at <= now) return { at, now, behavior }
    const wake = Math.min(at, behavior.outage.from > now ? behavior.outage.from : Number.POSITIVE_INFINITY)
    const over = Deferred.await(injected.over)
    yield* wake === Number.POSITIVE_INFINITY
      ? over
      : Effect.timeoutOrElse(over, { duration: wake - now, orElse: () => Effect.void })
    // After a stall, tokens continue from now instead of in one burst.
    if (at === Number.POSITIVE_INFINITY) from = yield* Clock.currentTimeMillis
  }
})

/** The error of an open call whose deployment is unreachable, or fails every call since a change. */
const down = (call: Call, injected: InjectedFault, now: number, sent: number): ProviderError | undefined => {
  const { failureRate, outage, retryAfter, status } = injected.behavior
  const out = outage.from <= now && now < outage.until
  if (!out && (injected === call.began || failureRate < 1)) return undefined
  if (sent > 0) return Failures.broken(call.name, sent)
  return out ? Failures.unreachable(call.name) : Failures.refused(call.name, status, retryAfter)
}

const admitted = (call: Call, { failureRate, retryAfter, status }: Behavior): Effect.Effect<void, ProviderError> =>
  call.random < failureRate ? Effect.fail(Failures.refused(call.name, status, retryAfter)) : Effect.void
