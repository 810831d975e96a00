/**
 * The upstreams of an example: the vendors whose credentials are in the environment, or, if there are none, local servers
 * with the vendors' protocols. Beside live vendors, a vendor without credentials fails with an authentication error, and the
 * example falls back to the next.
 */
import * as Behavior from "@understudy/providers/testing/Behavior"
import * as FaultServer from "@understudy/providers/testing"
import { Effect } from "effect"
import * as Redacted from "effect/Redacted"
import { successor } from "./models.ts"

export type Vendor = "openai" | "anthropic" | "bedrock" | "gemini"

const credentials: Readonly<Record<Vendor, ReadonlyArray<string>>> = {
  openai: ["OPENAI_API_KEY"],
  anthropic: ["ANTHROPIC_API_KEY"],
  bedrock: ["AWS_ACCESS_KEY_ID", "AWS_PROFILE", "AWS_BEARER_TOKEN_BEDROCK", "AWS_WEB_IDENTITY_TOKEN_FILE"],
  gemini: ["GEMINI_API_KEY", "GOOGLE_API_KEY"],
}

const vendors: ReadonlyArray<Vendor> = ["openai", "anthropic", "bedrock", "gemini"]

/** A stage, which lives until its scope closes. */
export const make = Effect.gen(function* () {
  const live = new Set(vendors.filter((vendor) => credentials[vendor].some((name) => process.env[name])))
  const server = yield* FaultServer.make()
  const at = <Keys extends object>(vendor: Vendor, keys: Keys): Partial<Keys> => (live.has(vendor) ? {} : keys)
  return {
    /** Whether no vendor is called. */
    offline: live.size === 0,
    server,
    /** The provider options for a vendor's local server; none for the vendor itself. */
    openai: at("openai", { apiKey: "offline", baseUrl: `${server.url}/v1` }),
    anthropic: at("anthropic", { apiKey: "offline", baseUrl: server.url }),
    bedrock: at("bedrock", {
      endpoint: server.url,
      region: "us-east-1",
      accessKeyId: "offline",
      secretAccessKey: "offline",
    }),
    gemini: at("gemini", { apiKey: "offline", baseUrl: server.url }),
    /** The model id to send. */
    model: (vendor: Vendor, id: string): string => {
      if (live.has(vendor)) return successor(id)
      return live.size === 0 ? id : `${id}/bad-key`
    },
    /** Sets what a model answers, or how it fails, on a local server. */
    plays: (id: string, behaviours: ReadonlyArray<Behavior.Behavior>) =>
      live.size === 0 ? server.script(id, behaviours) : Effect.void,
  }
})

const secrets: ReadonlyArray<string> = ["apiKey", "accessKeyId", "secretAccessKey"]

/** These options for a vendor's layer, which takes its secrets redacted. */
export const redacted = (keys: Readonly<Record<string, string>>) =>
  Object.fromEntries(
    Object.entries(keys).map(([name, value]) => [name, secrets.includes(name) ? Redacted.make(value) : value]),
  )

export const refuses = Behavior.refuse
export const says = (text: string): Behavior.Behavior => Behavior.answer({ text })
