/** Google's Gemini API, as ai.google.dev shows its responses. */
import * as Feature from "../Feature.ts"
import type { Said } from "../Feature.ts"
import type { Upstream } from "./Upstream.ts"
import { list, object, pieces, sse, strings, text } from "./Upstream.ts"

const call = (index: number) => ({
  functionCall: { name: Feature.tool.name, args: { city: Feature.cities[index] } },
  ...(index === 0 ? { thoughtSignature: Feature.signature } : undefined),
})

const parts = (said: Said): ReadonlyArray<Record<string, unknown>> => {
  switch (said) {
    case "call":
      return [call(0)]
    case "calls":
      return [call(0), call(1)]
    case "json":
      return [{ text: Feature.json }]
    case "reasoning":
      return [
        { text: Feature.thought, thought: true },
        { text: Feature.answer, thoughtSignature: Feature.signature },
      ]
    case "refusal":
      return []
    case "text":
    case "stop":
    case "length":
      return [{ text: Feature.answer }]
  }
}

const reason = (said: Said) => {
  if (said === "length") return "MAX_TOKENS"
  return said === "refusal" ? "SAFETY" : "STOP"
}

/** Thoughts are counted beside the answer's tokens. */
const usageMetadata = {
  promptTokenCount: Feature.usage.input,
  candidatesTokenCount: Feature.usage.output - Feature.usage.reasoning,
  thoughtsTokenCount: Feature.usage.reasoning,
  totalTokenCount: Feature.usage.input + Feature.usage.output,
}

const body = (parts: ReadonlyArray<unknown>, finishReason: string | undefined) => ({
  candidates: [
    {
      content: { role: "model", parts },
      index: 0,
      ...(finishReason === undefined ? undefined : { finishReason }),
    },
  ],
  usageMetadata,
  modelVersion: "gemini-2.5-flash",
  responseId: "abc",
})

export const gemini: Upstream = {
  name: "Gemini",
  paths: { plain: /:generateContent$/, stream: /:streamGenerateContent$/ },
  isStream: (path) => path.endsWith(":streamGenerateContent"),
  contentType: "text/event-stream",
  plain: (said) => body(parts(said), reason(said)),
  stream: (said) => [
    ...parts(said).flatMap(({ text: words, ...rest }) => {
      if (typeof words !== "string") return [sse(body([rest], undefined))]
      const split = pieces(words)
      const { thoughtSignature, ...every } = rest
      return split.map((piece, index) =>
        sse(
          body(
            [
              {
                text: piece,
                ...every,
                ...(thoughtSignature !== undefined && index === split.length - 1 ? { thoughtSignature } : undefined),
              },
            ],
            undefined,
          ),
        ),
      )
    }),
    sse(body([], reason(said))),
  ],
  broken: sse({ error: { code: 503, message: "The model is overloaded.", status: "UNAVAILABLE" } }),
  error: {
    status: 503,
    headers: {},
    body: { error: { code: 503, message: "The model is overloaded.", status: "UNAVAILABLE" } },
  },
  asked: (sent) => {
    const contents = list(sent["contents"])
    const all = contents.flatMap(({ parts }) => list(parts))
    const inner = all.flatMap((part) => [part, ...list(object(part["functionResponse"])["parts"])])
    const config = object(sent["generationConfig"])
    const thinking = object(config["thinkingConfig"])
    const calling = object(object(sent["toolConfig"])["functionCallingConfig"])
    const inline = (kind: RegExp) =>
      inner.flatMap((part) => {
        const { data, mimeType } = object(part["inlineData"])
        return kind.test(text(mimeType)) ? [text(data)] : []
      })
    const textsOf = (turns: ReadonlyArray<Record<string, unknown>>) =>
      turns.flatMap(({ parts }) => list(parts).map((part) => text(part["text"]))).join("\n")
    const named = (part: Record<string, unknown>, index: number) => text(part["id"]) || `${text(part["name"])} ${index}`
    return {
      system: list(object(sent["systemInstruction"])["parts"])
        .map((part) => text(part["text"]))
        .join("\n"),
      text: textsOf(contents.filter(({ role }) => role !== "model")),
      tools: list(sent["tools"])
        .flatMap((tool) => list(tool["functionDeclarations"]))
        .map((tool) => ({ name: text(tool["name"]), parameters: tool["parametersJsonSchema"] ?? tool["parameters"] })),
      mustCall: calling["mode"] === "ANY",
      calls: all
        .flatMap((part) => (part["functionCall"] === undefined ? [] : [object(part["functionCall"])]))
        .map((call, index) => ({ id: named(call, index), name: text(call["name"]), input: call["args"] })),
      results: all
        .flatMap((part) => (part["functionResponse"] === undefined ? [] : [object(part["functionResponse"])]))
        .map((result, index) => ({
          id: named(result, index),
          text: Object.values(object(result["response"])).map(String).join(""),
          isError: "error" in object(result["response"]),
        })),
      images: inline(/^image\//),
      documents: inline(/^application\/pdf$/),
      schema: config["responseJsonSchema"] ?? config["responseSchema"],
      reasons: Number(thinking["thinkingBudget"] ?? 0) > 0 || thinking["thinkingLevel"] !== undefined,
      stop: strings(config["stopSequences"]),
      maxTokens: typeof config["maxOutputTokens"] === "number" ? config["maxOutputTokens"] : undefined,
    }
  },
}
