/**
 * What a configuration may say about patience and health (retries, time limits, circuits, broken streams), and which
 * part of it where: each policy has the keys that are heeded at its place, and no others.
 */
import { accepts } from "@understudy/core/internal/policy/Acceptance"
import * as Chat from "@understudy/core/Chat"
import { protects } from "@understudy/core/internal/policy/StreamPolicy"
import * as Rules from "@understudy/core/internal/route/Rules"
import * as Schema from "effect/Schema"
import { DurationText, PositiveDuration } from "./DurationText.ts"
import type { Hint } from "./SchemaErrors.ts"
import { SizeText } from "./SizeText.ts"
import { count, countOrNone, positiveShare, share, word } from "./Fields.ts"

const optional = Schema.optionalKey

const retryFields = {
  times: optional(countOrNone),
  base: optional(DurationText),
  max: optional(DurationText),
  maxRetryAfter: optional(DurationText),
}
const retryBudget = { budget: optional(share) }

/** Retries by where they are said: everywhere and of a whole route, or of a deployment and of a part of a route. */
export const Retry = {
  whole: Schema.Struct({ ...retryFields, ...retryBudget }),
  part: Schema.Struct(retryFields),
}

const whole = { total: optional(PositiveDuration), write: optional(PositiveDuration) }
const attemptTimeout = {
  firstToken: optional(PositiveDuration),
  reasoning: optional(PositiveDuration),
  idle: optional(PositiveDuration),
  attempt: optional(PositiveDuration),
}
const transport = { connect: optional(PositiveDuration) }

/** Time limits by where they are said: everywhere, of a deployment, of a whole route, of a part of one. */
export const Timeout = {
  defaults: Schema.Struct({ ...transport, ...attemptTimeout, ...whole }),
  deployment: Schema.Struct({ ...transport, ...attemptTimeout }),
  route: Schema.Struct({ ...attemptTimeout, ...whole }),
  part: Schema.Struct(attemptTimeout),
}

/** Why a key of a policy is not for here. */
export const wrongPlaceHint: Hint = Rules.misplaced

export const Circuit = Schema.Struct({
  failures: optional(count),
  failureRateThreshold: optional(positiveShare),
  windowSize: optional(count),
  open: optional(PositiveDuration),
  max: optional(PositiveDuration),
  permanentFailure: optional(PositiveDuration),
})

/** What an answer is checked for. */
export const Accept = word(accepts)

/** How long a deployment that asks to be left alone is believed. */
export const Cooldown = Schema.Struct({ max: optional(PositiveDuration) })

export const Stream = Schema.Struct({ protect: optional(word(protects)), buffer: optional(SizeText) })

/** How long a route keeps its answers, and how many. */
export const Cache = Schema.Struct({
  ttl: PositiveDuration.pipe(
    Schema.annotateKey({ messageMissingKey: "is missing: say how long an answer is kept, such as 5m" }),
  ),
  max: optional(count),
})

/** How long a route's streams may be silent. */
export const Sse = Schema.Struct({
  keepAlive: PositiveDuration.pipe(
    Schema.annotateKey({ messageMissingKey: "is missing: say how long a stream may be silent, such as 15s" }),
  ),
})

/** What becomes of a wish that a protocol cannot say. */
export const UnsupportedParams = word(Chat.UnsupportedParams.literals)

/** What holds wherever nothing nearer says otherwise. */
export const Defaults = Schema.Struct({
  retry: optional(Retry.whole),
  timeout: optional(Timeout.defaults),
  circuit: optional(Circuit),
  cooldown: optional(Cooldown),
  stream: optional(Stream),
  unsupportedParams: optional(UnsupportedParams),
})
