/**
 * A provider made of a behavior: it takes the time, fails and breaks off as the behavior says, and answers with text that means
 * nothing. What happens to an attempt is drawn when it begins.
 */
import * as Cause from "effect/Cause"
import * as Clock from "effect/Clock"
import * as Context from "effect/Context"
import * as Duration from "effect/Duration"
import * as Effect from "effect/Effect"
import type * as Pull from "effect/Pull"
import * as Stream from "effect/Stream"
import type * as Chat from "../model/Chat.ts"
import * as Outline from "../model/Outline.ts"
import type { Provider } from "../model/Provider.ts"
import type { Reason } from "../model/ProviderError.ts"
import { ProviderError } from "../model/ProviderError.ts"
import { charactersPerToken } from "../model/Usage.ts"
import type { Phase } from "./Behavior.ts"
import { Chance, named, numbered } from "./Chance.ts"
import { quantile } from "./Distribution.ts"
import { QuotaMeter } from "./QuotaMeter.ts"

/** A call of a rehearsal, as the providers that it reaches know it. */
export interface RehearsedCall {
  /** Its place in the traffic. */
  readonly number: number
  readonly inputTokens: number
  /** What its answer takes, at any deployment. */
  readonly outputTokens: number
  /** How many attempts it has made. */
  attempts: number
}

/** The call that the fibre makes. */
export const RehearsedCall: Context.Reference<RehearsedCall> = Context.Reference<RehearsedCall>(
  "@understudy/core/RehearsedCall",
  { defaultValue: () => ({ number: 0, inputTokens: 100, outputTokens: 100, attempts: 0 }) },
)

/** What becomes of one attempt. Times are clock milliseconds. */
type Fate =
  | { readonly _tag: "Fails"; readonly at: number; readonly error: ProviderError }
  /** It answers until `end`. If it breaks off or goes silent, `last` is when, and the rest does not come. */
  | {
      readonly _tag: "Answers"
      readonly first: number
      readonly end: number
      readonly last: number
      readonly error: ProviderError | "silence" | undefined
    }

/** How long it takes until a vendor has refused a call, in milliseconds. */
const refusal = 50

/** A stream brings what there is of it once in so many milliseconds. */
const interval = 2000

/** A provider with these phases. `name` and `seed` decide what it draws. */
export const make = (
  name: string,
  seed: number,
  phases: ReadonlyArray<Phase>,
  { local, protocol }: { readonly protocol: string; readonly local: boolean },
): Provider["Service"] => {
  const own = named(seed, name)
  const quota = new QuotaMeter()
  let current = 0

  /** Time does not go back. */
  const phaseAt = (now: number): Phase => {
    while (current + 1 < phases.length && phases[current + 1]!.from <= now) current++
    return phases[current]!
  }
  const nextOutage = (): number =>
    phases.find(({ isOut }, index) => index > current && isOut)?.from ?? Number.POSITIVE_INFINITY

  const fail = (reason: Reason, status?: number): ProviderError =>
    new ProviderError({ reason, message: `${name} fails in this rehearsal`, status })

  const fateOf = (call: RehearsedCall, now: number, outputTokens: number): Fate => {
    const chance = new Chance(numbered(numbered(own, call.number), call.attempts++))
    const phase = phaseAt(now)
    if (phase.isOut) return { _tag: "Fails", at: now + refusal, error: fail({ _tag: "Network" }) }
    const luck = chance.next()
    let failing = 0
    for (const { after, reason, share, status } of phase.failures) {
      failing += share
      if (luck < failing)
        return { _tag: "Fails", at: now + quantile(after, chance.next()), error: fail(reason, status) }
    }
    if (phase.quota !== undefined) {
      const wait = quota.take(phase.quota, call.inputTokens + outputTokens, now)
      if (wait > 0) {
        const retryAfter = Duration.millis(Math.ceil(wait / 1000) * 1000)
        return { _tag: "Fails", at: now + refusal, error: fail({ _tag: "RateLimited", retryAfter }, 429) }
      }
    }
    const first = now + quantile(phase.firstToken, chance.next())
    const speed = quantile(phase.tokensPerSecond, chance.next())
    const end = first + (speed > 0 ? (outputTokens / speed) * 1000 : 0)
    const ending = chance.next()
    const breaking = first + (end - first) * chance.next()
    const outage = nextOutage()
    if (outage <= end) {
      const at = Math.max(now, outage)
      const error = fail({ _tag: "Network" })
      return at < first ? { _tag: "Fails", at, error } : { _tag: "Answers", first, end, last: at, error }
    }
    if (ending < phase.cut) return { _tag: "Answers", first, end, last: breaking, error: fail({ _tag: "Network" }) }
    if (ending < phase.cut + phase.stall) return { _tag: "Answers", first, end, last: breaking, error: "silence" }
    return { _tag: "Answers", first, end, last: end, error: undefined }
  }

  /** The fate of the attempt that the fibre makes now. */
  const begun = <A, E>(
    request: Chat.Request | undefined,
    use: (fate: Fate, call: RehearsedCall, outputTokens: number, clock: Clock.Clock) => Effect.Effect<A, E>,
  ): Effect.Effect<A, E> =>
    Effect.contextWith((context: Context.Context<never>) => {
      const clock = Context.get(context, Clock.Clock)
      const call = Context.get(context, RehearsedCall)
      const outputTokens = request === undefined ? 0 : Math.min(call.outputTokens, mostOutput(request))
      return use(fateOf(call, clock.currentTimeMillisUnsafe(), outputTokens), call, outputTokens, clock)
    })

  /** Waits until a complete response is there. */
  const complete = (fate: Fate, clock: Clock.Clock): Effect.Effect<void, ProviderError> => {
    if (fate._tag === "Fails") return Effect.andThen(until(fate.at, clock), Effect.fail(fate.error))
    if (fate.error === "silence") return Effect.never
    return Effect.andThen(until(fate.last, clock), fate.error === undefined ? Effect.void : Effect.fail(fate.error))
  }

  return {
    protocol,
    local,
    chat: (request) =>
      begun(request, (fate, { inputTokens }, outputTokens, clock) =>
        Effect.map(complete(fate, clock), (): Chat.Response => ({
          content: [{ type: "text", text: text(outputTokens) }],
          finishReason: "stop",
          usage: { inputTokens, outputTokens },
        })),
      ),
    embed: (request) =>
      begun(undefined, (fate, { inputTokens }, _, clock) =>
        Effect.map(complete(fate, clock), () => ({
          vectors: request.input.map(() => [1]),
          usage: { inputTokens, outputTokens: 0 },
        })),
      ),
    stream: (request) =>
      Stream.fromPull(
        begun(request, (fate, call, outputTokens, clock) =>
          Effect.succeed(
            fate._tag === "Fails"
              ? Effect.andThen(until(fate.at, clock), Effect.fail(fate.error))
              : frames(fate, call, outputTokens, clock),
          ),
        ),
      ),
  }
}

const until = (at: number, clock: Clock.Clock): Effect.Effect<void> => {
  const wait = at - clock.currentTimeMillisUnsafe()
  return wait > 0 ? clock.sleep(Duration.millis(wait)) : Effect.void
}

/** The frames of an answer, each with what has come since the one before. */
const frames = (
  { end, error, first, last }: Extract<Fate, { readonly _tag: "Answers" }>,
  { inputTokens }: RehearsedCall,
  outputTokens: number,
  clock: Clock.Clock,
): Pull.Pull<readonly [Chat.Frame], ProviderError> => {
  let sent = 0
  let isOver = false
  const tokensAt = (now: number): number =>
    now >= end ? outputTokens : Math.max(1, Math.floor(((now - first) / (end - first)) * outputTokens))
  return Effect.suspend((): Pull.Pull<readonly [Chat.Frame], ProviderError> => {
    if (isOver) return Cause.done()
    const due = sent === 0 ? first : Math.min(last, clock.currentTimeMillisUnsafe() + interval)
    return Effect.flatMap(until(due, clock), (): Pull.Pull<readonly [Chat.Frame], ProviderError> => {
      const now = clock.currentTimeMillisUnsafe()
      const tokens = tokensAt(now)
      const parts: Array<Chat.Part> = []
      if (sent === 0) parts.push({ type: "start" })
      if (tokens > sent) parts.push({ type: "text", text: text(tokens - sent) })
      sent = Math.max(sent, tokens, 1)
      if (now < last) return Effect.succeed([{ parts }] as const)
      if (error === "silence")
        return parts.length > 0 && due === first ? Effect.succeed([{ parts }] as const) : Effect.never
      if (error !== undefined) return Effect.fail(error)
      isOver = true
      parts.push({ type: "finish", reason: "stop" }, { type: "usage", usage: { inputTokens, outputTokens } })
      return Effect.succeed([{ parts }] as const)
    })
  })
}

const mostOutput = (request: Chat.Request): number =>
  Outline.settings(request).sampling?.maxTokens ?? Number.POSITIVE_INFINITY

/** A text of so many tokens. */
const text = (tokens: number): string => {
  const known = texts[tokens]
  if (known !== undefined) return known
  const made = "word".padEnd(charactersPerToken).repeat(tokens)
  if (tokens < maxKnown) texts[tokens] = made
  return made
}

const maxKnown = 4096
const texts: Array<string> = []
