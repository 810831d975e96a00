/**
 * Codecs of Vertex AI's embedding models: `:predict`, and `:embedContent` of Gemini's newer ones. Pure.
 *
 * Sources: docs.cloud.google.com/vertex-ai, "Text embeddings API"; `@google/genai`, which chooses between the two.
 */
import type * as Embedding from "@understudy/core/Embedding"
import type { ProviderError } from "@understudy/core/ProviderError"
import * as Predicate from "effect/Predicate"
import * as Result from "effect/Result"
import * as Usage from "../protocols/gemini/Usage.ts"
import { tasks } from "../protocols/gemini-embeddings/Request.ts"
import * as Json from "../protocols/Json.ts"
import * as Lowering from "../protocols/Lowering.ts"

/** The key in `vendor` for further fields of these bodies, such as `autoTruncate`. */
export const protocol = "vertex-embeddings"

/** Whether the model has `:embedContent` in place of `:predict`. */
export const hasEmbedContent = (model: string): boolean =>
  (model.includes("gemini") && !model.endsWith("gemini-embedding-001")) || model.includes("maas")

/** The maximum of texts in one request. */
export const batchOf = (model: string): number => (/gemini|maas/.test(model) ? 1 : 250)

/** No client protocol has these bodies. */
const native = (): undefined => undefined

type Encoder = Lowering.RequestEncoder<Record<string, unknown>, Embedding.Request>

/** An encoder of texts. `body` is given the task and the parameters. */
const encoder = (
  body: (
    texts: ReadonlyArray<string>,
    task: string | undefined,
    parameters: Record<string, unknown>,
  ) => Record<string, unknown>,
): Encoder => ({
  native,
  encode: ({ dimensions, input, purpose, user, vendor }) => {
    const { warn, warnings } = Lowering.warnings()
    const texts = input.filter(Predicate.isString)
    if (texts.length < input.length) return Lowering.unsupported("Vertex AI", "tokens in place of a text to embed")
    if (user !== undefined) warn("the end user's id")
    const parameters = {
      ...(dimensions === undefined ? undefined : { outputDimensionality: dimensions }),
      ...vendor?.[protocol],
    }
    return Result.succeed({ body: body(texts, purpose && tasks[purpose], parameters), warnings })
  },
})

const vectorOf = (values: unknown): Embedding.Vector | undefined =>
  Array.isArray(values) && values.every(Predicate.isNumber) ? values : undefined

const withUsage = (vectors: ReadonlyArray<Embedding.Vector>, inputTokens: number | undefined): Embedding.Response => ({
  vectors,
  ...(inputTokens === undefined ? undefined : { usage: { inputTokens, outputTokens: 0 } }),
})

/** `{ "instances": [{ "content" }], "parameters" }`. */
export const predict = {
  protocol,
  Request: encoder((texts, task, parameters) => ({
    instances: texts.map((content) => ({ content, ...(task === undefined ? undefined : { task_type: task }) })),
    ...(Object.keys(parameters).length === 0 ? undefined : { parameters }),
  })),
  Response: {
    decode: (text: string): Result.Result<Embedding.Response, ProviderError> => {
      const { predictions } = Json.fields(Json.parse(text))
      if (!Array.isArray(predictions)) return Json.malformed("The response has no predictions")
      const vectors: Array<Embedding.Vector> = []
      let tokens: number | undefined
      for (const [place, each] of predictions.entries()) {
        const { statistics, values } = Json.fields(Json.fields(each)["embeddings"])
        const vector = vectorOf(values)
        if (vector === undefined) return Json.malformed(`predictions[${place}] has no embedding`)
        vectors.push(vector)
        const counted = Json.count(Json.fields(statistics)["token_count"])
        if (counted !== undefined) tokens = (tokens ?? 0) + counted
      }
      return Result.succeed(withUsage(vectors, tokens))
    },
  },
}

/** `{ "content": { "parts" }, "embedContentConfig" }`: one text. */
export const embedContent = {
  protocol,
  Request: encoder((texts, task, parameters) => {
    const config = { ...(task === undefined ? undefined : { taskType: task }), ...parameters }
    return {
      content: { parts: texts.map((text) => ({ text })) },
      ...(Object.keys(config).length === 0 ? undefined : { embedContentConfig: config }),
    }
  }),
  Response: {
    decode: (text: string): Result.Result<Embedding.Response, ProviderError> => {
      const { embedding, usageMetadata } = Json.fields(Json.parse(text))
      const vector = vectorOf(Json.fields(embedding)["values"])
      if (vector === undefined) return Json.malformed("The response has no embedding")
      return Result.succeed(withUsage([vector], Usage.decode(usageMetadata)?.inputTokens))
    },
  },
}

/** The response to several requests, from those to each. */
export const merge = (responses: ReadonlyArray<Embedding.Response>): Embedding.Response => {
  const tokens = responses.flatMap(({ usage }) => (usage === undefined ? [] : [usage.inputTokens]))
  const droppedParams = [...new Set(responses.flatMap(({ droppedParams = [] }) => droppedParams))]
  const merged = withUsage(
    responses.flatMap(({ vectors }) => vectors),
    tokens.length === 0 ? undefined : tokens.reduce((a, b) => a + b, 0),
  )
  return droppedParams.length === 0 ? merged : { ...merged, droppedParams }
}
