/**
 * A guardrail that asks a webhook. Each run is one POST, without retries, on connections that stay open; its body is signed as
 * `WebhookSignature` says. A status other than 200, an answer that is not valid, and one of more than `maxAnswer` bytes are errors.
 * Interruption closes the request.
 */
import * as NodeHttpClient from "@effect/platform-node/NodeHttpClient"
import type { Guardrail, GuardrailError } from "@understudy/core/Guardrails"
import * as Redaction from "@understudy/providers/internal/transport/Redaction"
import * as Secrets from "@understudy/providers/internal/transport/Secrets"
import * as Effect from "effect/Effect"
import * as HttpClient from "effect/http/HttpClient"
import type * as HttpClientResponse from "effect/http/HttpClientResponse"
import * as HttpClientRequest from "effect/http/HttpClientRequest"
import * as Layer from "effect/Layer"
import * as Result from "effect/Result"
import type * as Scope from "effect/Scope"
import * as Stream from "effect/Stream"
import { randomUUID } from "node:crypto"
import type { WebhookSettings } from "../config/GuardrailsSection.ts"
import * as WebhookSignature from "../WebhookSignature.ts"
import * as WebhookMessages from "./WebhookMessages.ts"

/** The bytes of an answer, which may hold a whole rewritten conversation. */
const maxAnswer = 8 * 1024 * 1024

/** Makes guardrails that share one pool of connections, which closes with the scope. */
export const maker: Effect.Effect<(settings: WebhookSettings) => Guardrail, never, Scope.Scope> = Effect.gen(
  function* () {
    const context = yield* Layer.build(NodeHttpClient.layerUndici)
    const client = yield* Effect.provideContext(HttpClient.HttpClient, context)
    return (settings) => guardrail(client, settings)
  },
)

const guardrail = (client: HttpClient.HttpClient, settings: WebhookSettings): Guardrail => {
  const { name, on, onError, routes, streams, timeout } = settings
  const ask = asking(client, settings)
  return {
    name,
    routes,
    timeout,
    onError,
    streams,
    ...(on.includes("before")
      ? {
          before: (call) =>
            Effect.flatMap(ask(WebhookMessages.before(name, call)), (answer) =>
              Effect.fromResult(WebhookMessages.toBefore(name, call, answer)),
            ),
        }
      : undefined),
    ...(on.includes("after")
      ? {
          after: (call, response) =>
            Effect.flatMap(ask(WebhookMessages.after(name, call, response)), (answer) =>
              Effect.fromResult(WebhookMessages.toAfter(name, response, answer)),
            ),
        }
      : undefined),
  }
}

/** Posts a body, and gives the parsed answer. */
const asking = (client: HttpClient.HttpClient, { headers, secret, url }: WebhookSettings) => {
  const redaction = Redaction.make(Secrets.make({ urls: [url], headers, keys: [secret] }))
  return (body: object): Effect.Effect<unknown, GuardrailError> =>
    Effect.suspend(() => {
      const text = JSON.stringify(body)
      return Effect.clockWith((clock) => {
        const signed = WebhookSignature.headers(secret, `msg_${randomUUID()}`, clock.currentTimeMillisUnsafe(), text)
        const request = HttpClientRequest.post(url).pipe(
          HttpClientRequest.setHeaders({ ...headers, ...signed }),
          HttpClientRequest.bodyText(text, "application/json"),
        )
        return Effect.scoped(Effect.flatMap(client.execute(request), read))
      })
    }).pipe(Effect.mapError(({ message }): GuardrailError => ({ message: redaction.text(message) })))
}

const read = (
  response: HttpClientResponse.HttpClientResponse,
): Effect.Effect<unknown, { readonly message: string }> => {
  if (response.status !== 200) return Effect.fail({ message: `status ${response.status}` })
  let size = 0
  const chunks: Array<Uint8Array> = []
  return Effect.flatMap(
    Stream.runForEach(response.stream, (chunk) => {
      size += chunk.length
      chunks.push(chunk)
      return size > maxAnswer ? Effect.fail({ message: `its answer is larger than ${maxAnswer} bytes` }) : Effect.void
    }),
    () =>
      Effect.fromResult(
        Result.try({
          try: (): unknown => JSON.parse(Buffer.concat(chunks, size).toString()),
          catch: () => ({ message: "its answer is not JSON" }),
        }),
      ),
  )
}
