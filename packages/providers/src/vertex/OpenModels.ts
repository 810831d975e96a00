/**
 * The models on Vertex AI that speak Chat Completions: the open models behind its OpenAI-compatible endpoint, and
 * Mistral's.
 */
import type * as Chat from "@understudy/core/Chat"
import type { Provider } from "@understudy/core/Provider"
import * as Effect from "effect/Effect"
import * as Result from "effect/Result"
import * as HttpProvider from "../HttpProvider.ts"
import * as Compatible from "../openai/Compatible.ts"
import * as OpenAiErrors from "../openai/Errors.ts"
import * as OpenAi from "../openai/OpenAi.ts"
import type { Compatibility } from "../protocols/chat-completions/Compatibility.ts"
import { compatible, lacking } from "../protocols/chat-completions/Compatibility.ts"
import * as ToolNames from "../protocols/ToolNames.ts"
import * as Start from "../ProviderStartError.ts"
import type { ProviderStartError } from "../ProviderStartError.ts"
import type { Connection, Made } from "./Connection.ts"
import { headersOf, methods, vendor } from "./Connection.ts"
import * as Errors from "./Errors.ts"

/** The open models that Google serves. */
const open: Compatibility = {
  ...compatible,
  documents: "text",
  reasoning: "reasoning_content",
  lacks: lacking("cache keys", "custom tools", "refusals", "top_k"),
}

/** A provider of Chat Completions at these templates, given the headers. */
const chatCompletions = Effect.fnUntraced(function* (
  { common, headers, host, origin }: Connection,
  dialect: Compatibility,
  templates: (
    headers: ReadonlyArray<string>,
  ) => Pick<HttpProvider.Options<HttpProvider.WireError>, "template" | "streaming">,
  body: (body: Record<string, unknown>) => Record<string, unknown> = (body) => body,
): Effect.fn.Return<Provider["Service"], ProviderStartError> {
  const sdk = yield* Start.sdk(vendor, "openai", () => import("openai"))
  const client = new sdk.OpenAI({
    apiKey: "none",
    baseURL: origin,
    organization: null,
    project: null,
    defaultHeaders: { authorization: null, ...headers },
    logLevel: "off",
  })
  const { codec } = OpenAi.chatCompletions(dialect)
  const { Request } = codec
  return yield* HttpProvider.make({
    ...common,
    ...templates(yield* headersOf(client, "/chat/completions", common.redaction)),
    vendor,
    codec: {
      ...codec,
      Request: {
        ...Request,
        native: (...args: Parameters<typeof Request.native>) => {
          const own = Request.native(...args)
          return own && body(own)
        },
        encode: (chat: Chat.Request) =>
          Result.map(Request.encode(chat), (encoded) => ({ ...encoded, body: body(encoded.body) })),
      },
      Errors: { parse: Errors.parsing(codec.Errors.parse) },
    },
    endpoint: {
      name: host ?? vendor,
      host,
      limits: { user: dialect.user, names: ToolNames.common, tools: dialect.tools },
      ids: dialect.toolIds,
    },
    reason: Errors.table(OpenAiErrors.reason),
  })
})

/** The models behind the OpenAI-compatible endpoint. The model is in the body. */
export const openai = (connection: Connection): Made =>
  chatCompletions(connection, open, (headers) => ({
    template: {
      origin: connection.origin,
      path: `${connection.parent("v1")}/endpoints/openapi/chat/completions`,
      headers,
    },
  }))

/** Mistral's models: its own protocol, with the model in the URL and in the body. */
export const mistral = (connection: Connection): Made =>
  chatCompletions(
    connection,
    Compatible.vendors.mistral.dialect,
    (headers) => {
      const template = methods(connection.origin, connection.parent("v1"), "mistralai", headers)
      return { template: template("rawPredict"), streaming: template("streamRawPredict") }
    },
    ({ model, ...body }) => ({ ...body, model: bare(String(model)) }),
  )

/** The id of a model without its publisher and its version. */
const bare = (model: string): string => model.replace(/^.*\//, "").replace(/@.*$/, "")
