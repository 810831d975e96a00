import { assert, describe, it } from "@effect/vitest"
import { GoogleGenAI } from "@google/genai"
import type { AuthClient } from "google-auth-library"
import { PassThroughClient } from "google-auth-library"
import { apiOf, resourceOf } from "../../src/vertex/Api.ts"
import * as Location from "../../src/vertex/Location.ts"

/** The URL that the SDK's own client for Vertex AI calls. */
const calledBySdk = (location: string, model: string) =>
  new Promise<string>((resolve, reject) => {
    const authClient: AuthClient = new PassThroughClient()
    const { models } = new GoogleGenAI({
      vertexai: true,
      project: "search-prod-1",
      location,
      googleAuthOptions: { authClient },
      httpOptions: {
        fetch: (url) => {
          resolve(String(url))
          return Promise.resolve(Response.json({}))
        },
      },
    })
    models.generateContent({ model, contents: "x" }).catch(reject)
  })

describe("the address of a location", () => {
  it("is Google's, as its SDK has it", async () => {
    const expected = {
      global: "https://aiplatform.googleapis.com",
      us: "https://aiplatform.us.rep.googleapis.com",
      eu: "https://aiplatform.eu.rep.googleapis.com",
      "us-east5": "https://us-east5-aiplatform.googleapis.com",
      "europe-west4": "https://europe-west4-aiplatform.googleapis.com",
    }
    for (const [location, address] of Object.entries(expected)) {
      assert.strictEqual(Location.addressOf(location), address)
      const model = "gemini-2.5-flash"
      assert.strictEqual(
        await calledBySdk(location, model),
        `${address}${Location.parentOf("v1beta1", "search-prod-1", location)}/${resourceOf("google")(model)}:generateContent`,
      )
    }
  })

  it("is none for a text that is no part of a host name", () => {
    for (const text of ["", "US", "us-east5.evil", "a/b", "a@b", "-a", "a-", "a b", "a:1"]) {
      assert.isFalse(Location.isLocation(text), text)
    }
    for (const text of ["global", "us", "us-east5", "northamerica-northeast1"]) assert.isTrue(Location.isLocation(text))
  })

  it("has a project by its id, its number, or its id in a domain", () => {
    for (const text of ["search-prod-1", "123456789012", "example.com:search"]) assert.isTrue(Location.isProject(text))
    for (const text of ["", "a/b", "..", "a b", "Ab", "a?b"]) assert.isFalse(Location.isProject(text), text)
  })
})

describe("the API of a model", () => {
  it("is known by its id", () => {
    const expected = {
      "gemini-2.5-pro": "gemini",
      "google/gemini-2.5-pro": "gemini",
      "publishers/google/models/gemini-2.5-pro": "gemini",
      "text-embedding-005": "gemini",
      "endpoints/123": "gemini",
      "gemini-*": "gemini",
      "claude-sonnet-4-5@20250929": "anthropic",
      "claude-*": "anthropic",
      "anthropic/claude-opus-4-1": "anthropic",
      "publishers/anthropic/models/claude-opus-4-1": "anthropic",
      "mistral-large-2411@001": "mistral",
      "codestral-2501": "mistral",
      "mistralai/mistral-medium-3": "mistral",
      "meta/llama-3.3-70b-instruct-maas": "openai",
      "google/gemma-4-26b-a4b-it-maas": "openai",
      "openai/gpt-oss-120b-maas": "openai",
      "deepseek-ai/deepseek-v3.2-maas": "openai",
      "xai/grok-4.1": "openai",
    } as const
    for (const [model, api] of Object.entries(expected)) assert.strictEqual(apiOf(model), api, model)
  })
})
