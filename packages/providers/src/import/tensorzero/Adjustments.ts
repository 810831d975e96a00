/**
 * What TensorZero sets in the requests of a provider or a variant, and what they cost: sampling, `extra_body`, `extra_headers`,
 * timeouts, `cost`.
 */
import { reservedField } from "@understudy/core/internal/policy/Params"
import * as Predicate from "effect/Predicate"
import type { Document, ImportReader } from "../ImportReader.ts"
import { compact, duration } from "../ImportReader.ts"

/** The parameters of a variant, which a call may replace. */
export const params = (place: ImportReader): Document | undefined => {
  const positive = (key: string) => place.number(key, "a number, 0 or more", (value) => value >= 0)
  const effort = place.text("reasoning_effort")
  const budget = place.countOrNone("thinking_budget_tokens")
  const tier = place.text("service_tier")
  const verbosity = place.text("verbosity")
  if (effort !== undefined && !efforts.includes(effort)) {
    place.warn("reasoning_effort", `${effort} is not an effort that is known: not imported`)
  }
  const stop = place.words("stop_sequences")
  return compact({
    temperature: positive("temperature"),
    topP: place.number("top_p", "a number from 0 to 1", (value) => value >= 0 && value <= 1),
    maxTokens: place.count("max_tokens"),
    presencePenalty: penalty(place, "presence_penalty"),
    frequencyPenalty: penalty(place, "frequency_penalty"),
    seed: place.number("seed", "a whole number", Number.isSafeInteger),
    stop: stop.length === 0 ? undefined : stop,
    reasoning: compact({ effort: effort !== undefined && efforts.includes(effort) ? effort : undefined, budget }),
    extraBody: compact({ service_tier: tier === "auto" ? undefined : tier, verbosity }),
  })
}

const efforts = ["none", "minimal", "low", "medium", "high", "xhigh", "max"]

const penalty = (place: ImportReader, key: string): number | undefined =>
  place.number(key, "a number from -2 to 2", (value) => value >= -2 && value <= 2)

/** `extra_body`, which replaces what is in a request: fields of it, by JSON pointers. */
export const force = (place: ImportReader): Document | undefined => {
  const body: Record<string, unknown> = {}
  let maxTokens: number | undefined
  for (const item of place.list("extra_body")) {
    const { pointer, value } = Predicate.isObject(item) ? (item as { pointer?: unknown; value?: unknown }) : {}
    const names = Predicate.isString(pointer) ? pointer.split("/").slice(1) : []
    const [first = ""] = names
    const path = names.map((name) => name.replaceAll("~1", "/").replaceAll("~0", "~"))
    if (names.length === 1 && outputLimits.includes(first) && isCount(value)) maxTokens = value
    else if (value === undefined || names.length === 0 || path.some((name) => /^(\d+|-)$/.test(name))) {
      place.warn(
        "extra_body",
        `${String(pointer)}: only fields can be set, not deleted or put into lists: not imported`,
      )
    } else if (reservedField(first) === undefined) put(body, path, value)
    else place.warn("extra_body", `${String(pointer)} is not a field that can be set: not imported`, "models")
  }
  return compact({ maxTokens, extraBody: Object.keys(body).length === 0 ? undefined : body })
}

const outputLimits = ["max_tokens", "max_completion_tokens", "max_output_tokens"]

const isCount = (value: unknown): value is number =>
  Predicate.isNumber(value) && Number.isSafeInteger(value) && value > 0

const put = (body: Record<string, unknown>, [name = "", ...inner]: ReadonlyArray<string>, value: unknown): void => {
  if (inner.length === 0) {
    body[name] = value
    return
  }
  const fields = Predicate.isObject(body[name]) ? { ...body[name] } : {}
  put(fields, inner, value)
  body[name] = fields
}

/** `extra_headers`. Requests to Bedrock are signed, and have none. */
export const headers = (place: ImportReader, provider?: unknown): Document | undefined => {
  const set: Record<string, string> = {}
  for (const item of place.list("extra_headers")) {
    const { name, value } = Predicate.isObject(item) ? (item as { name?: unknown; value?: unknown }) : {}
    if (provider === "bedrock")
      place.warn("extra_headers", "requests to Bedrock have no headers of their own: not imported")
    else if (Predicate.isString(name) && Predicate.isString(value) && value.trim() !== "") set[name] = value
    else place.warn("extra_headers", "headers can be set, not deleted: not imported")
  }
  return compact(set)
}

/** The timeouts of one provider: of an attempt, and of the first token of a stream. */
export const timeout = (place: ImportReader): Document | undefined => {
  const timeouts = place.mapping("timeouts")
  const [complete, streaming] = [timeouts.mapping("non_streaming"), timeouts.mapping("streaming")]
  const attempt = complete.time("total_ms", "milliseconds") ?? place.time("timeout_ms", "milliseconds")
  const firstToken = streaming.time("ttft_ms", "milliseconds")
  if (streaming.take("total_ms") !== undefined) {
    streaming.warn("total_ms", "the length of one stream is limited by `timeout.total` of a route: not imported")
  }
  for (const each of [complete, streaming, timeouts]) each.warnUnread()
  return compact({ attempt, firstToken })
}

/** The timeout of all attempts: the longer one, if streams have another. */
export const total = (place: ImportReader): Document | undefined => {
  const timeouts = place.mapping("timeouts")
  const [complete, streaming] = [timeouts.mapping("non_streaming"), timeouts.mapping("streaming")]
  const positive = (value: number) => value > 0
  const millis = [
    complete.number("total_ms", "a number above 0", positive),
    streaming.number("total_ms", "a number above 0", positive),
    place.number("timeout_ms", "a number above 0", positive),
  ].filter((each) => each !== undefined)
  const firstToken = streaming.time("ttft_ms", "milliseconds")
  for (const each of [complete, streaming, timeouts]) each.warnUnread()
  const longest = Math.max(...millis)
  if (millis.some((each) => each !== longest)) {
    timeouts.warn("streaming", "streams and other calls share `timeout.total`: the longer one is used")
  }
  return compact({ total: millis.length === 0 ? undefined : duration(longest), firstToken })
}

/** Where vendors report tokens, by the end of a pointer. */
const counted: Readonly<
  Record<string, "input" | "output" | "all" | "cached" | "cachedBesides" | "written" | "reasoning">
> = {
  "/usage/prompt_tokens": "input",
  "/usage/input_tokens": "input",
  "/usageMetadata/promptTokenCount": "input",
  "/usage/completion_tokens": "output",
  "/usage/output_tokens": "output",
  "/usageMetadata/candidatesTokenCount": "output",
  "/usage/total_tokens": "all",
  "/usage/prompt_tokens_details/cached_tokens": "cached",
  "/usage/input_tokens_details/cached_tokens": "cached",
  "/usage/cache_read_input_tokens": "cachedBesides",
  "/usage/cache_creation_input_tokens": "written",
}

/** `cost`: dollars for a million of the numbers at JSON pointers into the vendor's response. */
export const price = (place: ImportReader): Document | undefined => {
  place.take("batch_cost")
  const entries = place.list("cost")
  if (entries.length === 0) return undefined
  const found: Partial<Record<(typeof counted)[string], number>> = {}
  for (const entry of entries) {
    const {
      cost_per_million: rate,
      pointer,
      pointer_nonstreaming: whole,
    } = Predicate.isObject(entry)
      ? (entry as { cost_per_million?: unknown; pointer?: unknown; pointer_nonstreaming?: unknown })
      : {}
    const kind = counted[String(pointer ?? whole)]
    if (kind !== undefined && Predicate.isNumber(rate)) found[kind] = rate
    else
      place.warn(
        "cost",
        `${String(pointer ?? whole)} is not a count of tokens that has a price: not imported`,
        "safety",
      )
  }
  const { all, cached, cachedBesides, input = all, output = all === undefined ? undefined : 0, written } = found
  if (input === undefined || output === undefined) {
    return place.warn("cost", "a price needs that of input and of output tokens: not imported", "safety")
  }
  // OpenAI's cached tokens are among the input tokens, and TensorZero takes their discount off.
  const given = cachedBesides ?? (cached === undefined ? undefined : Number((input + cached).toPrecision(12)))
  const cachedInput = given === undefined ? undefined : Math.max(0, given)
  return [input, output, written ?? 0].some((rate) => rate < 0)
    ? place.warn("cost", "a price is 0 or more: not imported", "safety")
    : compact({ input, output, cachedInput, cacheWrite: written })
}
