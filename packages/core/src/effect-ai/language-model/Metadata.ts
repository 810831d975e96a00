/**
 * What `effect/ai` has no words for: seals of thoughts, wishes to cache. It travels in the metadata that parts have for
 * their provider's own words, under our name, and comes back in the next turn's prompt.
 */
import type * as Prompt from "effect/ai/Prompt"
import type * as Response from "effect/ai/Response"
import * as Option from "effect/Option"
import * as Schema from "effect/Schema"
import * as Chat from "../../model/Chat.ts"

const Metadata = Schema.Struct({
  signature: Schema.optionalKey(Chat.EncryptedReasoning),
  redacted: Schema.optionalKey(Chat.EncryptedReasoning),
  cache: Schema.optionalKey(Chat.CacheHint),
})
export type Mark = typeof Metadata.Type

const decode = Schema.decodeUnknownOption(Metadata)

const none: Mark = {}

/** The mark of a prompt's part, or of an answer's. */
export const read = (metadata: Prompt.ProviderOptions | Response.ProviderMetadata): Mark =>
  metadata["understudy"] === undefined ? none : Option.getOrElse(decode(metadata["understudy"]), () => none)

/** The mark as metadata; without one, none. */
export const write = ({
  redacted,
  signature,
}: {
  readonly redacted?: Chat.EncryptedReasoning | undefined
  readonly signature?: Chat.EncryptedReasoning | undefined
}): { readonly metadata?: Response.ProviderMetadata } => {
  if (signature === undefined && redacted === undefined) return {}
  return {
    metadata: {
      understudy: {
        ...(signature === undefined ? undefined : { signature: { ...signature } }),
        ...(redacted === undefined ? undefined : { redacted: { ...redacted } }),
      },
    },
  }
}
