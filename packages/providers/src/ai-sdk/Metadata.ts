/**
 * The fields of `Chat` that the AI SDK does not have: signatures, encrypted reasoning and cache breakpoints. They are in the
 * provider metadata of parts, under `understudy`. `ai` returns the metadata of a part as its provider options in the next
 * turn.
 */
import type { SharedV4ProviderMetadata, SharedV4ProviderOptions } from "@ai-sdk/provider"
import * as Chat from "@understudy/core/Chat"
import type { Encrypted } from "@understudy/core/internal/effect-ai/language-model/Blocks"
import * as Option from "effect/Option"
import * as Schema from "effect/Schema"

const Metadata = Schema.Struct({
  signature: Schema.optionalKey(Chat.EncryptedReasoning),
  redacted: Schema.optionalKey(Chat.EncryptedReasoning),
  cache: Schema.optionalKey(Chat.CacheHint),
  /** The host of the model that wrote the metadata of other names: see `Requests.host`. */
  host: Schema.optionalKey(Schema.String),
})
export type Fields = typeof Metadata.Type

const decode = Schema.decodeUnknownOption(Metadata)

const none: Fields = {}

/** The name of this bridge in provider options and provider metadata. */
export const namespace = "understudy"

/** The fields of a part of a prompt or a response. */
export const read = (metadata: SharedV4ProviderOptions | undefined): Fields => {
  const own = metadata?.[namespace]
  return own === undefined ? none : Option.getOrElse(decode(own), () => none)
}

/**
 * The cache breakpoint of a part, a message or a tool: `understudy.cache`, or Anthropic's `cacheControl`, which `ai`'s
 * documentation uses for all of its clouds.
 */
export const cache = (options: SharedV4ProviderOptions | undefined): { readonly cache?: Chat.CacheHint } => {
  if (options === undefined) return nothing
  const own = read(options).cache
  if (own !== undefined) return { cache: own }
  const control = options["anthropic"]?.["cacheControl"]
  if (typeof control !== "object" || control === null) return nothing
  const ttl = "ttl" in control && typeof control.ttl === "string" ? { ttl: control.ttl } : undefined
  return { cache: { ...ttl } }
}

/** Provider options that contain a cache breakpoint, in Anthropic's form. */
export const writeCache = (hint: Chat.CacheHint | undefined): SharedV4ProviderOptions | undefined =>
  hint === undefined
    ? undefined
    : {
        anthropic: {
          cacheControl: { type: "ephemeral", ...(hint.ttl === undefined ? undefined : { ttl: hint.ttl }) },
        },
      }

/** `signature` and `redacted` of the options; empty if they have none. */
export const encrypted = (options: SharedV4ProviderOptions | undefined): Encrypted => {
  const { redacted, signature } = read(options)
  return {
    ...(signature === undefined ? undefined : { signature }),
    ...(redacted === undefined ? undefined : { redacted }),
  }
}

/** The metadata with these fields; empty if there are none. */
export const write = ({ redacted, signature }: Encrypted): { readonly providerMetadata?: SharedV4ProviderMetadata } => {
  if (signature === undefined && redacted === undefined) return nothing
  return {
    providerMetadata: {
      [namespace]: {
        ...(signature === undefined ? undefined : { signature: { ...signature } }),
        ...(redacted === undefined ? undefined : { redacted: { ...redacted } }),
      },
    },
  }
}

/** An optional field `providerOptions`. */
export const options = (
  ...all: ReadonlyArray<SharedV4ProviderOptions | undefined>
): { readonly providerOptions?: SharedV4ProviderOptions } => {
  const merged: SharedV4ProviderOptions = {}
  for (const each of all) {
    for (const [name, fields] of Object.entries(each ?? {})) merged[name] = { ...merged[name], ...fields }
  }
  return Object.keys(merged).length === 0 ? nothing : { providerOptions: merged }
}

const nothing = {}
