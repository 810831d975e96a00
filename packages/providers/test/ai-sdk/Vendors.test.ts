/** Models of the AI SDK's vendors keep the contract of every provider, over HTTP against the vendors' own protocols. */
import { createAnthropic } from "@ai-sdk/anthropic"
import { createGoogleGenerativeAI } from "@ai-sdk/google"
import { createMistral } from "@ai-sdk/mistral"
import { createOpenAI } from "@ai-sdk/openai"
import { describe } from "@effect/vitest"
import { Provider } from "@understudy/core/Provider"
import * as AiSdk from "@understudy/providers/ai-sdk"
import * as Effect from "effect/Effect"
import * as Layer from "effect/Layer"
import * as Redacted from "effect/Redacted"
import * as Contract from "../Contract.ts"

const apiKey = Redacted.value(Contract.apiKey)

const connecting = (source: (url: string) => AiSdk.Source) => (url: string) =>
  Effect.flatMap(Layer.build(AiSdk.layer(source(url))), (context) => Effect.provideContext(Provider, context))

describe("@ai-sdk/openai, Chat Completions", () =>
  Contract.holds({
    connect: connecting((url) => {
      const openai = createOpenAI({ apiKey, baseURL: `${url}/v1` })
      return { ...openai, specificationVersion: "v4", languageModel: openai.chat }
    }),
    begun: ["start", "text"],
    broken: [],
  }))

describe("@ai-sdk/openai, Responses", () =>
  Contract.holds({
    connect: connecting((url) => createOpenAI({ apiKey, baseURL: `${url}/v1` })),
    begun: ["start", "text"],
    broken: [],
    // The package itself says that a response with a malformed event has failed.
    without: ["malformed-event"],
  }))

describe("@ai-sdk/anthropic", () =>
  Contract.holds({
    connect: connecting((url) => createAnthropic({ apiKey, baseURL: `${url}/v1` })),
    begun: ["start", "text"],
    broken: [["error-event-after-2-server-error", "ServerError"]],
    failures: [
      ["quota", "QuotaExhausted", 400],
      ["timeout", "Timeout", 504],
      ["529", "Overloaded", 529],
    ],
    // The package itself says that a response without `message_stop` was interrupted.
    without: ["503", "no-done"],
  }))

describe("@ai-sdk/mistral", () =>
  Contract.holds({
    connect: connecting((url) => createMistral({ apiKey, baseURL: `${url}/v1` })),
    begun: ["start", "text"],
    broken: [],
  }))

describe("@ai-sdk/google, of specification 3", () =>
  Contract.holds({
    connect: connecting((url) => createGoogleGenerativeAI({ apiKey, baseURL: `${url}/v1beta` })),
    begun: ["start", "text"],
    broken: [["error-event-after-2-quota", "QuotaExhausted"]],
    failures: [
      ["bad-key", "Authentication", 400],
      ["timeout", "Timeout", 504],
    ],
    without: ["eof-no-finish"],
  }))
