/**
 * Responses: the vectors, as numbers or as the base64 of little-endian 32-bit floats. Both are decoded; the client gets
 * the requested form.
 */
import type * as Embedding from "@understudy/core/Embedding"
import type { ProviderError } from "@understudy/core/ProviderError"
import { Buffer } from "node:buffer"
import * as Predicate from "effect/Predicate"
import * as Result from "effect/Result"
import * as Json from "../Json.ts"
import * as Usage from "../chat-completions/Usage.ts"
import { protocol } from "./Protocol.ts"

// ---------------------------------------------------------------------------------------------------------------------
// Decode: the upstream's text -> Embedding
// ---------------------------------------------------------------------------------------------------------------------

export const decode = (text: string): Result.Result<Embedding.Response, ProviderError> => {
  const body = Json.parseObject(text)
  if (body === undefined) return Json.malformed("The response is not a JSON object")
  const { data, model, usage } = body
  if (!Array.isArray(data)) return Json.malformed("The response has no data")
  const vectors: Array<Embedding.Vector> = []
  for (const [place, each] of data.entries()) {
    const { embedding, index } = Json.fields(each)
    const vector = Predicate.isString(embedding) ? fromBase64(embedding) : numbers(embedding)
    if (vector === undefined) return Json.malformed(`data[${place}] has no embedding`)
    const at = Predicate.isNumber(index) ? index : place
    // Each index exactly once.
    if (!(Number.isInteger(at) && at >= 0 && at < data.length) || vectors[at] !== undefined) {
      return Json.malformed("The response has wrong indexes in its data")
    }
    vectors[at] = vector
  }
  return Result.succeed({
    vectors,
    native: { protocol, text, body },
    ...(Predicate.isString(model) ? { model } : undefined),
    ...usageField(usage),
  })
}

const usageField = (usage: unknown): Pick<Embedding.Response, "usage"> | undefined => {
  const decoded = Usage.decode(usage)
  return decoded && { usage: decoded }
}

const numbers = (embedding: unknown): ReadonlyArray<number> | undefined =>
  Array.isArray(embedding) && embedding.every(Predicate.isNumber) ? embedding : undefined

const bytesPerNumber = 4

const fromBase64 = (text: string): Float32Array | undefined => {
  const bytes = Buffer.from(text, "base64")
  if (bytes.length === 0 || bytes.length % bytesPerNumber !== 0) return undefined
  // A small Buffer shares its memory at any offset; a Float32Array must be aligned to four bytes.
  return new Float32Array(bytes.buffer.slice(bytes.byteOffset, bytes.byteOffset + bytes.length))
}

// ---------------------------------------------------------------------------------------------------------------------
// Encode: Embedding -> the client's body
// ---------------------------------------------------------------------------------------------------------------------

/** The client's body as text. An upstream's body of this protocol in the requested form is passed on. */
export const encode = (response: Embedding.Response, request: Embedding.Request): string => {
  const { model, native, usage, vectors } = response
  const write = request.encoding === "base64" ? toBase64 : toNumbers
  if (native?.protocol !== protocol) {
    return JSON.stringify({
      object: "list",
      data: vectors.map((vector, index) => ({ object: "embedding", index, embedding: write(vector) })),
      model: model ?? request.model,
      ...(usage === undefined
        ? undefined
        : { usage: { prompt_tokens: usage.inputTokens, total_tokens: usage.inputTokens + usage.outputTokens } }),
    })
  }
  const received = vectors[0] instanceof Float32Array ? "base64" : "float"
  if (received === (request.encoding ?? "float")) return native.text
  const body = Json.fields(native.body)
  return JSON.stringify({
    ...body,
    data: Json.list(body["data"]).map((each, place) => {
      const { index, ...rest } = Json.fields(each)
      const vector = vectors[Predicate.isNumber(index) ? index : place] ?? []
      return { ...rest, index: index ?? place, embedding: write(vector) }
    }),
  })
}

const toNumbers = (vector: Embedding.Vector): ReadonlyArray<number> => [...vector]

const toBase64 = (vector: Embedding.Vector): string => {
  const floats = vector instanceof Float32Array ? vector : Float32Array.from(vector)
  return Buffer.from(floats.buffer, floats.byteOffset, floats.byteLength).toString("base64")
}
