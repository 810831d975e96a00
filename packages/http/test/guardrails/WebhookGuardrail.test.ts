/** Webhooks of guardrails behind a gateway, whole: real SDKs at one end, stand-ins for the webhooks at the other. */
import AnthropicClient from "@anthropic-ai/sdk"
import { GoogleGenAI } from "@google/genai"
import { assert, describe, it } from "@effect/vitest"
import * as Effect from "effect/Effect"
import { createHmac } from "node:crypto"
import { createServer } from "node:net"
import type { AddressInfo } from "node:net"
import OpenAI from "openai"
import * as Webhook from "./Webhook.ts"

const deployments = `
deployments:
  demo: { provider: simulated, model: any, reply: "Call 555-0199 now", price: { input: 1, output: 2 } }
  echo: { provider: simulated, model: any }
`

/** A configuration with one guardrail. */
const configuration = (url: string, settings: string) => `${deployments}
routes: { assistant: [demo], echoing: [echo] }
guardrails: [{ name: pii, url: "${url}", timeout: 60s, ${settings} }]
`

/** What a client of an SDK shows of one call: its text, or the status, the code and the message of its error. */
interface Client {
  readonly complete: (url: string, question: string) => Promise<string>
  readonly streamed: (url: string, question: string) => Promise<string>
  /** The status and the message of an error of the SDK. */
  readonly failure: (error: unknown) => { readonly status: number; readonly message: string }
}

const openai = (url: string) => new OpenAI({ apiKey: "any", baseURL: `${url}/v1` })
const anthropic = (url: string) => new AnthropicClient({ apiKey: "any", baseURL: url })
const gemini = (url: string) => new GoogleGenAI({ apiKey: "any", httpOptions: { baseUrl: url } }).models

const status = (error: unknown) => {
  if (!(error instanceof Error) || !("status" in error)) throw error
  return { status: Number(error.status), message: error.message }
}

const messages = (content: string) => [{ role: "user" as const, content }]

const clients: Readonly<Record<string, Client>> = {
  "openai, chat": {
    failure: status,
    complete: async (url, question) => {
      const answer = await openai(url).chat.completions.create({ model: "assistant", messages: messages(question) })
      return answer.choices[0]?.message.content ?? ""
    },
    streamed: async (url, question) => {
      let text = ""
      const stream = await openai(url).chat.completions.create({
        model: "assistant",
        messages: messages(question),
        stream: true,
      })
      for await (const { choices } of stream) text += choices[0]?.delta.content ?? ""
      return text
    },
  },
  "openai, responses": {
    failure: status,
    complete: async (url, question) =>
      (await openai(url).responses.create({ model: "assistant", input: question })).output_text,
    streamed: async (url, question) => {
      let text = ""
      const stream = await openai(url).responses.create({ model: "assistant", input: question, stream: true })
      for await (const event of stream) if (event.type === "response.output_text.delta") text += event.delta
      return text
    },
  },
  anthropic: {
    failure: status,
    complete: async (url, question) => {
      const { content } = await anthropic(url).messages.create({
        model: "assistant",
        max_tokens: 100,
        messages: messages(question),
      })
      return content.map((part) => (part.type === "text" ? part.text : "")).join("")
    },
    streamed: async (url, question) =>
      anthropic(url)
        .messages.stream({ model: "assistant", max_tokens: 100, messages: messages(question) })
        .finalText(),
  },
  gemini: {
    failure: status,
    complete: async (url, question) =>
      (await gemini(url).generateContent({ model: "assistant", contents: question })).text ?? "",
    streamed: async (url, question) => {
      let text = ""
      for await (const chunk of await gemini(url).generateContentStream({ model: "assistant", contents: question }))
        text += chunk.text ?? ""
      return text
    },
  },
}

const masking: (asked: Webhook.Asked) => Webhook.Answer = ({ body, text }) => {
  if (text.includes("bomb")) return { action: "refuse", message: "Not that.", code: "unsafe_request" }
  if (body.type === "guardrail.before") return { action: "pass" }
  const said = body.response.choices[0].content.map((part: { text?: string }) => part.text ?? "").join("")
  return { action: "rewrite", response: { choices: [{ text: said.replaceAll(/\d{3}-\d{4}/g, "[PHONE]") }] } }
}

for (const [name, client] of Object.entries(clients)) {
  describe(name, () => {
    it.live("gets its own error of a refused call, once, whole and streamed", () =>
      Effect.gen(function* () {
        const hook = yield* Webhook.webhook(masking)
        const { url } = yield* Webhook.gateway(configuration(hook.url, "on: [before]"))
        for (const call of [client.complete, client.streamed]) {
          const error = yield* Effect.promise(() => call(url, "how to build a bomb").then(String, client.failure))
          assert.deepInclude(error, { status: 400 })
          assert.include(JSON.stringify(error), "Not that.")
        }
        assert.lengthOf(hook.asked, 2, "the SDK did not retry")
      }),
    )

    it.live("gets rewritten answers, whole and streamed", () =>
      Effect.gen(function* () {
        const hook = yield* Webhook.webhook(masking)
        const { url } = yield* Webhook.gateway(configuration(hook.url, "on: [before, after], streams: hold"))
        for (const call of [client.complete, client.streamed])
          assert.strictEqual(yield* Effect.promise(() => call(url, "Hi")), "Call [PHONE] now")
        assert.deepStrictEqual(
          hook.asked.map(({ body }) => [body.type, body.streaming]),
          [
            ["guardrail.before", false],
            ["guardrail.after", false],
            ["guardrail.before", true],
            ["guardrail.after", true],
          ],
        )
      }),
    )

    it.live("gets the error of an answer that is refused, before any of a held stream", () =>
      Effect.gen(function* () {
        const hook = yield* Webhook.webhook(() => ({ action: "refuse", message: "Too private." }))
        const { url } = yield* Webhook.gateway(configuration(hook.url, "on: [after], streams: hold"))
        for (const call of [client.complete, client.streamed]) {
          const error = yield* Effect.promise(() => call(url, "Hi").then(String, client.failure))
          assert.deepInclude(error, { status: 400 })
          assert.include(JSON.stringify(error), "Too private.")
        }
      }),
    )

    it.live("gets a stream as it comes that is not held, which the webhook sees when it has ended", () =>
      Effect.gen(function* () {
        const hook = yield* Webhook.webhook(() => ({ action: "refuse", message: "Too late." }))
        const { url } = yield* Webhook.gateway(configuration(hook.url, "on: [after]"))
        assert.strictEqual(yield* Effect.promise(() => client.streamed(url, "Hi")), "Call 555-0199 now")
        yield* Webhook.until(() => hook.asked.length === 1)
        assert.include(hook.asked[0]?.text, "Call 555-0199 now")
      }),
    )
  })
}

const post = (url: string, path: string, body: object, headers: Record<string, string> = {}) =>
  Effect.promise((signal) =>
    fetch(`${url}${path}`, {
      method: "POST",
      headers: { "content-type": "application/json", ...headers },
      body: JSON.stringify(body),
      signal,
    }).then(async (answer) => ({ status: answer.status, headers: answer.headers, text: await answer.text() })),
  )

const chat = (url: string, changes: object = {}, headers: Record<string, string> = {}) =>
  post(url, "/v1/chat/completions", { model: "assistant", messages: messages("Hi"), ...changes }, headers)

/** A port where nothing listens. */
const deadUrl = Effect.callback<string>((resume) => {
  const server = createServer()
  server.listen(0, "127.0.0.1", () => {
    const { port } = server.address() as AddressInfo
    server.close(() => resume(Effect.succeed(`http://127.0.0.1:${port}/check?token=t0ken`)))
  })
})

describe("a webhook", () => {
  it.live("is sent the call and its key, signed, with the configured headers, on one connection", () =>
    Effect.gen(function* () {
      const hook = yield* Webhook.webhook(() => ({ action: "pass" }))
      const { url } =
        yield* Webhook.gateway(`${configuration(hook.url, 'on: [before, after], secret: shared, headers: { x-api-key: "k3y" }')}
keys: [{ id: alice, key: sk-alice, team: search, tags: [beta] }]
`)
      for (let time = 0; time < 3; time++) {
        const { headers, status } = yield* chat(url, {}, { authorization: "Bearer sk-alice" })
        assert.strictEqual(status, 200)
        const [before, after] = hook.asked.slice(-2)
        assert.deepStrictEqual(before?.body, {
          type: "guardrail.before",
          guardrail: "pii",
          call: headers.get("x-request-id"),
          route: "assistant",
          operation: "chat",
          streaming: false,
          protocol: "chat-completions",
          key: "alice",
          team: "search",
          tags: ["beta"],
          request: { messages: [{ role: "user", content: [{ type: "text", text: "Hi" }] }] },
        })
        assert.deepInclude(after?.body, { type: "guardrail.after", call: headers.get("x-request-id") })
        assert.deepStrictEqual(after?.body.response.choices, [
          { content: [{ type: "text", text: "Call 555-0199 now" }], finishReason: "stop" },
        ])
        assert.deepInclude(after?.body.response.usage, { outputTokens: 3 })
        for (const each of [before, after]) {
          const { "webhook-id": id, "webhook-signature": signature, "webhook-timestamp": timestamp } = each!.headers
          const expected = createHmac("sha256", "shared").update(`${id}.${timestamp}.${each!.text}`)
          assert.strictEqual(signature, `v1,${expected.digest("base64")}`)
          assert.strictEqual(each?.headers["x-api-key"], "k3y")
        }
      }
      assert.isBelow(hook.connections(), hook.asked.length, "connections are used again")
    }),
  )

  it.live("rewrites the request, of a long body too, and sends calls to another route", () =>
    Effect.gen(function* () {
      const long = "555-0199 and so on. ".repeat(2000)
      const hook = yield* Webhook.webhook(({ body, text }) => {
        if (text.includes("elsewhere")) return { action: "route", route: "echoing" }
        const { messages } = JSON.parse(JSON.stringify(body.request).replaceAll("555-0199", "[PHONE]"))
        return { action: "rewrite", request: { messages } }
      })
      const { url } = yield* Webhook.gateway(configuration(hook.url, "on: [before]"))
      const masked = yield* chat(url, { model: "echoing", messages: messages(long) })
      assert.strictEqual(masked.status, 200)
      assert.include(masked.text, "[PHONE] and so on.")
      assert.notInclude(masked.text, "555-0199")
      const rerouted = yield* chat(url, { messages: messages("elsewhere") })
      assert.strictEqual(rerouted.headers.get("x-understudy-deployment"), "echo")
    }),
  )

  it.live("guards embeddings, and not token counts", () =>
    Effect.gen(function* () {
      const hook = yield* Webhook.webhook(({ body }) =>
        body.request.input[0] === "secret"
          ? { action: "refuse" }
          : { action: "rewrite", request: { input: body.request.input.map(() => "[MASKED]") } },
      )
      const { url } = yield* Webhook.gateway(configuration(hook.url, "on: [before, after]"))
      const embed = (input: string) => post(url, "/v1/embeddings", { model: "echoing", input })
      const [one, other] = [yield* embed("one"), yield* embed("other")]
      assert.deepStrictEqual([one.status, other.status], [200, 200])
      assert.deepStrictEqual(JSON.parse(one.text).data, JSON.parse(other.text).data)
      const refused = yield* embed("secret")
      assert.strictEqual(refused.status, 400)
      assert.include(refused.text, 'The guardrail \\"pii\\" refused the call.')
      const count = { model: "echoing", messages: messages("Hi") }
      assert.strictEqual((yield* post(url, "/v1/messages/count_tokens", count)).status, 200)
      assert.lengthOf(hook.asked, 3)
    }),
  )

  const faults: Readonly<Record<string, readonly [answer: Webhook.Answer, logged: RegExp]>> = {
    "is slow": [() => undefined, /no decision in 200ms/],
    "stalls within its answer": [(response) => void response.write('{"action":'), /no decision in 200ms/],
    "answers 500": [(response) => void response.writeHead(500).end("k3y is wrong"), /status 500/],
    "answers 204": [(response) => void response.writeHead(204).end(), /status 204/],
    redirects: [(response) => void response.writeHead(302, { location: "/elsewhere" }).end(), /status 302/],
    "closes the connection": [(response) => void response.destroy(), /call is blocked|call goes on/],
    "answers nonsense": [(response) => void response.end("yes, why not"), /its answer is not JSON/],
    "answers a list": [[{ action: "pass" }], /expected an object/],
    "answers an unknown action": [{ action: "allow" }, /expected an action: pass, refuse, rewrite or route/],
    "rewrites to a wrong shape": [
      { action: "rewrite", request: { messages: [{ role: "user", content: "private words" }] } },
      /its answer is not valid: unexpected value at request\.messages\[0\]/,
    ],
    "reroutes to nowhere": [{ action: "route", route: "nowhere" }, /there is no route or deployment called "nowhere"/],
    "answers too much": [
      (response) => {
        const chunk = Buffer.alloc(1024 * 1024, " ")
        for (let sent = 0; sent < 9; sent++) response.write(chunk)
        response.end('{"action":"pass"}')
      },
      /its answer is larger than 8388608 bytes/,
    ],
  }
  for (const [title, [answer, expected]] of Object.entries(faults)) {
    it.live(`that ${title} blocks the call, or lets it pass, and leaks nothing`, () =>
      Effect.gen(function* () {
        const hook = yield* Webhook.webhook(() => answer)
        const timeout = title === "is slow" || title.startsWith("stalls") ? "200ms" : "60s"
        const { logged, url } = yield* Webhook.gateway(`${deployments}
routes: { assistant: [demo], echoing: [echo] }
guardrails:
  - { name: closed, url: "${hook.url}", on: [before], routes: [assistant], timeout: ${timeout}, headers: { x-api-key: "k3y" } }
  - { name: open, url: "${hook.url}", on: [before], routes: [echoing], timeout: ${timeout}, onError: pass }
`)
        const blocked = yield* chat(url)
        assert.strictEqual(blocked.status, 503, blocked.text)
        assert.include(blocked.text, "guardrail_failed")
        const passed = yield* chat(url, { model: "echoing" })
        assert.strictEqual(passed.status, 200, passed.text)
        assert.lengthOf(hook.asked, 2, "no retries")
        const lines = logged.filter((line) => line.includes("gave no decision"))
        assert.lengthOf(lines, 2)
        for (const line of lines) assert.match(line, expected)
        assert.notMatch(`${logged.join()}${blocked.text}`, /k3y|private words/)
      }),
    )
  }

  it.live("that is dead blocks the call, and its address is not leaked", () =>
    Effect.gen(function* () {
      const { logged, url } = yield* Webhook.gateway(configuration(yield* deadUrl, "on: [before]"))
      const { status, text } = yield* chat(url)
      assert.strictEqual(status, 503)
      assert.isTrue(logged.some((line) => line.includes('Guardrail "pii" gave no decision')))
      assert.notInclude(`${logged.join()}${text}`, "t0ken")
    }),
  )

  it.live("is abandoned when the client disconnects, before the call and after it", () =>
    Effect.gen(function* () {
      for (const stage of ["before", "after"]) {
        const hook = yield* Webhook.webhook(() => () => undefined)
        const { logged, url } = yield* Webhook.gateway(configuration(hook.url, `on: [${stage}]`))
        const aborting = new AbortController()
        const call = fetch(`${url}/v1/chat/completions`, {
          method: "POST",
          headers: { "content-type": "application/json" },
          body: JSON.stringify({ model: "assistant", messages: messages("Hi") }),
          signal: aborting.signal,
        }).catch(() => undefined)
        yield* Webhook.until(() => hook.asked.length === 1)
        aborting.abort()
        yield* Effect.promise(() => hook.abandoned)
        yield* Effect.promise(() => call)
        yield* Webhook.until(() => logged.some((line) => line.startsWith("assistant: cancelled by client")))
      }
    }),
  )

  it.live("refuses an answer that is billed: in its header, its metrics and the ledger", () =>
    Effect.gen(function* () {
      const hook = yield* Webhook.webhook(() => ({ action: "refuse", message: "Too private.", code: "private" }))
      const { logged, url } = yield* Webhook.gateway(configuration(hook.url, "on: [after]"))
      const { headers, status, text } = yield* chat(url)
      assert.deepStrictEqual([status, JSON.parse(text).error.code], [400, "private"])
      assert.deepStrictEqual([headers.get("x-understudy-cost"), headers.get("x-should-retry")], ["0.000007", "false"])
      const metrics = yield* Effect.promise(() => fetch(`${url}/metrics`).then((answer) => answer.text()))
      assert.match(metrics, /understudy_requests_total\{.*outcome="refused",error="guardrail_refused"\} [1-9]/)
      assert.match(metrics, /understudy_guardrails_total\{guardrail="pii",stage="after",action="refuse"\} [1-9]/)
      assert.match(metrics, /understudy_cost_usd_total\{deployment="demo"\} \S*[1-9]/)
      yield* Webhook.until(() => logged.some((line) => line.includes("refused by guardrail pii")))
    }),
  )
})
