/** The vendors whose shapes an upstream can have, and their providers pointed at a fault server. */
import type { Provider } from "@understudy/core/Provider"
import * as Anthropic from "@understudy/providers/anthropic"
import * as Bedrock from "@understudy/providers/bedrock"
import * as OpenAi from "@understudy/providers/openai"
import type { ProviderStartError } from "@understudy/providers/ProviderStartError"
import type * as Config from "effect/Config"
import type * as Layer from "effect/Layer"
import * as Redacted from "effect/Redacted"

export type Vendor = "openai" | "anthropic" | "bedrock"

export const vendors: ReadonlyArray<Vendor> = ["openai", "anthropic", "bedrock"]

/** The credential sent upstream. Some faults echo it, as real vendors do: it must never come out at the client's end. */
export const secret = "sk-upstream-secret"

/** The vendor's provider, through its own SDK, at a fault server's URL. */
export const layer = (vendor: Vendor, url: string): Layer.Layer<Provider, ProviderStartError | Config.ConfigError> => {
  const key = Redacted.make(secret)
  switch (vendor) {
    case "openai":
      return OpenAi.layer({ baseUrl: `${url}/v1`, apiKey: key })
    case "anthropic":
      return Anthropic.layer({ baseUrl: url, apiKey: key })
    case "bedrock":
      return Bedrock.layer({ region: "us-east-1", endpoint: url, accessKeyId: key, secretAccessKey: key })
  }
}
