import { assert, describe, it } from "@effect/vitest"
import * as Events from "@understudy/providers/internal/protocols/realtime/Events"

const json = JSON.stringify

describe("usage", () => {
  it("reads a response, with its text, audio, image and cached tokens", () => {
    const usage = {
      total_tokens: 253,
      input_tokens: 132,
      output_tokens: 121,
      input_token_details: {
        text_tokens: 100,
        audio_tokens: 32,
        image_tokens: 0,
        cached_tokens: 64,
        cached_tokens_details: { text_tokens: 40, audio_tokens: 24 },
      },
      output_token_details: { text_tokens: 30, audio_tokens: 91 },
    }
    assert.deepStrictEqual(Events.usage(json({ event_id: "e", type: "response.done", response: { usage } })), {
      inputTokens: 132,
      outputTokens: 121,
      cachedInputTokens: 64,
      units: { audioInputTokens: 32, imageInputTokens: 0, cachedAudioInputTokens: 24, audioOutputTokens: 91 },
    })
  })

  it("reads transcriptions by tokens, by seconds, and vLLM's", () => {
    const completed = "conversation.item.input_audio_transcription.completed"
    const tokens = { type: "tokens", input_tokens: 14, output_tokens: 4, input_token_details: { audio_tokens: 14 } }
    assert.strictEqual(Events.usage(json({ type: completed, usage: tokens }))?.inputTokens, 14)
    assert.deepStrictEqual(Events.usage(json({ type: completed, usage: { type: "duration", seconds: 2.5 } })), {
      inputTokens: 0,
      outputTokens: 0,
      units: { seconds: 2.5 },
    })
    const vllm = Events.usage(json({ type: "transcription.done", usage: { prompt_tokens: 7, completion_tokens: 3 } }))
    assert.deepStrictEqual([vllm?.inputTokens, vllm?.outputTokens], [7, 3])
  })

  it("has none in other events, whatever their text says, in failed responses and in what is not JSON", () => {
    for (const text of [
      json({ type: "response.output_text.delta", delta: '{"type":"response.done"}', usage: { input_tokens: 1 } }),
      json({ type: "response.output_text.delta", delta: "response.done", response: { usage: { input_tokens: 1 } } }),
      json({ type: "response.done", response: { status: "failed", usage: null } }),
      json({ type: "response.done", response: "x" }),
      '{"type":"response.done"',
      "[]",
      "",
    ])
      assert.isUndefined(Events.usage(text), text)
  })
})

describe("errors", () => {
  it("tells the event error from events that mention one", () => {
    assert.isTrue(Events.isError(json({ type: "error", error: { message: "no" } })))
    assert.isFalse(Events.isError(json({ type: "session.created", note: "error" })))
    assert.isFalse(Events.isError(json({ type: "response.done", response: { status_details: { error: {} } } })))
  })

  it("reads the error in the reason of a close frame", () => {
    assert.strictEqual(
      Events.errorOfReason("invalid_request_error.invalid_api_key"),
      json({ error: { type: "invalid_request_error", code: "invalid_api_key", message: "invalid_api_key" } }),
    )
    assert.strictEqual(
      Events.errorOfReason("server_error"),
      json({ error: { type: "server_error", message: "server_error" } }),
    )
    for (const reason of ["", "Going away", "error.x y"]) assert.isUndefined(Events.errorOfReason(reason))
  })
})

describe("withModel", () => {
  it("replaces the name of the route in updates of a session, wherever a model stands", () => {
    const update = (model: string) => ({
      type: "session.update",
      model,
      session: {
        type: "realtime",
        model,
        input_audio_transcription: { model },
        audio: { input: { transcription: { model, language: "en" } }, output: { voice: "marin" } },
      },
    })
    assert.deepStrictEqual(
      JSON.parse(Events.withModel(json(update("voice")), "voice", "gpt-realtime")),
      update("gpt-realtime"),
    )
  })

  it("leaves every other message as it is, byte for byte", () => {
    for (const text of [
      '{ "type": "session.update",  "session": { "model": "other" } }',
      '{ "type":"input_audio_buffer.append", "audio": "session.update" }',
      '{"type":"conversation.item.create","item":{"content":"voice"}}',
      "not JSON session.update",
    ])
      assert.strictEqual(Events.withModel(text, "voice", "gpt-realtime"), text)
  })
})
