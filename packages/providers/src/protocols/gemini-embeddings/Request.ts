/**
 * Requests: encodes an `Embedding` request as the API's body, and decodes a client's body.
 *
 * Each content is a request with its own parameters. In `Embedding`, those of the first apply to all.
 */
import type * as Embedding from "@understudy/core/Embedding"
import type { ProviderError } from "@understudy/core/ProviderError"
import * as Predicate from "effect/Predicate"
import * as Result from "effect/Result"
import * as SchemaParser from "effect/SchemaParser"
import type { Address } from "../ClientProtocol.ts"
import * as ExactNumber from "../ExactNumber.ts"
import * as InvalidBody from "../InvalidBody.ts"
import * as Json from "../Json.ts"
import * as Lowering from "../Lowering.ts"
import * as Names from "../gemini/Names.ts"
import { protocol } from "./Protocol.ts"
import * as Wire from "./Wire.ts"

// ---------------------------------------------------------------------------------------------------------------------
// Encode: Embedding -> the upstream's body
// ---------------------------------------------------------------------------------------------------------------------

/** The names of purposes. */
export const tasks: Readonly<Record<Embedding.Purpose, string>> = {
  query: "RETRIEVAL_QUERY",
  document: "RETRIEVAL_DOCUMENT",
  similarity: "SEMANTIC_SIMILARITY",
  classification: "CLASSIFICATION",
  clustering: "CLUSTERING",
}

/** The body of `:batchEmbedContents` for `request.model`. */
export const encode = (request: Embedding.Request): Result.Result<Lowering.Encoded, ProviderError> => {
  const { dimensions, input, model, purpose, user, vendor } = request
  const { warn, warnings } = Lowering.warnings()
  const parameters = {
    model: `models/${model}`,
    ...(purpose === undefined ? undefined : { taskType: tasks[purpose] }),
    ...(dimensions === undefined ? undefined : { outputDimensionality: dimensions }),
    ...vendor?.[protocol],
  }
  const requests: Array<Record<string, unknown>> = []
  for (const text of input) {
    if (!Predicate.isString(text)) return Lowering.unsupported("Gemini", "tokens in place of a text to embed")
    requests.push({ ...parameters, content: { parts: [{ text }] } })
  }
  if (user !== undefined) warn("the end user's id")
  return Result.succeed({ body: { requests }, warnings })
}

/**
 * The client's own body; `undefined` if the client spoke another protocol. It stays as written except for the model.
 */
export const native = ({ model, native }: Embedding.Request): Record<string, unknown> | undefined => {
  if (native?.protocol !== protocol) return undefined
  const name = { model: `models/${model}` }
  const { requests, ...body } = native.body
  return Array.isArray(requests)
    ? { ...body, requests: requests.map((request) => ({ ...Json.fields(request), ...name })) }
    : { requests: [{ ...native.body, ...name }] }
}

// ---------------------------------------------------------------------------------------------------------------------
// Decode: a client's body -> Embedding
// ---------------------------------------------------------------------------------------------------------------------

const parseOne = SchemaParser.decodeUnknownResult(Wire.One)
const parseMany = SchemaParser.decodeUnknownResult(Wire.Many)

/** Whether the body asks for a list of vectors. */
export const isMany = (body: Record<string, unknown>): boolean => "requests" in body

/** Decodes a client's body for the model in its URL. The body is kept as `native`. */
export const decode = (
  body: Record<string, unknown>,
  { model = "" }: Address,
): Result.Result<Embedding.Request, InvalidBody.InvalidBody> => {
  const normalized = Names.toCamelCase(body)
  const readable = ExactNumber.read(normalized, ["requests"])
  const parsed = isMany(normalized)
    ? Result.map(parseMany(readable), ({ requests }) => requests)
    : Result.map(parseOne(readable), (one) => [one])
  return Result.mapBoth(parsed, {
    onFailure: (issue) => InvalidBody.fromIssue(issue, normalized),
    onSuccess: (wire) => fromWire(model, wire, body),
  })
}

const fromWire = (model: string, wire: ReadonlyArray<Wire.One>, body: Record<string, unknown>): Embedding.Request => {
  const { outputDimensionality: dimensions, taskType } = wire[0] ?? {}
  const purpose = purposes[taskType ?? ""]
  return {
    model,
    input: wire.map(({ content }) => content.parts.map(({ text }) => text).join("\n")),
    ...(Predicate.isNumber(dimensions) ? { dimensions } : undefined),
    ...(purpose === undefined ? undefined : { purpose }),
    native: { protocol, body },
  }
}

const purposes: Readonly<Record<string, Embedding.Purpose>> = {
  RETRIEVAL_QUERY: "query",
  QUESTION_ANSWERING: "query",
  FACT_VERIFICATION: "query",
  CODE_RETRIEVAL_QUERY: "query",
  RETRIEVAL_DOCUMENT: "document",
  SEMANTIC_SIMILARITY: "similarity",
  CLASSIFICATION: "classification",
  CLUSTERING: "clustering",
}
