/**
 * `POST /v1/route/explain`: the plan of a call at this moment, as JSON. It calls no provider and changes no state. Virtual
 * keys see less of it: see `Disclosure`.
 *
 * The body is a chat completions request, or a request of the protocol in `?protocol=`. For Gemini's, `model=` and
 * `stream=true` in the query replace what its clients put in the path. Headers have the effect they have on the call
 * itself.
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
        const { address, decode, isStream, kind } = yield* protocol
        const { request, streaming } = yield* JsonBody.decodeCall(kind, (body) =>
          Result.map(decode(body, address), (request) => ({ request, streaming: isStream(body, address) })),
        )
        const { headers: sent } = yield* HttpServerRequest.HttpServerRequest
        const { headers, session, tags, timeout } = yield* Effect.fromResult(CallOptions.read(sent, request))
        const options = { headers, session, tags, timeout, streaming }
        const explained = SideRequest.logged(
          "explain",
          request.model,
          router.explain(request, options),
          SideRequest.describeExplanation,
        )
        return HttpServerResponse.jsonUnsafe(
          Disclosure.explanation(yield* ApiError.fromRouterError(explained), yield* Expose),
        )
      }).pipe((response) => HttpReply.catchErrors(response, ChatCompletions)),
    ),
  ),
)

/** How the body of a protocol is decoded. */
interface Codec {
  readonly decode: (body: Record<string, unknown>, address: Address) => Result.Result<AnyRequest, InvalidBody>
  readonly isStream: (body: Record<string, unknown>, address: Address) => boolean
  readonly kind: BodyLimits.Kind
}

const never = () => false

/** The client protocols by name. */
const codecs: ReadonlyMap<string, Codec> = new Map([
  ...ClientProtocols.all.map(({ Request: { decode, isStream }, protocol }): [string, Codec] => [
    protocol,
    { decode, isStream, kind: BodyLimits.conversation },
  ]),
  [Embeddings.protocol, { decode: Embeddings.Request.decode, isStream: never, kind: BodyLimits.inputs }],
  [GeminiEmbeddings.protocol, { decode: GeminiEmbeddings.Request.decode, isStream: never, kind: BodyLimits.inputs }],
])

/** The protocol named in the query of the request in context, with the model and streaming set there. */
const protocol = Effect.flatMap(HttpServerRequest.HttpServerRequest, ({ url }) => {
  const query = new URLSearchParams(url.includes("?") ? url.slice(url.indexOf("?")) : "")
  const name = query.get("protocol") ?? ChatCompletions.protocol
  const codec = codecs.get(name)
  return codec === undefined
    ? Effect.fail(
        ApiError.invalid(`protocol must be one of ${[...codecs.keys()].join(", ")}, not "${name}"`, {
          param: "protocol",
        }),
      )
    : Effect.succeed({
        ...codec,
        address: { model: query.get("model") ?? undefined, stream: query.get("stream") === "true" },
      })
})
