/**
 * What the providers of Vertex AI's APIs have in common: where requests go, with which headers, and what a provider is made
 * of.
 *
 * The vendors' SDKs build the headers. The paths are ours: the SDKs' own clients for Vertex AI read other variables of the
 * environment, and write to the console.
 */
import type { Provider } from "@understudy/core/Provider"
import * as Effect from "effect/Effect"
import type * as HttpProvider from "../HttpProvider.ts"
import type { Host } from "../protocols/EncryptedReasoning.ts"
import type { ProviderStartError } from "../ProviderStartError.ts"
import type { Redaction } from "../transport/Redaction.ts"
import * as RequestTemplate from "../transport/RequestTemplate.ts"
import { resourceOf } from "./Api.ts"

/** What the providers have in common. */
export interface Connection {
  readonly origin: string
  /** The path of the project's resources in the location, by the default version of the API. */
  readonly parent: (version: string) => string
  /** Headers of every request. */
  readonly headers: Readonly<Record<string, string>> | undefined
  /** The host of encrypted reasoning: see `EncryptedReasoning`. */
  readonly host: Host
  readonly common: Pick<HttpProvider.Options<HttpProvider.WireError>, "key" | "redaction" | "sender" | "local">
}

export const vendor = "vertex"

/** A provider that can be made. */
export type Made = Effect.Effect<Provider["Service"], ProviderStartError>

/** Headers that the SDKs' clients of the vendors' own APIs send, and Vertex AI does not take. */
const ownHeaders = new Set(["anthropic-version", "authorization", "x-api-key", "x-goog-api-key"])

/** The headers of an SDK's request. */
export const headersOf = (client: RequestTemplate.Builder, path: string, redaction: Redaction) =>
  Effect.map(RequestTemplate.build(vendor, client, path, redaction), ({ headers }) =>
    headers.flatMap((name, at) =>
      at % 2 === 1 || ownHeaders.has(name.toLowerCase()) ? [] : [name, headers[at + 1] ?? ""],
    ),
  )

/** The template of a method of a publisher's models. */
export const methods =
  (origin: string, models: string, publisher: string, headers: ReadonlyArray<string>) =>
  (method: string): RequestTemplate.RequestTemplate => ({
    origin,
    path: `${models}/${RequestTemplate.placeholder}:${method}`,
    headers,
    modelPath: resourceOf(publisher),
  })
