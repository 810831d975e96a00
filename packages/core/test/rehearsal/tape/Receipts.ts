/** Receipts of any kind, for properties of tapes. */
import type { Kind } from "@understudy/core/internal/model/ErrorKind"
import { reasonTags } from "@understudy/core/ProviderError"
import type { Attempt, AttemptType, Receipt } from "@understudy/core/Receipt"
import { ReceiptBuilder } from "@understudy/core/Receipt"
import type { SkipReason } from "@understudy/core/SkipReason"
import type { Capability, Operation } from "@understudy/core/Call"
import { Call, capabilities } from "@understudy/core/Call"
import type * as Tape from "@understudy/core/Tape"
import * as Schema from "effect/Schema"

const between = (minimum: number, maximum: number) => Schema.Int.check(Schema.isBetween({ minimum, maximum }))

const millis = Schema.Union([between(0, 300), between(0, 2 ** 40)])
const tokens = Schema.Union([between(0, 3), between(0, 2_000_000_000)])
/** Any text, those of other scripts too, but none of which a half is missing. */
const name = Schema.String.check(
  Schema.isMaxLength(20),
  Schema.makeFilter((text) => text.isWellFormed()),
)
const outcome = Schema.Literals(["success", "failure", "cancelled"])
const callOutcome = Schema.Literals(["success", "failure", "cancelled", "refused"])
const types: ReadonlyArray<AttemptType> = ["initial", "retry", "fallback", "hedge", "probe", "continuation"]
const skips: ReadonlyArray<SkipReason> = [
  { _tag: "CircuitOpen", retryAfter: 3 },
  { _tag: "MissingCapability", need: "tools" },
  { _tag: "RateLimited", limit: "rpm", retryAfter: 10 },
]
const kinds: ReadonlyArray<Kind> = ["Unavailable", "StreamInterrupted", "InvalidRequest"]
const operations: ReadonlyArray<Operation> = ["chat", "embeddings"]

const AnyUsage = Schema.Struct({
  inputTokens: tokens,
  outputTokens: tokens,
  cachedInputTokens: Schema.UndefinedOr(tokens),
  cacheWriteTokens: Schema.UndefinedOr(tokens),
  reasoningTokens: Schema.UndefinedOr(tokens),
})

const AnyAttempt = Schema.Struct({
  deployment: name,
  model: name,
  type: Schema.Literals(types),
  after: millis,
  millis,
  outcome,
  reason: Schema.UndefinedOr(Schema.Literals(reasonTags)),
  status: Schema.UndefinedOr(between(100, 599)),
  retryAfter: Schema.UndefinedOr(millis),
  firstTokenMillis: Schema.UndefinedOr(millis),
  account: Schema.UndefinedOr(between(1, 20)),
  usage: Schema.UndefinedOr(AnyUsage),
  estimated: Schema.UndefinedOr(Schema.Literal(true)),
  nanos: Schema.UndefinedOr(tokens),
  injected: Schema.UndefinedOr(name),
})

/** The fields of a receipt, from which `receipt` makes one. */
export const AnyReceipt = Schema.Struct({
  id: Schema.Union([name, Schema.TemplateLiteral([between(0, 9), "-", between(0, 1_000_000)])]),
  startedAt: Schema.Union([between(1_700_000_000_000, 1_700_000_100_000), between(0, 2 ** 45)]),
  millis,
  route: name,
  model: name,
  operation: Schema.Literals(operations),
  streaming: Schema.Boolean,
  shadow: Schema.Boolean,
  caller: Schema.UndefinedOr(name),
  team: Schema.UndefinedOr(name),
  tags: Schema.Array(name).check(Schema.isMaxLength(4)),
  protocol: Schema.UndefinedOr(name),
  needs: Schema.UndefinedOr(
    Schema.Struct({
      requires: Schema.UniqueArray(Schema.Literals(capabilities)),
      inputTokens: tokens,
      maxOutputTokens: tokens,
    }),
  ),
  split: Schema.UndefinedOr(name),
  affinity: Schema.UndefinedOr(Schema.Literals(["new", "kept", "moved"])),
  deployment: Schema.UndefinedOr(name),
  cache: Schema.UndefinedOr(Schema.Literals(["hit", "miss"])),
  outcome: callOutcome,
  error: Schema.UndefinedOr(Schema.Literals(kinds)),
  firstTokenMillis: Schema.UndefinedOr(millis),
  attempts: Schema.Array(AnyAttempt).check(Schema.isMaxLength(4)),
  skipped: Schema.Array(Schema.Struct({ deployment: name, reason: Schema.Literals([0, 1, 2]) })).check(
    Schema.isMaxLength(3),
  ),
})

/** A receipt, with a text in every field that no tape may have. */
export const receipt = (fields: typeof AnyReceipt.Type, secret = "not for a tape"): Receipt => ({
  ...new ReceiptBuilder("", "", new Call({ model: "", messages: [] }, false), undefined),
  ...fields,
  shadowOf: fields.shadow ? secret : undefined,
  affinity: fields.affinity && { result: fields.affinity, from: "elsewhere" },
  needs: fields.needs && { ...fields.needs, requires: new Set<Capability>(fields.needs.requires) },
  attempts: fields.attempts.map(({ after, nanos, ...attempt }): Attempt => ({
    ...attempt,
    startedAt: fields.startedAt + after,
    message: secret,
    cost: nanos === undefined ? undefined : nanos / 1e9,
    priceVersion: secret,
  })),
  skipped: fields.skipped.map(({ deployment, reason }) => ({ deployment, reason: skips[reason]! })),
  droppedParams: [secret],
  traceId: secret,
  spanId: secret,
})

/** The call that a tape has of a receipt. */
export const taped = (of: Receipt): Tape.Call => ({
  _tag: "Call",
  id: of.id,
  startedAt: of.startedAt,
  millis: of.millis ?? 0,
  route: of.route,
  model: of.model,
  operation: of.operation,
  streaming: of.streaming,
  shadow: of.shadowOf !== undefined,
  caller: of.caller,
  team: of.team,
  tags: of.tags,
  protocol: of.protocol,
  needs: of.needs && { ...of.needs, requires: [...of.needs.requires] },
  cache: of.cache,
  split: of.split,
  affinity: of.affinity?.result,
  deployment: of.deployment,
  outcome: of.outcome ?? "cancelled",
  error: of.error,
  firstTokenMillis: of.firstTokenMillis,
  attempts: of.attempts.map((attempt) => ({
    deployment: attempt.deployment,
    model: attempt.model,
    type: attempt.type,
    startedAt: attempt.startedAt,
    millis: attempt.millis,
    outcome: attempt.outcome,
    reason: attempt.reason,
    status: attempt.status,
    retryAfter: attempt.retryAfter,
    firstTokenMillis: attempt.firstTokenMillis,
    account: attempt.account,
    usage: attempt.usage && {
      inputTokens: attempt.usage.inputTokens,
      outputTokens: attempt.usage.outputTokens,
      cachedInputTokens: attempt.usage.cachedInputTokens,
      cacheWriteTokens: attempt.usage.cacheWriteTokens,
      reasoningTokens: attempt.usage.reasoningTokens,
    },
    estimated: attempt.estimated,
    cost: attempt.cost,
    injected: attempt.injected,
  })),
  skipped: of.skipped.map(({ deployment, reason }) => ({ deployment, reason: reason._tag })),
})
