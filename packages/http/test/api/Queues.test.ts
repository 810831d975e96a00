/** Queues as clients of the gateway see them: real clients, over sockets. */
import { assert, describe, it } from "@effect/vitest"
import { Route } from "@understudy/core"
import AnthropicClient from "@anthropic-ai/sdk"
import type { KeyLimits } from "../../src/auth/VirtualKey.ts"
import * as Effect from "effect/Effect"
import * as Redacted from "effect/Redacted"
import * as TestGateway from "../TestGateway.ts"

const messages = [{ role: "user" as const, content: "Hello?" }]

const key = (id: string, limits?: KeyLimits) => ({ id, key: Redacted.make(`sk-${id}`), limits })

/** A call by the SDKs of OpenAI and Anthropic in turn, streamed or not: what was answered, and how long it was queued. */
const calls = (url: string, apiKey: string, count: number) =>
  Effect.promise(() => {
    const openai = TestGateway.clientOf(url, apiKey)
    const anthropic = new AnthropicClient({ baseURL: url, apiKey, maxRetries: 0, logLevel: "off" })
    const request = { model: "assistant", messages, max_tokens: 20 }
    const queuedMillis = ({ headers }: Response) => Number(headers.get("x-understudy-queued-ms") ?? 0)
    const kinds: ReadonlyArray<() => Promise<readonly [text: string, queuedMillis: number]>> = [
      async () => {
        const { data, response } = await openai.chat.completions.create(request).withResponse()
        return [data.choices[0]?.message.content ?? "", queuedMillis(response)]
      },
      async () => {
        const { data, response } = await openai.chat.completions.create({ ...request, stream: true }).withResponse()
        let text = ""
        for await (const chunk of data) text += chunk.choices[0]?.delta.content ?? ""
        return [text, queuedMillis(response)]
      },
      async () => {
        const { data, response } = await anthropic.messages.create(request).withResponse()
        return [data.content[0]?.type === "text" ? data.content[0].text : "", queuedMillis(response)]
      },
      async () => {
        const stream = anthropic.messages.stream(request)
        const { content } = await stream.finalMessage()
        return [content[0]?.type === "text" ? content[0].text : "", 0]
      },
    ]
    return Promise.all(Array.from({ length: count }, (_, index) => kinds[index % kinds.length]!()))
  })

const metric = (url: string, pattern: RegExp) =>
  Effect.promise(() => fetch(`${url}/metrics`).then((answer) => answer.text())).pipe(
    Effect.map((text) => pattern.exec(text)?.[1]),
  )

describe("a gateway with queues", { timeout: 60_000 }, () => {
  it.live("answers all calls of a key over its limit, by the SDKs of OpenAI and Anthropic, streamed or not", () =>
    Effect.gen(function* () {
      const queue = { max: 50, maxWait: "1 minute" } as const
      const { url } = yield* TestGateway.make({ keys: [key("a", { concurrency: 2, queue })] })
      const answers = yield* calls(url, "sk-a", 20)
      for (const [text] of answers) assert.isAbove(text.length, 0)
      assert.isAbove(answers.filter(([, queued]) => queued > 0).length, 0)
    }).pipe(Effect.scoped),
  )

  it.live("answers all calls at the limit of a deployment, and counts and logs how long they waited", () =>
    Effect.gen(function* () {
      const { router, url } = yield* TestGateway.make({
        primary: { limits: { concurrency: 1, queue: { maxWait: "1 minute" } } },
        route: Route.to("primary"),
      })
      const queued: Array<number> = []
      yield* router.subscribe((event) => {
        if (event._tag === "CallEnded" && event.receipt.queuedMillis !== undefined)
          queued.push(event.receipt.queuedMillis)
      })
      const answers = yield* calls(url, "anything", 12)
      assert.lengthOf(answers, 12)
      assert.isAtLeast(queued.length, 1)
      const admitted = yield* metric(
        url,
        /understudy_queue_wait_seconds_count\{type="deployment",name="primary",outcome="admitted"\} (\d+)/,
      )
      assert.strictEqual(Number(admitted), queued.length)
      assert.strictEqual(
        yield* metric(url, /understudy_queue_waiting_calls\{type="deployment",name="primary"\} (\d+)/),
        "0",
      )
    }).pipe(Effect.scoped),
  )

  it.live("rejects with a 429 what a queue does not admit, and says why and how long it waited", () =>
    Effect.gen(function* () {
      const { upstream, url } = yield* TestGateway.make({
        keys: [key("a", { concurrency: 1, queue: { max: 1, maxWait: "100 millis" } })],
      })
      yield* upstream.script("primary", "silent")
      const body = JSON.stringify({ model: "assistant", messages })
      const running = new AbortController()
      const headers = { authorization: "Bearer sk-a", "content-type": "application/json" }
      void fetch(`${url}/v1/chat/completions`, { method: "POST", body, headers, signal: running.signal }).catch(
        () => {},
      )
      yield* upstream.received("primary")
      const [waited, rejected] = yield* Effect.promise(() =>
        Promise.all([TestGateway.post(url, body, headers), TestGateway.post(url, body, headers)]),
      )
      const [timedOut, full] = waited.text.includes("waited") ? [waited, rejected] : [rejected, waited]
      assert.deepStrictEqual([timedOut.status, full.status], [429, 429])
      assert.match(timedOut.text, /exceeds its limit of 1 concurrent call\. The call has waited \d+ms in its queue\./)
      assert.isAtLeast(Number(timedOut.headers.get("x-understudy-queued-ms")), 99)
      assert.match(full.text, /Its queue is full\./)
      assert.isNull(full.headers.get("x-understudy-queued-ms"))
      assert.strictEqual(full.headers.get("retry-after"), "1")
      running.abort()
    }).pipe(Effect.scoped),
  )

  it.live("rejects a priority that it does not know", () =>
    Effect.gen(function* () {
      const { url } = yield* TestGateway.make()
      const body = JSON.stringify({ model: "assistant", messages })
      const { status, text } = yield* Effect.promise(() =>
        TestGateway.post(url, body, { "content-type": "application/json", "x-understudy-priority": "urgent" }),
      )
      assert.strictEqual(status, 400)
      assert.include(text, 'x-understudy-priority must be one of high, normal, low, not \\"urgent\\"')
    }).pipe(Effect.scoped),
  )
})
