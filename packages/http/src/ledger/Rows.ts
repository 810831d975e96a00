/**
 * The rows of the ledger: one for a call, and one for each of its attempts.
 *
 * The fields of a row are the columns of its table. Amounts of money are nanodollars, times clock milliseconds, flags 0 or 1,
 * tags a JSON list. A missing name is the empty text.
 */
import { snakeCase } from "@understudy/core/internal/model/SnakeCase"
import type { Attempt, Receipt } from "@understudy/core/Receipt"

export type Value = string | number | null

/** Tokens by kind. `input_tokens` includes the cached and the written ones, `output_tokens` the reasoning. */
type Tokens = {
  readonly input_tokens: number
  readonly cached_input_tokens: number
  readonly cache_write_tokens: number
  readonly output_tokens: number
  readonly reasoning_tokens: number
}

/** What many calls have in common: a row for each combination of these values. */
export type Dimensions = {
  readonly key_id: string
  readonly team_id: string
  readonly tags: string
  readonly route: string
  /** The model that the client named. */
  readonly model: string
  /** The deployment that answered, or else the last that was tried; its vendor, and the vendor's id of the model. */
  readonly deployment: string
  readonly vendor: string
  readonly served_model: string
  readonly protocol: string
  readonly streamed: number
  readonly outcome: string
  /** Why the last attempt failed, or why the last deployment was skipped, if the call failed; else the kind of its error. */
  readonly reason: string | null
  readonly status: number | null
  readonly cache: string | null
  readonly attempts: number
  /** Of a call whose row is also that of its only attempt: the version of its price. */
  readonly price_version: string | null
  /** The arm of a split that the call took. */
  readonly split: string | null
  readonly estimated: number
}

/** What is a call's own. Its tokens and its cost are the sums of its attempts. */
export type Facts = {
  readonly id: string
  /** The id of the call that this one is the shadow of. It has no key, team or tags. */
  readonly shadow_of: string | null
  readonly at: number
  readonly millis: number
  readonly first_token_millis: number | null
  /** Of a call whose row is also that of its only attempt: the milliseconds of that. */
  readonly attempt_millis: number | null
  /** `null` if an attempt has no known cost. */
  readonly cost: number | null
} & Tokens

export type CallRow = Dimensions & Facts

/** An attempt of a call; `position` counts from 0. */
export type AttemptRow = {
  readonly call_id: string
  readonly position: number
  readonly deployment: string
  readonly vendor: string
  readonly model: string
  readonly outcome: string
  readonly reason: string | null
  readonly status: number | null
  readonly millis: number
  readonly cost: number | null
  readonly price_version: string | null
  readonly estimated: number
} & Tokens

/** A call with all of its attempts. */
export interface Entry {
  readonly call: CallRow
  readonly attempts: ReadonlyArray<AttemptRow>
}

// ---------------------------------------------------------------------------------------------------------------------
// From a receipt
// ---------------------------------------------------------------------------------------------------------------------

/** What the ledger takes of a deployment's configuration. */
export interface Deployment {
  readonly provider: string
  readonly model: string
}

/** The rows of a call that has ended. */
export const fromReceipt = (receipt: Receipt, deployments: Readonly<Record<string, Deployment>>): Entry => {
  const { id } = receipt
  const attempts = receipt.attempts.map((attempt, position) =>
    attemptRow(id, position, attempt, deployments[attempt.deployment]),
  )
  const last = attempts.at(-1)
  const answering = attempts.findLast(({ deployment }) => deployment === receipt.deployment) ?? last
  const deployment = answering?.deployment ?? receipt.deployment ?? ""
  const outcome = receipt.outcome ?? "cancelled"
  const reason = reasonOf(receipt, last) ?? null
  const status = outcome === "success" ? null : (last?.status ?? null)
  const total = last !== undefined && attempts.length === 1 ? last : totals(attempts)
  const isItsAttempt =
    attempts.length === 1 && last?.outcome === outcome && last.reason === reason && last.status === status
  const call: CallRow = {
    id,
    at: receipt.startedAt,
    key_id: receipt.caller ?? "",
    team_id: receipt.team ?? "",
    tags: tagsOf(receipt.tags),
    route: receipt.route,
    model: clean(receipt.model),
    deployment,
    vendor: deployments[deployment]?.provider ?? "",
    served_model: answering?.model ?? deployments[deployment]?.model ?? "",
    protocol: receipt.protocol ?? "",
    streamed: receipt.streaming ? 1 : 0,
    outcome,
    reason,
    status,
    cache: receipt.cache ?? null,
    millis: Math.round(receipt.millis ?? 0),
    first_token_millis: receipt.firstTokenMillis === undefined ? null : Math.round(receipt.firstTokenMillis),
    attempts: attempts.length,
    attempt_millis: isItsAttempt ? last.millis : null,
    price_version: isItsAttempt ? last.price_version : null,
    split: receipt.split ?? null,
    shadow_of: receipt.shadowOf ?? null,
    input_tokens: total.input_tokens,
    cached_input_tokens: total.cached_input_tokens,
    cache_write_tokens: total.cache_write_tokens,
    output_tokens: total.output_tokens,
    reasoning_tokens: total.reasoning_tokens,
    cost: total.cost,
    estimated: total.estimated,
  }
  return { call, attempts }
}

/** Why a call has no answer. */
const reasonOf = ({ error, outcome, skipped }: Receipt, last: AttemptRow | undefined): string | undefined => {
  if (outcome === "refused" || error === "Draining") return snakeCaseOf(error)
  if (outcome !== "failure") return undefined
  return last?.reason ?? snakeCaseOf(skipped.at(-1)?.reason._tag ?? error)
}

const attemptRow = (
  call_id: string,
  position: number,
  attempt: Attempt,
  deployment: Deployment | undefined,
): AttemptRow => ({
  call_id,
  position,
  deployment: attempt.deployment,
  vendor: deployment?.provider ?? "",
  model: clean(attempt.model),
  outcome: attempt.outcome,
  reason: snakeCaseOf(attempt.reason) ?? null,
  status: attempt.status ?? null,
  millis: Math.round(attempt.millis),
  input_tokens: attempt.usage?.inputTokens ?? 0,
  cached_input_tokens: attempt.usage?.cachedInputTokens ?? 0,
  cache_write_tokens: attempt.usage?.cacheWriteTokens ?? 0,
  output_tokens: attempt.usage?.outputTokens ?? 0,
  reasoning_tokens: attempt.usage?.reasoningTokens ?? 0,
  cost: costOf(attempt),
  price_version: attempt.priceVersion ?? null,
  estimated: attempt.estimated === true ? 1 : 0,
})

/** The only attempt of a call whose row is also that of it. */
export const onlyAttempt = (call: CallRow): AttemptRow => ({
  call_id: call.id,
  position: 0,
  deployment: call.deployment,
  vendor: call.vendor,
  model: call.served_model,
  outcome: call.outcome,
  reason: call.reason,
  status: call.status,
  millis: call.attempt_millis ?? 0,
  input_tokens: call.input_tokens,
  cached_input_tokens: call.cached_input_tokens,
  cache_write_tokens: call.cache_write_tokens,
  output_tokens: call.output_tokens,
  reasoning_tokens: call.reasoning_tokens,
  cost: call.cost,
  price_version: call.price_version,
  estimated: call.estimated,
})

const snakeCaseOf = (name: string | undefined): string | undefined => (name === undefined ? undefined : snakeCase(name))

/** `null` if the attempt used something and its price is not known. */
const costOf = ({ cost, usage }: Attempt): number | null => {
  if (cost !== undefined) return Math.round(cost * 1e9)
  return usage === undefined ? 0 : null
}

const totals = (attempts: ReadonlyArray<AttemptRow>): Pick<CallRow, keyof Tokens | "cost" | "estimated"> => {
  let [input_tokens, cached_input_tokens, cache_write_tokens, output_tokens, reasoning_tokens] = [0, 0, 0, 0, 0]
  let estimated = 0
  let cost: number | null = 0
  for (const attempt of attempts) {
    input_tokens += attempt.input_tokens
    cached_input_tokens += attempt.cached_input_tokens
    cache_write_tokens += attempt.cache_write_tokens
    output_tokens += attempt.output_tokens
    reasoning_tokens += attempt.reasoning_tokens
    cost = cost === null || attempt.cost === null ? null : cost + attempt.cost
    if (attempt.estimated === 1) estimated = 1
  }
  return { input_tokens, cached_input_tokens, cache_write_tokens, output_tokens, reasoning_tokens, cost, estimated }
}

/** The longest list of tags, and the longest name of a model, in characters: PostgreSQL bounds what an index may hold. */
const longest = { tags: 400, model: 200 }

const noTags = "[]"

/** Different tags, sorted, as a JSON list. Those that would make it too long are left out. */
const tagsOf = (tags: ReadonlyArray<string>): string => {
  if (tags.length === 0) return noTags
  const list: Array<string> = []
  let length = noTags.length
  for (const tag of new Set(tags.map(storable))) {
    length += JSON.stringify(tag).length + 1
    if (tag !== "" && length <= longest.tags) list.push(tag)
  }
  return JSON.stringify(list.sort())
}

const clean = (model: string): string => storable(model.slice(0, longest.model))

/** PostgreSQL stores neither NUL nor half a surrogate pair. */
const storable = (text: string): string => (isStorable.test(text) ? text : text.replaceAll("\0", "").toWellFormed())

/** Plain text, as nearly every name is, which is told faster than it is made. */
const isStorable = /^[ -~]*$/
