import { assert, describe, it } from "@effect/vitest"
import { Deployment, Router } from "@understudy/core"
import * as Anthropic from "@understudy/providers/anthropic"
import * as Bedrock from "@understudy/providers/bedrock"
import * as Gemini from "@understudy/providers/gemini"
import * as OpenAi from "@understudy/providers/openai"
import * as EventStream from "@understudy/providers/internal/testing/EventStream"
import * as Transport from "@understudy/providers/transport"
import * as ByteSize from "effect/ByteSize"
import * as Context from "effect/Context"
import * as Duration from "effect/Duration"
import * as Effect from "effect/Effect"
import * as HttpServer from "effect/http/HttpServer"
import * as Layer from "effect/Layer"
import * as Redacted from "effect/Redacted"
import * as References from "effect/References"
import * as Http from "node:http"
import type { AddressInfo } from "node:net"
import { Drain } from "../../src/Drain.ts"
import { Keyring } from "../../src/auth/Keyring.ts"
import * as Server from "../../src/Server.ts"

/** What no number of JavaScript says as it is written, and names that objects of JavaScript have already. */
const odd = `[1.0,-0,1e400,-1E-2,9007199254740993,-12345678901234567890,0.1000000000000000055,{"__proto__":{"n":2.50},"constructor":1e21}]`
const marked = `{"first":"<","value":${odd},"last":">"}`

/** Everything marked in a text. */
const marks = (text: string): ReadonlyArray<string> =>
  [...text.matchAll(/\{\s*"first":\s*"<",\s*"value":\s*(.*?),\s*"last":\s*">"\}/gs)].map(([, value]) => value!)

const quoted = JSON.stringify(marked)

// ---------------------------------------------------------------------------------------------------------------------
// Vendors, who answer with a call
// ---------------------------------------------------------------------------------------------------------------------

interface Vendor {
  readonly layer: (url: string) => ReturnType<typeof OpenAi.layer>
  readonly whole: string
  readonly stream: ReadonlyArray<string | Uint8Array>
  /** Its calls' inputs are text within the JSON. */
  readonly inText?: boolean
}

const sse = (...events: ReadonlyArray<string>) => events.map((data) => `data: ${data}\n\n`)
const named = (...events: ReadonlyArray<string>) =>
  events.map((data) => `event: ${(JSON.parse(data) as { type: string }).type}\ndata: ${data}\n\n`)
const apiKey = Redacted.make("sk-upstream")
const chatChunk = (delta: string, finish = "null") =>
  `{"id":"c","object":"chat.completion.chunk","created":1,"model":"m","choices":[{"index":0,"delta":${delta},"finish_reason":${finish}}],"odd":${odd}}`
const item = `{"type":"function_call","id":"fc_1","call_id":"call_1","name":"act","arguments":${quoted},"status":"completed"}`
const responseOf = (output: string, status: string) =>
  `{"id":"resp_1","object":"response","created_at":1.0,"model":"m","status":"${status}","output":[${output}],"usage":{"input_tokens":1.0,"output_tokens":2,"total_tokens":3},"odd":${odd}}`

const vendors: Readonly<Record<string, Vendor>> = {
  chat: {
    layer: (url) => OpenAi.layer({ baseUrl: `${url}/v1`, apiKey }),
    inText: true,
    whole: `{"id":"c","object":"chat.completion","created":1,"model":"m","choices":[{"index":0,"message":{"role":"assistant","content":null,"tool_calls":[{"id":"call_1","type":"function","function":{"name":"act","arguments":${quoted}}}]},"finish_reason":"tool_calls"}],"usage":{"prompt_tokens":1,"completion_tokens":2,"total_tokens":3},"odd":${odd}}`,
    stream: sse(
      chatChunk(
        `{"role":"assistant","tool_calls":[{"index":0,"id":"call_1","type":"function","function":{"name":"act","arguments":""}}]}`,
      ),
      chatChunk(`{"tool_calls":[{"index":0,"function":{"arguments":${quoted}}}]}`),
      chatChunk("{}", `"tool_calls"`),
      "[DONE]",
    ),
  },
  "chat, inputs as objects": {
    layer: (url) => OpenAi.layer({ baseUrl: `${url}/v1`, apiKey }),
    inText: true,
    whole: `{"id":"c","object":"chat.completion","created":1,"model":"m","choices":[{"index":0,"message":{"role":"assistant","content":null,"tool_calls":[{"id":"call_1","type":"function","function":{"name":"act","arguments":${marked}}}]},"finish_reason":"tool_calls"}],"odd":${odd}}`,
    stream: sse(
      chatChunk(
        `{"role":"assistant","tool_calls":[{"index":0,"id":"call_1","type":"function","function":{"name":"act","arguments":${marked}}}]}`,
      ),
      chatChunk("{}", `"tool_calls"`),
      "[DONE]",
    ),
  },
  responses: {
    layer: (url) => OpenAi.layer({ baseUrl: `${url}/v1`, apiKey, api: "responses" }),
    inText: true,
    whole: responseOf(item, "completed"),
    stream: named(
      `{"type":"response.created","sequence_number":0,"response":${responseOf("", "in_progress")}}`,
      `{"type":"response.output_item.added","sequence_number":1,"output_index":0,"item":{"type":"function_call","id":"fc_1","call_id":"call_1","name":"act","arguments":"","status":"in_progress"}}`,
      `{"type":"response.function_call_arguments.delta","sequence_number":2,"item_id":"fc_1","output_index":0,"delta":${quoted}}`,
      `{"type":"response.function_call_arguments.done","sequence_number":3,"item_id":"fc_1","output_index":0,"arguments":${quoted}}`,
      `{"type":"response.output_item.done","sequence_number":4,"output_index":0,"item":${item}}`,
      `{"type":"response.completed","sequence_number":5,"response":${responseOf(item, "completed")}}`,
    ),
  },
  messages: {
    layer: (url) => Anthropic.layer({ baseUrl: url, apiKey }),
    whole: `{"id":"msg_1","type":"message","role":"assistant","model":"m","content":[{"type":"tool_use","id":"toolu_1","name":"act","input":${marked}}],"stop_reason":"tool_use","stop_sequence":null,"usage":{"input_tokens":1.0,"output_tokens":2},"odd":${odd}}`,
    stream: named(
      `{"type":"message_start","message":{"id":"msg_1","type":"message","role":"assistant","model":"m","content":[],"stop_reason":null,"stop_sequence":null,"usage":{"input_tokens":1,"output_tokens":1}}}`,
      `{"type":"content_block_start","index":0,"content_block":{"type":"tool_use","id":"toolu_1","name":"act","input":${marked}}}`,
      `{"type":"content_block_stop","index":0}`,
      `{"type":"message_delta","delta":{"stop_reason":"tool_use","stop_sequence":null},"usage":{"output_tokens":2.0},"odd":${odd}}`,
      `{"type":"message_stop"}`,
    ),
  },
  converse: {
    layer: (url) => Bedrock.layer({ endpoint: url, region: "us-east-1", bearerToken: apiKey }),
    whole: `{"output":{"message":{"role":"assistant","content":[{"toolUse":{"toolUseId":"tooluse_1","name":"act","input":${marked}}}]}},"stopReason":"tool_use","usage":{"inputTokens":1.0,"outputTokens":2,"totalTokens":3},"metrics":{"latencyMs":1}}`,
    stream: [
      EventStream.event("messageStart", { role: "assistant" }),
      EventStream.event("contentBlockStart", {
        contentBlockIndex: 0,
        start: { toolUse: { toolUseId: "tooluse_1", name: "act" } },
      }),
      EventStream.event("contentBlockDelta", { contentBlockIndex: 0, delta: { toolUse: { input: marked } } }),
      EventStream.event("contentBlockStop", { contentBlockIndex: 0 }),
      EventStream.event("messageStop", { stopReason: "tool_use" }),
      EventStream.event("metadata", { usage: { inputTokens: 1, outputTokens: 2, totalTokens: 3 }, metrics: {} }),
    ],
  },
  gemini: {
    layer: (url) => Gemini.layer({ baseUrl: url, apiKey }),
    whole: `{"responseId":"r","modelVersion":"m","candidates":[{"index":0,"content":{"role":"model","parts":[{"functionCall":{"name":"act","args":${marked}}}]},"finishReason":"STOP","avgLogprobs":-0.12345678901234567}],"usageMetadata":{"promptTokenCount":1.0,"candidatesTokenCount":2,"totalTokenCount":3},"odd":${odd}}`,
    stream: sse(
      `{"responseId":"r","modelVersion":"m","candidates":[{"index":0,"content":{"role":"model","parts":[{"functionCall":{"name":"act","args":${marked}}}]},"finishReason":"STOP"}],"usageMetadata":{"promptTokenCount":1,"candidatesTokenCount":2.0,"totalTokenCount":3},"odd":${odd}}`,
    ),
  },
}

// ---------------------------------------------------------------------------------------------------------------------
// Clients, whose conversation has a tool and a call of it
// ---------------------------------------------------------------------------------------------------------------------

interface Client {
  readonly path: (stream: boolean) => string
  readonly body: (stream: boolean) => string
  /** The vendor that speaks its protocol. */
  readonly own: string
  /** What its own vendor is sent in place of what it said. */
  readonly sent: (body: string, stream: boolean) => string
  readonly arguments: (text: string, stream: boolean) => string
}

const schema = `{"type":"object","properties":{"value":{"default":${marked}}}}`

const events = (text: string): ReadonlyArray<string> =>
  [...text.matchAll(/^data: (.*)$/gm)].map(([, data]) => data!).filter((data) => data !== "[DONE]")

interface Piece {
  readonly choices?: ReadonlyArray<{ readonly delta?: Calls; readonly message?: Calls }>
  readonly type?: string
  readonly delta?: string & { readonly partial_json?: string }
  readonly output?: ReadonlyArray<{ readonly arguments?: string }>
}
interface Calls {
  readonly tool_calls?: ReadonlyArray<{ readonly function: { readonly arguments?: string } }>
}

const pieces = (text: string, stream: boolean): ReadonlyArray<Piece> =>
  (stream ? events(text) : [text]).map((json) => JSON.parse(json) as Piece)

/** A text of a long body. */
const long = `"Done: ${'\\n\\u0041 \\"quoted\\" grüße 🎭 and a longer line of words. '.repeat(200)}"`

const streaming = (stream: boolean) => (stream ? `"stream" :true,` : "")

const clients: Readonly<Record<string, Client>> = {
  chat: {
    own: "chat",
    path: () => "/v1/chat/completions",
    body: (stream) =>
      `{ "model": "primary", ${streaming(stream)}"temperature": 1.0, "seed": 9223372036854775807, "max_tokens": 1024.0, "messages": [{"role":"user","content":"\\u0041ct \\ud800"},{"role":"assistant","content":null,"tool_calls":[{"id":"call_0","type":"function","function":{"name":"act","arguments":${quoted}}}]},{"role":"tool","tool_call_id":"call_0","content":"done"}], "tools": [{"type":"function","function":{"name":"act","parameters":${schema}}}] }`,
    sent: (body, stream) =>
      body
        .replace(`{ "model": "primary", `, `{"model": "there",`)
        .replace(/ }$/, stream ? `,"stream_options":{"include_usage":true}}` : "}"),
    arguments: (text, stream) =>
      pieces(text, stream)
        .flatMap(({ choices = [] }) => choices)
        .flatMap(({ delta, message }) => (delta ?? message)?.tool_calls ?? [])
        .map((call) => {
          const { arguments: piece } = call.function
          return typeof piece === "object"
            ? marks(text)
                .map((mark) => marked.replace(odd, mark))
                .join()
            : piece
        })
        .join(""),
  },
  responses: {
    own: "responses",
    path: () => "/v1/responses",
    body: (stream) =>
      `{"model":"primary",${streaming(stream)}"store":false,"input":[{"role":"user","content":"Act"},{"type":"function_call","call_id":"call_0","name":"act","arguments":${quoted}},{"type":"function_call_output","call_id":"call_0","output":"done"}],"tools":[{"type":"function","name":"act","strict":false,"parameters":${schema}}]}`,
    sent: (body) => body.replace(`"primary"`, `"there"`),
    arguments: (text, stream) =>
      stream
        ? pieces(text, stream)
            .filter(({ type }) => type === "response.function_call_arguments.delta")
            .map(({ delta }) => delta)
            .join("")
        : pieces(text, stream)
            .flatMap(({ output = [] }) => output)
            .map((item) => item.arguments ?? "")
            .join(""),
  },
  messages: {
    own: "messages",
    path: () => "/v1/messages",
    body: (stream) =>
      `{"model":"primary",${streaming(stream)}"max_tokens":1024.0,"temperature":1.0,"messages":[{"role":"user","content":"Act"},{"role":"assistant","content":[{"type":"tool_use","id":"toolu_0","name":"act","input":${marked}}]},{"role":"user","content":[{"type":"tool_result","tool_use_id":"toolu_0","content":"done"}]}],"tools":[{"name":"act","input_schema":${schema}}]}`,
    sent: (body) => body.replace(`"primary"`, `"there"`),
    arguments: (text, stream) => {
      const written = pieces(text, stream)
        .map(({ delta }) => delta?.partial_json ?? "")
        .join("")
      return written === "" ? text : written
    },
  },
  gemini: {
    own: "gemini",
    path: (stream) => `/v1beta/models/primary:${stream ? "streamGenerateContent?alt=sse" : "generateContent"}`,
    body: () =>
      `{"contents":[{"role":"user","parts":[{"text":"Act"}]},{"role":"model","parts":[{"functionCall":{"name":"act","args":${marked}}}]},{"role":"user","parts":[{"functionResponse":{"name":"act","response":{"output":"done"}}}]}],"generationConfig":{"temperature":1.0,"seed":9223372036854775807,"maxOutputTokens":1024.0},"tools":[{"functionDeclarations":[{"name":"act","parametersJsonSchema":${schema}}]}]}`,
    sent: (body) => body,
    arguments: (text) => text,
  },
}

// ---------------------------------------------------------------------------------------------------------------------
// The gateway between them
// ---------------------------------------------------------------------------------------------------------------------

const make = Effect.fnUntraced(function* (vendor: Vendor) {
  const asked: Array<string> = []
  const upstream = yield* Effect.acquireRelease(
    Effect.callback<Http.Server>((resume) => {
      const server = Http.createServer((request, response) => {
        const chunks: Array<Buffer> = []
        request.on("data", (chunk: Buffer) => void chunks.push(chunk))
        request.on("end", () => {
          const body = Buffer.concat(chunks).toString()
          asked.push(body)
          const stream = /stream/i.test(request.url ?? "") || /"stream"\s*:\s*true/.test(body)
          if (!stream) return void response.writeHead(200, { "content-type": "application/json" }).end(vendor.whole)
          const type = vendor === vendors["converse"] ? "application/vnd.amazon.eventstream" : "text/event-stream"
          response.writeHead(200, { "content-type": type })
          for (const event of vendor.stream) response.write(event)
          response.end()
        })
      })
      server.listen(0, "127.0.0.1", () => resume(Effect.succeed(server)))
    }),
    (server) =>
      Effect.callback<void>((resume) => {
        server.close(() => resume(Effect.void))
        server.closeAllConnections()
      }),
  )
  const url = `http://127.0.0.1:${(upstream.address() as AddressInfo).port}`
  const RouterLive = Router.layer({
    deployments: {
      primary: Deployment.make({
        model: "there",
        provider: Layer.provide(vendor.layer(url), Transport.layer),
        circuit: { failures: Number.MAX_SAFE_INTEGER },
      }),
    },
  })
  const ServerLive = Server.layer({
    host: "127.0.0.1",
    port: 0,
    auth: { keys: new Keyring([]), hosts: [], origins: [] },
    maxBody: ByteSize.mebibytes(1),
    drain: { delay: Duration.zero, timeout: Duration.seconds(1) },
  }).pipe(Layer.provide([RouterLive, Drain.layer]), Layer.provide(Layer.succeed(References.MinimumLogLevel, "None")))
  const context = yield* Layer.build(ServerLive)
  const gateway = HttpServer.formatAddress(Context.get(context, HttpServer.HttpServer).address)
  const ask = (path: string, body: string) =>
    Effect.promise(async () => {
      asked.length = 0
      const answer = await fetch(`${gateway}${path}`, {
        method: "POST",
        headers: { "content-type": "application/json" },
        body,
      })
      return { status: answer.status, text: await answer.text(), asked: asked[0] ?? "" }
    })
  return { ask }
})

describe("numbers keep their digits", () => {
  for (const [of, vendor] of Object.entries(vendors)) {
    it.live(`between ${of} and every client`, () =>
      Effect.gen(function* () {
        const { ask } = yield* make(vendor)
        for (const [name, client] of Object.entries(clients)) {
          for (const [stream, size] of [
            [false, "short"],
            [true, "short"],
            [false, "long"],
            [true, "long"],
          ] as const) {
            const about = `${name} ${stream ? "streamed" : "whole"} ${size}`
            const written = client.body(stream)
            const body = size === "long" ? written.replace(`"done"`, long) : written
            const { asked, status, text } = yield* ask(client.path(stream), body)
            assert.strictEqual(status, 200, `${about}: ${text}`)
            if (client.own === of) assert.strictEqual(asked, client.sent(body, stream), about)
            // The history's call and the tool's schema.
            const told = vendor.inText === true ? asked.replace(quoted, marked) : asked
            assert.deepStrictEqual(marks(told), [odd, odd], about)
            assert.deepStrictEqual(marks(client.arguments(text, stream)), [odd], `${about}: ${text}`)
            if (client.own === of) assert.isTrue(text.includes(`"odd":${odd}`), about)
          }
        }
      }),
    )
  }

  it.live("does not bypass the types of fields", () =>
    Effect.gen(function* () {
      const { ask } = yield* make(vendors["chat"]!)
      const messages = `"messages":[{"role":"user","content":"Hi"}]`
      const contents = `"contents":[{"role":"user","parts":[{"text":"Hi"}]}]`
      const gemini = clients["gemini"]!.path(false)
      const huge = `1${"0".repeat(60)}e400`
      for (const [path, body, field, found] of [
        ["/v1/chat/completions", `{"model":"primary",${messages},"max_tokens":1e400}`, "max_tokens", "1e400"],
        ["/v1/chat/completions", `{"model":"primary",${messages},"temperature":-1E400}`, "temperature", "-1E400"],
        ["/v1/chat/completions", `{"model":"primary",${messages},"max_tokens":10.50}`, "max_tokens", "10.50"],
        ["/v1/chat/completions", `{"model":"primary",${messages},"n":-0}`, "n", "-0"],
        ["/v1/chat/completions", `{"model":"primary",${messages},"seed":1.50}`, "seed", "1.50"],
        ["/v1/chat/completions", `{"model":"primary",${messages},"seed":${huge}}`, "seed", "a number"],
        ["/v1/chat/completions", `{"model":"primary","messages":1e400}`, "messages", "1e400"],
        ["/v1/chat/completions", `{"model":1.0,${messages}}`, "model", "1.0"],
        ["/v1/responses", `{"model":"primary","input":"Hi","max_output_tokens":1e400}`, "max_output_tokens", "1e400"],
        [
          "/v1/chat/completions",
          `{"model":"primary",${messages},"tools":[{"type":"function","function":{"name":"act","parameters":1.0}}]}`,
          "tools[0].function.parameters",
          "1.0",
        ],
        ["/v1/messages", `{"model":"primary",${messages},"max_tokens":1e400}`, "max_tokens", "1e400"],
        ["/v1/messages", `{"model":"primary",${messages},"max_tokens":1.50}`, "max_tokens", "1.50"],
        [
          gemini,
          `{${contents},"generationConfig":{"maxOutputTokens":1e400}}`,
          "generationConfig.maxOutputTokens",
          "1e400",
        ],
        ["/v1/embeddings", `{"model":"primary","input":"Hi","dimensions":1e400}`, "dimensions", "1e400"],
      ] as const) {
        const { asked, status, text } = yield* ask(path, body)
        assert.deepStrictEqual([status, asked], [400, ""], body)
        assert.include(text, field, body)
        assert.include(text, `but got ${found}.`, body)
      }
      for (const [path, name] of [
        ["/v1/chat/completions", "metadata"],
        ["/v1/responses", "metadata"],
      ] as const) {
        const body = `{"model":"primary",${messages},"input":"Hi","${name}":1.0}`
        const { status, text } = yield* ask(path, body)
        assert.strictEqual(status, 400, body)
        assert.include(text, `Invalid value for '${name}': expected an object, but got 1.0.`)
      }
      const deep = `${"[".repeat(100_000)}${"]".repeat(100_000)}`
      for (const body of [
        `{"model":"primary",${messages},"tools":[{"type":"function","function":{"name":"act","parameters":{"a":${deep}}}}]}`,
        `{"model":"primary",${messages},"x":${deep}}`,
      ]) {
        const { asked, status, text } = yield* ask("/v1/chat/completions", body)
        assert.deepStrictEqual([status, asked], [400, ""])
        assert.include(text, "nested deeper than 200 levels")
      }
      const { status, text } = yield* ask("/v1/chat/completions", "1e400")
      assert.strictEqual(status, 400)
      assert.include(text, "must be a JSON object")
    }),
  )

  it.live("reads ambiguous bodies in one way", () =>
    Effect.gen(function* () {
      const { ask } = yield* make(vendors["chat"]!)
      const path = "/v1/chat/completions"
      const messages = `"messages":[{"role":"user","content":"\\ud83d \\u0041","2":0,"1":0}]`
      const marked = yield* ask(path, `\uFEFF{"model":"primary",${messages}}`)
      assert.deepStrictEqual([marked.status, marked.asked], [200, `{"model":"there",${messages}}`])
      const twice = yield* ask(path, `{"messages":[],"model":"other","n":99,"model":"primary",${messages},"n":1.0}`)
      assert.deepStrictEqual([twice.status, twice.asked], [200, `{"model":"there",${messages},"n":1.0}`])
      const strange = `{"__proto__":{"n":1.0},"constructor":{"prototype":-0},"toString":"x"}`
      const named = yield* ask(path, `{"model":"primary",${messages},"__proto__":${strange},"hasOwnProperty":1.0}`)
      assert.deepStrictEqual(
        [named.status, named.asked],
        [200, `{"model":"there",${messages},"__proto__":${strange},"hasOwnProperty":1.0}`],
      )
    }),
  )
})
