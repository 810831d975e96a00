/** Responses: one vector per content, in order. */
import type * as Embedding from "@understudy/core/Embedding"
import type { ProviderError } from "@understudy/core/ProviderError"
import * as Predicate from "effect/Predicate"
import * as Result from "effect/Result"
import * as Usage from "../gemini/Usage.ts"
import * as Json from "../Json.ts"
import { protocol } from "./Protocol.ts"
import * as Request from "./Request.ts"

// ---------------------------------------------------------------------------------------------------------------------
// Decode: the upstream's text -> Embedding
// ---------------------------------------------------------------------------------------------------------------------

export const decode = (text: string): Result.Result<Embedding.Response, ProviderError> => {
  const body = Json.parseObject(text)
  if (body === undefined) return Json.malformed("The response is not a JSON object")
  const { embeddings, usageMetadata } = body
  if (!Array.isArray(embeddings)) return Json.malformed("The response has no embeddings")
  const vectors: Array<Embedding.Vector> = []
  for (const [place, each] of embeddings.entries()) {
    const { values } = Json.fields(each)
    if (!Array.isArray(values) || !values.every(Predicate.isNumber)) {
      return Json.malformed(`embeddings[${place}] has no values`)
    }
    vectors.push(values)
  }
  const usage = Usage.decode(usageMetadata)
  return Result.succeed({ vectors, native: { protocol, text, body }, ...(usage && { usage }) })
}

// ---------------------------------------------------------------------------------------------------------------------
// Encode: Embedding -> the client's body
// ---------------------------------------------------------------------------------------------------------------------

/** The client's body as text. An upstream's body of this protocol in the requested form is passed on. */
export const encode = ({ native, usage, vectors }: Embedding.Response, request: Embedding.Request): string => {
  const many = Request.isMany(request.native?.body ?? {})
  if (native?.protocol === protocol && many) return native.text
  const embeddings = vectors.map((vector) => ({ values: [...vector] }))
  return JSON.stringify({
    ...(many ? { embeddings } : { embedding: embeddings[0] }),
    ...(usage === undefined
      ? undefined
      : { usageMetadata: { promptTokenCount: usage.inputTokens, totalTokenCount: usage.inputTokens } }),
  })
}
