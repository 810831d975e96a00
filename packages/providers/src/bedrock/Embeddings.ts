/**
 * Codec of Bedrock's embedding models, over `InvokeModel`. Each family of models has its own body and its own number of
 * texts per call. Pure.
 *
 * Sources: docs.aws.amazon.com/bedrock, "Amazon Titan Embeddings Text", "Cohere Embed v3" and "Cohere Embed v4".
 */
import type * as Embedding from "@understudy/core/Embedding"
import type { ProviderError } from "@understudy/core/ProviderError"
import * as Arr from "effect/Array"
import * as Predicate from "effect/Predicate"
import * as Result from "effect/Result"
import * as Json from "../protocols/Json.ts"
import * as Lowering from "../protocols/Lowering.ts"

/** The key in `vendor` for further fields of these bodies, such as `truncate`. */
export const protocol = "invoke-model"

type Body = Record<string, unknown>

/** A family of models with one body format. */
interface Family {
  readonly name: RegExp
  /** The maximum of texts in one call. */
  readonly batch: number
  readonly dimensions: ReadonlyArray<number>
  readonly body: (texts: ReadonlyArray<string>, request: Embedding.Request) => Body
  readonly vectors: (body: Json.Fields) => ReadonlyArray<unknown>
}

const titan = (body: Json.Fields): ReadonlyArray<unknown> => [body["embedding"]]

/** v4 returns an object with a list for each type, v3 a list. */
const cohere = ({ embeddings }: Json.Fields): ReadonlyArray<unknown> =>
  Array.isArray(embeddings) ? embeddings : Json.list(Json.fields(embeddings)["float"])

/** Cohere's required `input_type`. Default: documents. */
const inputType = (purpose: Embedding.Purpose | undefined): string => {
  switch (purpose) {
    case "query":
      return "search_query"
    case "classification":
    case "clustering":
      return purpose
    case "document":
    case "similarity":
    case undefined:
      return "search_document"
  }
}

const families: ReadonlyArray<Family> = [
  {
    name: /amazon\.titan-embed-text-v2/,
    batch: 1,
    dimensions: [256, 512, 1024],
    body: ([inputText], { dimensions }) => ({ inputText, ...(dimensions === undefined ? undefined : { dimensions }) }),
    vectors: titan,
  },
  {
    name: /amazon\.titan-embed-(?:text-v1|g1-text)/,
    batch: 1,
    dimensions: [1536],
    body: ([inputText]) => ({ inputText }),
    vectors: titan,
  },
  {
    name: /cohere\.embed-(?:english|multilingual)-v3/,
    batch: 96,
    dimensions: [1024],
    body: (texts, { purpose }) => ({ texts, input_type: inputType(purpose) }),
    vectors: cohere,
  },
  {
    name: /cohere\.embed-v4/,
    batch: 96,
    dimensions: [256, 512, 1024, 1536],
    body: (texts, { dimensions, purpose }) => ({
      texts,
      input_type: inputType(purpose),
      embedding_types: ["float"],
      ...(dimensions === undefined ? undefined : { output_dimension: dimensions }),
    }),
    vectors: cohere,
  },
]

const familyOf = (model: string): Family | undefined => families.find(({ name }) => name.test(model))

/** The bodies of all invocations for a request, in order. */
export const encode = (
  request: Embedding.Request,
): Result.Result<Lowering.Encoded<ReadonlyArray<Body>>, ProviderError> => {
  const { dimensions, input, model, purpose } = request
  const family = familyOf(model)
  if (family === undefined) return unsupported(`embeddings by ${model}`)
  if (dimensions !== undefined && !family.dimensions.includes(dimensions)) {
    return unsupported(`${dimensions} dimensions (it has ${family.dimensions.join(", ")})`)
  }
  const texts = input.filter(Predicate.isString)
  if (texts.length < input.length) return unsupported("inputs in another model's tokens")
  const { warn, warnings } = Lowering.warnings()
  if (purpose !== undefined && (family.vectors === titan || purpose === "similarity")) warn("the embedding purpose")
  if (request.user !== undefined) warn("the end user's id")
  const body = Arr.chunksOf(texts, family.batch).map((batch) => ({
    ...family.body(batch, request),
    ...request.vendor?.[protocol],
  }))
  return Result.succeed({ body, warnings })
}

/** No client protocol has these bodies. */
export const native = (): undefined => undefined

const unsupported = (feature: string) => Lowering.unsupported("Bedrock", feature)

/** The response to one invocation: its body, and the tokens from Bedrock's header. */
export interface InvocationResponse {
  readonly text: string
  readonly inputTokens: number | undefined
}

/** The response to a request, from those to all its invocations. */
export const decode = (
  model: string,
  answers: ReadonlyArray<InvocationResponse>,
): Result.Result<Embedding.Response, ProviderError> => {
  const vectors: Array<Embedding.Vector> = []
  let inputTokens: number | undefined
  for (const answer of answers) {
    const body = Json.fields(Json.parse(answer.text))
    for (const vector of familyOf(model)?.vectors(body) ?? []) {
      if (!Array.isArray(vector) || !vector.every(Predicate.isNumber))
        return Json.malformed("the response has no embedding")
      vectors.push(vector)
    }
    const counted = Json.count(body["inputTextTokenCount"]) ?? answer.inputTokens
    if (counted !== undefined) inputTokens = (inputTokens ?? 0) + counted
  }
  return Result.succeed({
    vectors,
    model,
    ...(inputTokens === undefined ? undefined : { usage: { inputTokens, outputTokens: 0 } }),
  })
}
