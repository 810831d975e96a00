/** The vendors of upstreams, with providers for a fault server. */
import type { Provider } from "@understudy/core/Provider"
import * as Anthropic from "@understudy/providers/anthropic"
import * as Bedrock from "@understudy/providers/bedrock"
import * as Gemini from "@understudy/providers/gemini"
import * as OpenAi from "@understudy/providers/openai"
import * as Vertex from "@understudy/providers/vertex"
import type { ProviderStartError } from "@understudy/providers/ProviderStartError"
import type * as Config from "effect/Config"
import type * as Layer from "effect/Layer"
import * as Redacted from "effect/Redacted"

/** The credential sent upstream. Some faults echo it, as real vendors do: it must never come out at the client's end. */
export const secret = "sk-upstream-secret"

const key = Redacted.make(secret)

/** A vendor's name for the document, and its provider, through its own SDK, at a fault server's URL. */
interface Entry {
  readonly title: string
  readonly layer: (url: string) => Layer.Layer<Provider, ProviderStartError | Config.ConfigError>
}

/** By the fault server's names. One more is one line more. */
const all = {
  openai: { title: "OpenAI", layer: (url) => OpenAi.layer({ baseUrl: `${url}/v1`, apiKey: key }) },
  responses: {
    title: "OpenAI Responses",
    layer: (url) => OpenAi.layer({ baseUrl: `${url}/v1`, apiKey: key, api: "responses" }),
  },
  anthropic: { title: "Anthropic", layer: (url) => Anthropic.layer({ baseUrl: url, apiKey: key }) },
  bedrock: {
    title: "Bedrock",
    layer: (url) => Bedrock.layer({ region: "us-east-1", endpoint: url, accessKeyId: key, secretAccessKey: key }),
  },
  gemini: { title: "Gemini", layer: (url) => Gemini.layer({ baseUrl: url, apiKey: key }) },
  vertex: {
    title: "Vertex AI",
    layer: (url) =>
      Vertex.layer({ project: "p", location: "us-east5", api: "anthropic", baseUrl: url, accessToken: key }),
  },
} satisfies Record<string, Entry>

export type Vendor = keyof typeof all

export const entries: Readonly<Record<Vendor, Entry>> = all

export const vendors = Object.keys(all) as ReadonlyArray<Vendor>

/** Another vendor. */
export const after = (vendor: Vendor): Vendor => vendors[(vendors.indexOf(vendor) + 1) % vendors.length] ?? vendor
