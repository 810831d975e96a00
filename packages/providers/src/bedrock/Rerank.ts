/**
 * Codec of Bedrock's rerank models, over `InvokeModel`: requests and responses in the shape of Cohere's and Jina's `/rerank`.
 *
 * Sources: docs.aws.amazon.com/bedrock, "Amazon Rerank" and "Cohere Rerank"; opensearch.org, "Reranking search results using Cohere
 * Rerank on Amazon Bedrock".
 */
import * as Operation from "@understudy/core/Operation"
import { ProviderError } from "@understudy/core/ProviderError"
import * as Predicate from "effect/Predicate"
import * as Result from "effect/Result"
import * as Json from "../protocols/Json.ts"

type Body = Readonly<Record<string, unknown>>

/** The body for a model. Fails as `InvalidRequest` without a query or documents. */
export const encode = (request: Operation.Request): Result.Result<Body, ProviderError> => {
  const [query, documents, topN] = ["query", "documents", "top_n"].map((name) => Operation.field(request, name))
  if (!Json.isNonEmptyString(query)) return invalid("query", "a text")
  if (!Array.isArray(documents) || documents.length === 0) return invalid("documents", "a list of texts")
  return Result.succeed({
    query,
    documents: documents.map(textOf),
    ...(Predicate.isNumber(topN) ? { top_n: topN } : undefined),
    ...(/cohere\./.test(request.model) ? { api_version: 2 } : undefined),
  })
}

/** A document is a text, or has one: Cohere's and Jina's clients send both. */
const textOf = (document: unknown): string => {
  if (Predicate.isString(document)) return document
  const text = Json.fields(document)["text"]
  return Predicate.isString(text) ? text : JSON.stringify(document)
}

const invalid = (param: string, expected: string): Result.Result<never, ProviderError> =>
  Result.fail(
    new ProviderError({
      reason: { _tag: "InvalidRequest", param },
      status: 400,
      message: `Invalid value for '${param}': expected ${expected}.`,
    }),
  )

/** The response, with the documents if they are asked for. Bedrock counts no tokens: a price is of the request. */
export const decode = (text: string, request: Operation.Request): Result.Result<Operation.Frame, ProviderError> => {
  const results = Json.fields(Json.parse(text))["results"]
  if (!Array.isArray(results)) return Json.malformed("the response has no results")
  const documents = Json.list(Operation.field(request, "documents"))
  const isFull = Operation.field(request, "return_documents") === true
  return Result.succeed({
    contentType: "application/json",
    data: JSON.stringify({
      model: request.model,
      results: results.map((result: unknown) => {
        const { index, relevance_score } = Json.fields(result)
        const document = isFull ? { document: { text: textOf(documents[Number(index)]) } } : undefined
        return { index, relevance_score, ...document }
      }),
    }),
    usage: { inputTokens: 0, outputTokens: 0, units: {} },
    isLast: true,
  })
}
