/**
 * Google's models on Vertex AI: the Gemini protocol, with embeddings and token counts of its own.
 */
import type * as Embedding from "@understudy/core/Embedding"
import type { Provider } from "@understudy/core/Provider"
import type { ProviderError } from "@understudy/core/ProviderError"
import * as Arr from "effect/Array"
import * as Effect from "effect/Effect"
import { endpointAt, sdkRequest } from "../gemini/GoogleApi.ts"
import * as HttpProvider from "../HttpProvider.ts"
import * as Gemini from "../protocols/gemini/index.ts"
import * as Start from "../ProviderStartError.ts"
import type { ProviderStartError } from "../ProviderStartError.ts"
import type { Connection } from "./Connection.ts"
import { headersOf, methods, vendor } from "./Connection.ts"
import * as Embeddings from "./Embeddings.ts"
import * as Errors from "./Errors.ts"

/** Google's models. */
export const connect = Effect.fnUntraced(function* ({
  common,
  headers,
  host,
  origin,
  parent,
}: Connection): Effect.fn.Return<Provider["Service"], ProviderStartError> {
  const sdk = yield* Start.sdk(vendor, "@google/genai", () => import("@google/genai"))
  const client = sdkRequest(sdk, origin, undefined, { headers })
  const template = methods(origin, parent("v1beta1"), "google", yield* headersOf(client, "", common.redaction))
  const options: HttpProvider.Options<Gemini.Errors.WireError> = {
    ...common,
    vendor,
    codec: Gemini,
    endpoint: endpointAt(host),
    reason: Errors.reason,
    counter: { body: countBody, decode: Gemini.Count.decode, template: template("countTokens") },
    template: template("generateContent"),
    streaming: template("streamGenerateContent?alt=sse"),
  }
  const provider = yield* HttpProvider.make({
    ...options,
    embedder: { ...Embeddings.predict, template: template("predict") },
  })
  const newer = yield* HttpProvider.make({
    ...options,
    embedder: { ...Embeddings.embedContent, template: template("embedContent") },
  })
  return { ...provider, embed: provider.embed && newer.embed && embedBy(provider.embed, newer.embed) }
})

/** The fields of a request that are counted, in either spelling. Others are rejected. */
const counted = new Set([
  "contents",
  "systemInstruction",
  "system_instruction",
  "tools",
  "generationConfig",
  "generation_config",
])

const countBody = (body: Readonly<Record<string, unknown>>): Record<string, unknown> =>
  Object.fromEntries(Object.entries(body).filter(([name]) => counted.has(name)))

type Embed = (request: Embedding.Request) => Effect.Effect<Embedding.Response, ProviderError>

/** Embeds with the method of the model, in requests of as many texts as it takes. */
const embedBy =
  (predict: Embed, embedContent: Embed): Embed =>
  (request) => {
    const embed = Embeddings.hasEmbedContent(request.model) ? embedContent : predict
    const batch = Embeddings.batchOf(request.model)
    if (request.input.length <= batch) return embed(request)
    const requests = Arr.chunksOf(request.input, batch).map((input) => ({ ...request, input }))
    return Effect.map(Effect.forEach(requests, embed, { concurrency: maxRequests }), Embeddings.merge)
  }

/** The maximum of concurrent requests for one call. */
const maxRequests = 8
