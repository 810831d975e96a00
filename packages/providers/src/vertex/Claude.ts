/**
 * Claude on Vertex AI: the Messages protocol, with the model in the URL and the version in the body.
 */
import type { Provider } from "@understudy/core/Provider"
import * as Effect from "effect/Effect"
import * as Result from "effect/Result"
import * as AnthropicErrors from "../anthropic/Errors.ts"
import * as HttpProvider from "../HttpProvider.ts"
import * as Messages from "../protocols/messages/index.ts"
import * as ToolNames from "../protocols/ToolNames.ts"
import * as Start from "../ProviderStartError.ts"
import type { ProviderStartError } from "../ProviderStartError.ts"
import type * as RequestTemplate from "../transport/RequestTemplate.ts"
import { resourceOf } from "./Api.ts"
import type { Connection } from "./Connection.ts"
import { headersOf, methods, vendor } from "./Connection.ts"
import * as Errors from "./Errors.ts"

/** The version of Claude's API on Vertex AI. The model is in the URL. */
const version = { anthropic_version: "vertex-2023-10-16" }

const versioned = ({ model: _model, ...body }: Record<string, unknown>): Record<string, unknown> => ({
  ...version,
  ...body,
})

/** Messages, with the version in the body and the model in the URL. */
const claude: HttpProvider.ProtocolCodec<Errors.VertexError<Messages.Errors.WireError>> = {
  ...Messages,
  Request: {
    ...Messages.Request,
    native: (chat, endpoint, change) => {
      const body = Messages.Request.native(chat, endpoint, change)
      return body && versioned(body)
    },
    encode: (chat) =>
      Result.map(Messages.Request.encode(chat), (encoded) => ({ ...encoded, body: versioned(encoded.body) })),
  },
  Errors: { parse: Errors.parsing(Messages.Errors.parse) },
}

/** Of what a client sends to Anthropic. Its version is in the body, and an unknown query parameter is an error. */
const accept: RequestTemplate.RequestTemplate["accept"] = ({ headers }) => {
  const beta = headers?.["anthropic-beta"]
  return beta === undefined ? {} : { headers: { "anthropic-beta": beta } }
}

/** Anthropic's models. */
export const connect = Effect.fnUntraced(function* ({
  common,
  headers,
  host,
  origin,
  parent,
}: Connection): Effect.fn.Return<Provider["Service"], ProviderStartError> {
  const sdk = yield* Start.sdk(vendor, "@anthropic-ai/sdk", () => import("@anthropic-ai/sdk"))
  const client = new sdk.Anthropic({
    apiKey: "none",
    baseURL: origin,
    defaultHeaders: { authorization: null, ...headers },
    logLevel: "off",
    openTelemetry: false,
  })
  const models = parent("v1")
  const method = methods(origin, models, "anthropic", yield* headersOf(client, "/v1/messages", common.redaction))
  const template = { ...method("rawPredict"), accept }
  return yield* HttpProvider.make({
    ...common,
    vendor,
    codec: claude,
    endpoint: {
      name: host ?? "anthropic",
      host,
      ids: { plain: true },
      limits: { user: 256, names: { ...ToolNames.common, longest: 128 } },
    },
    reason: Errors.table(AnthropicErrors.reason),
    counter: {
      body: (body, { model }) => ({ ...version, ...Messages.Count.body({ ...body, model: claudeOf(model) }) }),
      decode: Messages.Count.decode,
      template: { ...template, path: `${models}/publishers/anthropic/models/count-tokens:rawPredict` },
    },
    template,
    streaming: { ...method("streamRawPredict"), accept },
  })
})

/** The id of a model without its publisher. */
const claudeOf = (model: string): string => resourceOf("anthropic")(model).replace(/^.*\//, "")
