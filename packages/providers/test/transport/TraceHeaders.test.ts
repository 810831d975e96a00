import { assert, describe, it } from "@effect/vitest"
import type * as Chat from "@understudy/core/Chat"
import { PropagatedSpan, TraceState } from "@understudy/core/Telemetry"
import * as Anthropic from "@understudy/providers/anthropic"
import * as Bedrock from "@understudy/providers/bedrock"
import * as Gemini from "@understudy/providers/gemini"
import * as OpenAi from "@understudy/providers/openai"
import * as Context from "effect/Context"
import * as Effect from "effect/Effect"
import * as Redacted from "effect/Redacted"
import * as Stream from "effect/Stream"
import * as Tracer from "effect/Tracer"
import type { IncomingHttpHeaders } from "node:http"
import { createServer } from "node:http"
import type { AddressInfo } from "node:net"

const key = Redacted.make("sk-test")

const vendors = {
  openai: (url: string) => OpenAi.make({ baseUrl: `${url}/v1`, apiKey: key }),
  responses: (url: string) => OpenAi.make({ baseUrl: `${url}/v1`, apiKey: key, api: "responses" }),
  anthropic: (url: string) => Anthropic.make({ baseUrl: url, apiKey: key }),
  gemini: (url: string) => Gemini.make({ baseUrl: url, apiKey: key }),
  bedrock: (url: string) =>
    Bedrock.make({ endpoint: url, region: "us-east-1", accessKeyId: Redacted.make("AKIA"), secretAccessKey: key }),
}

const request: Chat.Request = { model: "m", messages: [{ role: "user", content: [{ type: "text", text: "hi" }] }] }

/** The headers of the requests that a server gets and answers with status 400. */
const received = Effect.gen(function* () {
  const all: Array<IncomingHttpHeaders> = []
  const server = createServer((request, response) => {
    all.push(request.headers)
    request.resume().once("end", () => response.writeHead(400).end("{}"))
  })
  yield* Effect.acquireRelease(
    Effect.callback<void>((resume) => void server.listen(0, "127.0.0.1", () => resume(Effect.void))),
    () =>
      Effect.callback<void>((resume) => {
        server.close(() => resume(Effect.void))
        server.closeAllConnections()
      }),
  )
  return { all, url: `http://127.0.0.1:${(server.address() as AddressInfo).port}` }
})

const span = Tracer.externalSpan({
  traceId: "0af7651916cd43dd8448eb211c80319c",
  spanId: "b7ad6b7169203331",
  annotations: Context.make(TraceState, "vendor=value,other=1"),
})

describe.each(Object.keys(vendors) as ReadonlyArray<keyof typeof vendors>)("%s", (name) => {
  it.live("hands on the trace of the call, and nothing without one", () =>
    Effect.gen(function* () {
      const { all, url } = yield* received
      const provider = yield* vendors[name](url)
      const calls = Effect.all([
        Effect.exit(provider.chat(request)),
        Effect.exit(Stream.runDrain(provider.stream(request))),
      ])
      yield* Effect.provideService(calls, PropagatedSpan, span)
      yield* Effect.provideService(calls, PropagatedSpan, { ...span, sampled: false, annotations: Context.empty() })
      yield* calls
      const sent = all.map(({ traceparent, tracestate }) => [traceparent, tracestate])
      const sampled = ["00-0af7651916cd43dd8448eb211c80319c-b7ad6b7169203331-01", "vendor=value,other=1"]
      const unsampled = ["00-0af7651916cd43dd8448eb211c80319c-b7ad6b7169203331-00", undefined]
      const none = [undefined, undefined]
      assert.deepStrictEqual(sent, [sampled, sampled, unsampled, unsampled, none, none])
      // What a proxy may change on the way must not be signed.
      for (const { authorization } of all) assert.notInclude(authorization ?? "", "traceparent")
      if (name === "bedrock") assert.include(all[0]?.authorization ?? "", "SignedHeaders=")
    }),
  )

  it.live("names the vendor and the server that it calls", () =>
    Effect.gen(function* () {
      const { origin } = yield* vendors[name]("http://127.0.0.1:8123")
      const names = { bedrock: "aws.bedrock", gemini: "gcp.gemini", responses: "openai" }
      const expected = Object.entries(names).find(([vendor]) => vendor === name)?.[1] ?? name
      assert.deepStrictEqual(origin, { name: expected, address: "127.0.0.1", port: 8123 })
    }),
  )
})

describe("the origin of Bedrock", () => {
  it.live("is the address of the region", () =>
    Effect.gen(function* () {
      const { origin } = yield* Bedrock.make({ region: "eu-west-1", bearerToken: key })
      assert.deepStrictEqual(origin, {
        name: "aws.bedrock",
        address: "bedrock-runtime.eu-west-1.amazonaws.com",
        port: 443,
      })
    }),
  )
})
