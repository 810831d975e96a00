/** Failures inside a response with status 2xx, complete or streamed. */
import { assert, describe, it } from "@effect/vitest"
import type { Reason } from "@understudy/core/ProviderError"
import { ProviderError } from "@understudy/core/ProviderError"
import * as Anthropic from "@understudy/providers/internal/anthropic/Errors"
import * as Bedrock from "@understudy/providers/internal/bedrock/Errors"
import * as Google from "@understudy/providers/internal/gemini/Errors"
import * as OpenAi from "@understudy/providers/internal/openai/Errors"
import * as ChatCompletions from "@understudy/providers/protocols/chat-completions"
import * as Converse from "@understudy/providers/protocols/converse"
import * as Gemini from "@understudy/providers/protocols/gemini"
import * as Messages from "@understudy/providers/protocols/messages"
import * as Result from "effect/Result"

interface Wire {
  readonly message?: string | undefined
  readonly status?: number | undefined
}

/** Classifies an error inside a response as a provider does. */
const judge =
  <E extends Wire>(reason: (error: E, status: number | undefined) => Reason) =>
  (error: E) =>
    new ProviderError({ reason: reason(error, error.status), message: error.message ?? "" })

const told = (result: Result.Result<unknown, ProviderError> | undefined) =>
  result !== undefined && Result.isFailure(result)
    ? `${result.failure.reason._tag}: ${result.failure.message}`
    : assert.fail("it was taken for an answer")

const chat = (body: unknown) => told(ChatCompletions.Response.decode(JSON.stringify(body), judge(OpenAi.reason)))

const streamed = (body: unknown, event = "message") => {
  const decoder = ChatCompletions.Stream.decoder(judge(OpenAi.reason))
  return told(decoder.push({ event, data: JSON.stringify(body) }))
}

describe("a chat completion", () => {
  const message = { role: "assistant", content: "Hi" }
  const choice = (finish_reason: string, more: object = {}) => ({
    whole: { choices: [{ index: 0, message, finish_reason, ...more }] },
    chunk: { choices: [{ index: 0, delta: { content: "" }, finish_reason, ...more }] },
  })
  const both = ({ chunk, whole }: ReturnType<typeof choice>) => {
    const [plain, piece] = [chat(whole), streamed(chunk)]
    assert.strictEqual(plain, piece)
    return plain
  }

  it("fails if its finish reason is an error", () => {
    assert.strictEqual(both(choice("error")), 'ServerError: The provider ended the response with "error"')
    const error = { code: 429, message: "Rate limit exceeded upstream" }
    assert.strictEqual(both(choice("error", { error })), "RateLimited: Rate limit exceeded upstream")
    assert.strictEqual(both(choice("stop", { error: { code: 502, message: "Gone" } })), "ServerError: Gone")
    assert.match(both(choice("abort")), /^ServerError/)
    assert.match(both(choice("insufficient_system_resource")), /^Overloaded/)
    assert.match(both(choice("network_error")), /^ServerError/)
    assert.match(both(choice("engine_error")), /^ServerError/)
    assert.match(both(choice("function_call_filter: MALFORMED_FUNCTION_CALL")), /^ServerError/)
    assert.match(both(choice("preempted")), /^Overloaded/)
  })

  it("may be an error as a whole", () => {
    const error = { message: "Provider returned error", code: 503 }
    assert.strictEqual(chat({ error, user_id: "u" }), "Overloaded: Provider returned error")
    assert.strictEqual(chat({ error, ...choice("error").whole }), "Overloaded: Provider returned error")
    assert.strictEqual(streamed({ error, ...choice("error").chunk }), "Overloaded: Provider returned error")
    assert.strictEqual(chat({ object: "error", message: "Busy", code: 503 }), "Overloaded: Busy")
    assert.strictEqual(chat({ detail: "Not today" }), "ServerError: Not today")
  })
})

describe("a Messages response", () => {
  const decode = (body: unknown) => told(Messages.Response.decode(JSON.stringify(body), judge(Anthropic.reason)))
  const streamed = (body: unknown, event?: string) =>
    told(Messages.Stream.decoder(judge(Anthropic.reason)).push({ event, data: JSON.stringify(body) }))
  const error = { type: "overloaded_error", message: "Overloaded" }

  it("may be an error, or have an error as its stop reason", () => {
    assert.strictEqual(decode({ type: "error", error }), "Overloaded: Overloaded")
    assert.strictEqual(decode({ error }), "Overloaded: Overloaded")
    assert.match(decode({ content: [{ type: "text", text: "Hi" }], stop_reason: "error" }), /^ServerError/)
    for (const event of ["error", "message", undefined]) {
      assert.strictEqual(streamed({ type: "error", error }, event), "Overloaded: Overloaded")
      assert.strictEqual(streamed({ error }, event), "Overloaded: Overloaded")
    }
    assert.match(streamed({ type: "message_delta", delta: { stop_reason: "error" } }), /^ServerError/)
  })
})

describe("a Gemini response", () => {
  it("may be an error", () => {
    const error = { code: 503, status: "UNAVAILABLE", message: "Overloaded" }
    for (const body of [{ error }, [{ error }]]) {
      const text = JSON.stringify(body)
      assert.strictEqual(told(Gemini.Response.decode(text, judge(Google.reason))), "Overloaded: Overloaded")
      const decoder = Gemini.Stream.decoder(judge(Google.reason))
      assert.strictEqual(told(decoder.push({ data: text })), "Overloaded: Overloaded")
    }
  })
})

describe("a Converse response", () => {
  it("may be an exception", () => {
    const judged = Bedrock.fromEvent()
    const exception = { __type: "com.amazon.coral#ThrottlingException", message: "Too many requests" }
    for (const body of [exception, { Output: exception, Version: "1.0" }]) {
      assert.match(told(Converse.Response.decode(JSON.stringify(body), judged)), /^RateLimited: Too many requests/)
    }
  })
})
