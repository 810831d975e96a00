/**
 * Embeddings, between the AI SDK and the engine: the vectors of a route for `ai`, and those of a model of the AI SDK for a
 * route.
 */
import type {
  EmbeddingModelV4,
  EmbeddingModelV4CallOptions,
  EmbeddingModelV4Result,
  InvalidArgumentError,
} from "@ai-sdk/provider"
import type * as Embedding from "@understudy/core/Embedding"
import type { ProviderError } from "@understudy/core/ProviderError"
import type { Answer } from "@understudy/core/Router"
import * as Effect from "effect/Effect"
import * as Predicate from "effect/Predicate"
import * as Result from "effect/Result"
import * as Json from "../protocols/Json.ts"
import * as Lowering from "../protocols/Lowering.ts"
import * as Overrides from "../protocols/Overrides.ts"
import * as Answers from "./Answers.ts"
import * as ModelCall from "./ModelCall.ts"
import * as Native from "./Native.ts"
import * as Settings from "./Settings.ts"

// ---------------------------------------------------------------------------------------------------------------------
// The AI SDK -> the engine
// ---------------------------------------------------------------------------------------------------------------------

/** The request to a route. */
export const toRequest = (
  route: string,
  { dimensions, headers, providerOptions, values }: EmbeddingModelV4CallOptions,
): Result.Result<Settings.Called<Embedding.Request>, InvalidArgumentError> =>
  Result.map(Settings.read(providerOptions), (settings) => {
    const { metadata, user, vendor } = settings
    return {
      request: {
        model: route,
        input: values,
        ...Json.defined({ dimensions, metadata, user, vendor }),
        native: { protocol: Native.protocol, body: { ...Json.defined({ dimensions, providerOptions }) } },
      },
      options: Settings.callOptions(settings, headers),
    }
  })

/** The result of a route. */
export const toResult = ({ receipt, response }: Answer<Embedding.Response>): EmbeddingModelV4Result => ({
  embeddings: response.vectors.map((vector) => [...vector]),
  ...(response.usage === undefined ? undefined : { usage: { tokens: response.usage.inputTokens } }),
  warnings: Answers.warnings(receipt, []),
  providerMetadata: Answers.route(receipt),
})

// ---------------------------------------------------------------------------------------------------------------------
// The engine -> the AI SDK
// ---------------------------------------------------------------------------------------------------------------------

/** The vectors of a model. More inputs than it takes in one call are sent in several calls, at once if it allows that. */
export const run = Effect.fnUntraced(function* (
  model: EmbeddingModelV4,
  request: Embedding.Request,
  failure: (error: unknown) => ProviderError,
): Effect.fn.Return<Embedding.Response, ProviderError> {
  const values = request.input.filter(Predicate.isString)
  if (values.length < request.input.length)
    return yield* Effect.fromResult(Lowering.unsupported(Native.protocol, "token ids"))
  const dropped = droppedOf(request)
  if (dropped.length > 0 && request.unsupportedParams === "skip")
    return yield* Effect.fromResult(Lowering.unsupported(Native.protocol, dropped.join("; ")))
  const max = (yield* Effect.promise(() => Promise.resolve(model.maxEmbeddingsPerCall))) ?? values.length
  const isParallel = yield* Effect.promise(() => Promise.resolve(model.supportsParallelCalls))
  const options = optionsOf(request)
  const results = yield* Effect.forEach(
    batches(values, max),
    (values) =>
      ModelCall.run(
        (abortSignal) => model.doEmbed({ ...options, values, abortSignal }),
        failure,
        () => {},
      ),
    { concurrency: isParallel ? maxParallel : 1 },
  )
  const droppedParams = [...dropped, ...new Set(results.flatMap(({ warnings }) => warnings.map(Answers.describe)))]
  const tokens = results.flatMap(({ usage }) => usage?.tokens ?? [])
  return {
    vectors: results.flatMap(({ embeddings }) => embeddings),
    ...(tokens.length < results.length
      ? undefined
      : { usage: { inputTokens: tokens.reduce((sum, each) => sum + each, 0), outputTokens: 0 } }),
    ...(droppedParams.length === 0 || request.unsupportedParams === "drop" ? undefined : { droppedParams }),
  }
})

/** The calls of one request that run at once. */
const maxParallel = 4

const batches = (values: ReadonlyArray<string>, max: number): ReadonlyArray<Array<string>> => {
  const size = Math.max(1, max)
  const all: Array<Array<string>> = []
  for (let at = 0; at < values.length; at += size) all.push(values.slice(at, at + size))
  return all
}

const optionsOf = ({
  dimensions,
  native,
  overrides,
  vendor,
}: Embedding.Request): Omit<EmbeddingModelV4CallOptions, "values"> => {
  const own = native?.protocol === Native.protocol ? native.body : vendor?.[Native.protocol]
  const providerOptions = own?.["providerOptions"]
  const options = {
    ...(dimensions === undefined ? undefined : { dimensions }),
    ...(Predicate.isObject(providerOptions)
      ? { providerOptions: providerOptions as NonNullable<EmbeddingModelV4CallOptions["providerOptions"]> }
      : undefined),
  }
  return Overrides.withExtraBody(options, overrides?.extraBody)
}

/** The parameters that an embedding model of the AI SDK does not have. */
const droppedOf = ({ purpose, user, vendor = {} }: Embedding.Request): ReadonlyArray<string> => [
  ...(purpose === undefined ? [] : ["the purpose of the embeddings"]),
  ...(user === undefined ? [] : ["the end user's id"]),
  ...Object.entries(vendor).flatMap(([protocol, fields]) => (protocol === Native.protocol ? [] : Object.keys(fields))),
]
