/**
 * Requests to a collector: their timeout, their encoding, and what the log says when it cannot be reached.
 */
import * as NodeHttpClient from "@effect/platform-node/NodeHttpClient"
import * as Duration from "effect/Duration"
import * as Effect from "effect/Effect"
import * as HttpClient from "effect/http/HttpClient"
import * as HttpClientError from "effect/http/HttpClientError"
import type * as HttpClientRequest from "effect/http/HttpClientRequest"
import * as OtlpSerialization from "effect/observability/OtlpSerialization"
import type * as Layer from "effect/Layer"
import type { Protocol } from "../config/TelemetrySection.ts"
import type { Endpoint } from "./Settings.ts"

export const serialization = (protocol: Protocol): Layer.Layer<OtlpSerialization.OtlpSerialization> =>
  protocol === "http/json" ? OtlpSerialization.layerJson : OtlpSerialization.layerProtobuf

export const layerClient: Layer.Layer<HttpClient.HttpClient> = NodeHttpClient.layerUndici

/** The client with the endpoint's timeout. A failure fails as a network error does. */
export const limited = (client: HttpClient.HttpClient, { timeout }: Endpoint): HttpClient.HttpClient =>
  HttpClient.transform(client, (response, request) =>
    Effect.timeoutOrElse(response, {
      duration: timeout,
      orElse: () => Effect.fail(timedOut(request, timeout)),
    }),
  )

const timedOut = (request: HttpClientRequest.HttpClientRequest, timeout: Duration.Duration) =>
  new HttpClientError.HttpClientError({
    reason: new HttpClientError.TransportError({ request, description: `no response in ${Duration.format(timeout)}` }),
  })

/**
 * What the log says of an endpoint: that it cannot be reached, once, and that it can be reached again. `what` names what is
 * exported, such as "spans".
 */
export class Reachability {
  readonly #what: string
  readonly #url: string
  #isDown = false

  constructor(what: string, url: string) {
    this.#what = what
    this.#url = redacted(url)
  }

  succeeded(dropped: number): Effect.Effect<void> {
    if (!this.#isDown) return Effect.void
    this.#isDown = false
    const lost = dropped === 0 ? "" : ` ${dropped} ${this.#what} were lost.`
    return Effect.logInfo(`The OpenTelemetry collector at ${this.#url} takes ${this.#what} again.${lost}`)
  }

  failed(reason: string): Effect.Effect<void> {
    if (this.#isDown) return Effect.void
    this.#isDown = true
    return Effect.logWarning(
      `Cannot export ${this.#what} to the OpenTelemetry collector at ${this.#url}: ${reason}. Calls go on; ${this.#what} are dropped until it can be reached. Check telemetry.otlp or OTEL_EXPORTER_OTLP_ENDPOINT.`,
    )
  }
}

/** Without the userinfo and the query, which may hold a key. */
const redacted = (url: string): string => {
  const { host, pathname, protocol } = new URL(url)
  return `${protocol}//${host}${pathname}`
}

/** What failed, without the request, whose headers may hold a key. */
export const reasonOf = (error: HttpClientError.HttpClientError): string => {
  const { reason } = error
  if (reason._tag === "StatusCodeError") return `it answers with status ${reason.response.status}`
  return ("description" in reason ? reason.description : undefined) ?? codeOf(reason) ?? "the connection failed"
}

const codeOf = (reason: { readonly cause?: unknown }): string | undefined => {
  for (let { cause } = reason; cause instanceof Error; cause = cause.cause) {
    if ("code" in cause && typeof cause.code === "string") return cause.code
  }
  return undefined
}
