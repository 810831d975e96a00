/** Requests: encodes an `Embedding` request as an upstream's body, and decodes a client's body. */
import type * as Embedding from "@understudy/core/Embedding"
import * as Predicate from "effect/Predicate"
import * as Result from "effect/Result"
import * as Schema from "effect/Schema"
import * as ExactNumber from "../ExactNumber.ts"
import * as InvalidBody from "../InvalidBody.ts"
import * as Lowering from "../Lowering.ts"
import { protocol } from "./Protocol.ts"
import * as Wire from "./Wire.ts"

// ---------------------------------------------------------------------------------------------------------------------
// Encode: Embedding -> the upstream's body
// ---------------------------------------------------------------------------------------------------------------------

/**
 * The kind of server: OpenAI, which supports base64 with a third of the bytes, or a compatible server, which may only
 * support numbers.
 */
export type Server = "openai" | "compatible"

/** The body for `request.model`. */
export const encode = (request: Embedding.Request, server: Server): Result.Result<Lowering.Encoded, never> => {
  const { warn, warnings } = Lowering.warnings()
  const { input } = request
  const [first] = input
  const body: Record<string, unknown> = {
    model: request.model,
    input: input.length === 1 && Predicate.isString(first) ? first : input,
  }
  if (request.dimensions !== undefined) body["dimensions"] = request.dimensions
  if (server === "openai") body["encoding_format"] = "base64"
  if (request.user !== undefined) body["user"] = request.user
  if (request.purpose !== undefined) {
    if (server === "openai") warn("the embedding purpose")
    else body["input_type"] = request.purpose
  }
  return Result.succeed({ body: Object.assign(body, request.vendor?.[protocol]), warnings })
}

/**
 * The client's own body; `undefined` if the client spoke another protocol. It stays as written except for the model.
 * OpenAI rejects unknown fields, and its models do not distinguish purposes.
 */
export const native = ({ model, native }: Embedding.Request, server: Server): Record<string, unknown> | undefined => {
  if (native?.protocol !== protocol) return undefined
  const { input_type: _purpose, ...own } = native.body
  return server === "openai" ? { ...own, model } : { ...native.body, model }
}

// ---------------------------------------------------------------------------------------------------------------------
// Decode: a client's body -> Embedding
// ---------------------------------------------------------------------------------------------------------------------

const parse = Schema.decodeUnknownResult(Wire.Request)

/** Decodes a client's body, which is kept as `native`. */
export const decode = (body: Record<string, unknown>): Result.Result<Embedding.Request, InvalidBody.InvalidBody> =>
  Result.mapBoth(parse(ExactNumber.read(body)), {
    onFailure: ({ issue }) => InvalidBody.fromIssue(issue, body),
    onSuccess: (wire) => fromWire(wire, body),
  })

const fromWire = (wire: Wire.Request, body: Record<string, unknown>): Embedding.Request => {
  const request: { -readonly [K in keyof Embedding.Request]: Embedding.Request[K] } = {
    model: wire.model,
    input: inputs(wire.input),
    encoding: wire.encoding_format ?? "float",
    native: { protocol, body },
  }
  const vendor = otherFields(body)
  if (vendor !== undefined) request.vendor = { [protocol]: vendor }
  if (Predicate.isNumber(wire.dimensions)) request.dimensions = wire.dimensions
  const purpose = purposes[wire.input_type ?? ""]
  if (purpose !== undefined) request.purpose = purpose
  if (Predicate.isString(wire.user)) request.user = wire.user
  return request
}

const inputs = (input: Wire.Request["input"]): Embedding.Request["input"] => {
  if (Predicate.isString(input)) return [input]
  return isTokens(input) ? [input] : input
}

const isTokens = (input: ReadonlyArray<unknown>): input is ReadonlyArray<number> => Predicate.isNumber(input[0])

/** The values of Cohere and NVIDIA, and our own. */
const purposes: Readonly<Record<string, Embedding.Purpose>> = {
  search_query: "query",
  query: "query",
  search_document: "document",
  passage: "document",
  document: "document",
  similarity: "similarity",
  classification: "classification",
  clustering: "clustering",
}

const known: ReadonlySet<string> = new Set(Object.keys(Wire.Request.fields))

const otherFields = (body: Record<string, unknown>): Record<string, unknown> | undefined => {
  const unknown = Object.entries(body).filter(([name, value]) => !known.has(name) && value !== null)
  return unknown.length === 0 ? undefined : Object.fromEntries(unknown)
}
