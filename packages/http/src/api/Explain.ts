/**
 * `POST /v1/route/explain`: where a request would go just now, and why not elsewhere, as `Explain.Explanation` in JSON.
 * Nobody is asked, and nothing changes. A virtual key is told less of it: see `Disclosure`.
 *
 * The body is a chat completions request, or one of the protocol that `?protocol=` names; what Gemini's clients say in
 * the address is said by `model=` and `stream=true`. Headers count as those of the call itself would.
 */
import type { AnyRequest } from "@understudy/core/Call"
import { Router } from "@understudy/core/Router"
import * as ChatCompletions from "@understudy/providers/protocols/chat-completions"
import type { Address } from "@understudy/providers/internal/protocols/ClientProtocol"
import * as Embeddings from "@understudy/providers/protocols/embeddings"
import * as GeminiEmbeddings from "@understudy/providers/protocols/gemini-embeddings"
import type { InvalidBody } from "@understudy/providers/internal/protocols/InvalidBody"
import * as Effect from "effect/Effect"
import * as HttpRouter from "effect/http/HttpRouter"
import * as HttpServerRequest from "effect/http/HttpServerRequest"
import * as HttpServerResponse from "effect/http/HttpServerResponse"
import * as Result from "effect/Result"
import { Expose } from "../auth/Expose.ts"
import * as SideRequest from "../observe/SideRequest.ts"
import * as HttpReply from "./HttpReply.ts"
import * as ApiError from "./ApiError.ts"
import * as BodyLimits from "./BodyLimits.ts"
import * as CallOptions from "./CallOptions.ts"
import * as Disclosure from "./Disclosure.ts"
import * as ClientProtocols from "./ClientProtocols.ts"
import * as JsonBody from "./JsonBody.ts"

/** Adds the endpoint to the `HttpRouter` in context. */
export const layer = HttpRouter.use((http) =>
  Effect.flatMap(Router, (router) =>
    http.add(
      "POST",
      "/v1/route/explain",
      Effect.gen(function* () {
        const { address, isStream, kind, request: read } = yield* protocol
        const { request, streaming } = yield* JsonBody.asked(kind, (body) =>
          Result.map(read(body, address), (request) => ({ request, streaming: isStream(body, address) })),
        )
        const { headers, tags, timeout } = yield* CallOptions.read
        const options = { headers, tags, timeout, streaming }
        const explained = SideRequest.noted(
          "explain",
          request.model,
          router.explain(request, options),
          SideRequest.explained,
        )
        return HttpServerResponse.jsonUnsafe(Disclosure.explanation(yield* ApiError.told(explained), yield* Expose))
      }).pipe((answer) => HttpReply.catchErrors(answer, ChatCompletions)),
    ),
  ),
)

/** How the body of a protocol is read. */
interface Reading {
  readonly request: (body: Record<string, unknown>, address: Address) => Result.Result<AnyRequest, InvalidBody>
  readonly isStream: (body: Record<string, unknown>, address: Address) => boolean
  readonly kind: BodyLimits.Kind
}

const never = () => false

/** Every protocol that has clients, by its name. */
const readings: ReadonlyMap<string, Reading> = new Map([
  ...ClientProtocols.all.map(({ Request: { decode, isStream }, protocol }): [string, Reading] => [
    protocol,
    { request: decode, isStream, kind: BodyLimits.conversation },
  ]),
  [Embeddings.protocol, { request: Embeddings.Request.decode, isStream: never, kind: BodyLimits.inputs }],
  [GeminiEmbeddings.protocol, { request: GeminiEmbeddings.Request.decode, isStream: never, kind: BodyLimits.inputs }],
])

/** The protocol that the request in context names, and what it says in the address of that protocol's own endpoint. */
const protocol = Effect.flatMap(HttpServerRequest.HttpServerRequest, ({ url }) => {
  const query = new URLSearchParams(url.includes("?") ? url.slice(url.indexOf("?")) : "")
  const name = query.get("protocol") ?? ChatCompletions.protocol
  const reading = readings.get(name)
  return reading === undefined
    ? Effect.fail(
        ApiError.invalid(`protocol is one of ${[...readings.keys()].join(", ")}, not "${name}"`, { param: "protocol" }),
      )
    : Effect.succeed({
        ...reading,
        address: { model: query.get("model") ?? undefined, stream: query.get("stream") === "true" },
      })
})
