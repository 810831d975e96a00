/** Any upstream body is a response or an error, and its client gets JSON. */
import { assert, describe, it } from "@effect/vitest"
import type * as Chat from "@understudy/core/Chat"
import { ProviderError } from "@understudy/core/ProviderError"
import * as ChatCompletions from "@understudy/providers/protocols/chat-completions"
import * as Converse from "@understudy/providers/protocols/converse"
import * as Gemini from "@understudy/providers/protocols/gemini"
import * as Messages from "@understudy/providers/protocols/messages"
import * as Responses from "@understudy/providers/protocols/responses"
import * as Result from "effect/Result"
import * as Garbage from "./Garbage.ts"
import * as OpenResponses from "./responses/OpenResponses.ts"

const classify = () => new ProviderError({ reason: { _tag: "ServerError" }, message: "No" })

const bodies = {
  chatCompletions: {
    id: "c",
    object: "chat.completion",
    created: 1,
    model: "m",
    choices: [
      {
        index: 0,
        finish_reason: "tool_calls",
        logprobs: {
          content: [{ token: "Hi", logprob: -1, bytes: [1], top_logprobs: [{ token: "a", logprob: -2, bytes: [2] }] }],
        },
        message: {
          role: "assistant",
          content: "Hi",
          reasoning_content: "Hm",
          refusal: "No",
          annotations: [
            { type: "url_citation", url_citation: { url: "https://a", title: "A", start_index: 0, end_index: 1 } },
          ],
          tool_calls: [{ id: "a", type: "function", function: { name: "look", arguments: '{"x":1}' } }],
        },
      },
    ],
    usage: {
      prompt_tokens: 1,
      completion_tokens: 2,
      total_tokens: 3,
      prompt_tokens_details: { cached_tokens: 1 },
      completion_tokens_details: { reasoning_tokens: 1 },
    },
  },
  messages: {
    id: "m",
    type: "message",
    role: "assistant",
    model: "claude",
    stop_reason: "tool_use",
    stop_sequence: null,
    content: [
      { type: "thinking", thinking: "Hm", signature: "s" },
      { type: "redacted_thinking", data: "x" },
      {
        type: "text",
        text: "Hi",
        citations: [
          { type: "web_search_result_location", url: "https://a", title: "A", cited_text: "a" },
          {
            type: "char_location",
            document_index: 0,
            document_title: "t",
            start_char_index: 0,
            end_char_index: 2,
            cited_text: "q",
          },
        ],
      },
      { type: "tool_use", id: "a", name: "look", input: { x: 1 } },
    ],
    usage: { input_tokens: 1, output_tokens: 2, cache_read_input_tokens: 1 },
  },
  responses: {
    id: "resp",
    object: "response",
    model: "m",
    status: "completed",
    incomplete_details: null,
    output: [
      { type: "reasoning", id: "rs", summary: [{ type: "summary_text", text: "Hm" }], encrypted_content: "gA" },
      {
        type: "message",
        id: "msg",
        role: "assistant",
        status: "completed",
        content: [
          {
            type: "output_text",
            text: "Hi",
            logprobs: [{ token: "a", logprob: -1, bytes: [1], top_logprobs: [] }],
            annotations: [{ type: "url_citation", url: "https://a", title: "A", start_index: 0, end_index: 1 }],
          },
          { type: "refusal", refusal: "No" },
        ],
      },
      { type: "function_call", id: "fc", call_id: "a", name: "look", arguments: '{"x":1}', status: "completed" },
    ],
    usage: { input_tokens: 1, output_tokens: 2, total_tokens: 3, input_tokens_details: { cached_tokens: 1 } },
  },
  gemini: {
    responseId: "r",
    modelVersion: "g",
    candidates: [
      {
        index: 0,
        finishReason: "STOP",
        avgLogprobs: -1,
        logprobsResult: {
          chosenCandidates: [{ token: "a", logProbability: -1 }],
          topCandidates: [{ candidates: [{ token: "a", logProbability: -1 }] }],
        },
        content: {
          role: "model",
          parts: [
            { thought: true, text: "Hm" },
            { text: "Hi", thoughtSignature: "s" },
            { functionCall: { name: "look", id: "a", args: { x: 1 } } },
          ],
        },
        groundingMetadata: {
          groundingChunks: [{ web: { uri: "https://a", title: "A" } }],
          groundingSupports: [{ segment: { startIndex: 0, endIndex: 1, text: "H" }, groundingChunkIndices: [0] }],
        },
      },
    ],
    usageMetadata: { promptTokenCount: 1, candidatesTokenCount: 2, thoughtsTokenCount: 1 },
  },
  converse: {
    output: {
      message: {
        role: "assistant",
        content: [
          { reasoningContent: { reasoningText: { text: "Hm", signature: "s" } } },
          { text: "Hi" },
          { toolUse: { toolUseId: "a", name: "look", input: { x: 1 } } },
          {
            citationsContent: {
              content: [{ text: "c" }],
              citations: [{ title: "t", sourceContent: [{ text: "s" }], location: { web: { url: "https://a" } } }],
            },
          },
        ],
      },
    },
    stopReason: "tool_use",
    usage: { inputTokens: 1, outputTokens: 2, totalTokens: 3 },
  },
} satisfies Record<string, Garbage.Event>

type Decode = (text: string) => Result.Result<Chat.Response, ProviderError>

const decode: Readonly<Record<keyof typeof bodies, Decode>> = {
  chatCompletions: (text) => ChatCompletions.Response.decode(text, classify),
  messages: (text) => Messages.Response.decode(text, classify),
  responses: (text) => Responses.Response.decode(text, classify),
  gemini: (text) => Gemini.Response.decode(text),
  converse: (text) => Converse.Response.decode(text),
}

const dialects = { chatCompletions: ChatCompletions, messages: Messages, responses: Responses, gemini: Gemini }

const answering = { id: "1", created: 17, request: { model: "assistant", messages: [] } }

for (const from of Object.keys(bodies) as ReadonlyArray<keyof typeof bodies>) {
  describe(`from ${from}`, () => {
    it("content is preserved", () => {
      const { content } = Result.getOrThrow(decode[from](JSON.stringify(bodies[from])))
      for (const type of ["reasoning", "text", "tool-call"]) assert.isTrue(content.some((part) => part.type === type))
    })

    for (const [to, { Response }] of Object.entries(dialects)) {
      it.prop(`to ${to}`, [Garbage.texts([bodies[from]])], ([texts]) => {
        for (const text of texts) {
          const decoded = decode[from](text)
          if (Result.isFailure(decoded)) continue
          const told = JSON.parse(JSON.stringify(Response.encode(decoded.success, answering)))
          if (to === "responses") assert.isUndefined(OpenResponses.responseFaults(told), JSON.stringify(told))
        }
      })
    }
  })
}
