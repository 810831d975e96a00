/**
 * The fields of `Chat` that `effect/ai` does not have: signatures, encrypted reasoning and cache breakpoints. They are in the
 * provider metadata of parts, under `understudy`, and come back in the prompt of the next turn. What a call was is there too.
 */
import type * as Prompt from "effect/ai/Prompt"
import type * as Response from "effect/ai/Response"
import * as Option from "effect/Option"
import * as Schema from "effect/Schema"
import * as Chat from "../../model/Chat.ts"
import type { Receipt } from "../../receipt/Receipt.ts"
import type { Encrypted } from "./Blocks.ts"

const Metadata = Schema.Struct({
  signature: Schema.optionalKey(Chat.EncryptedReasoning),
  redacted: Schema.optionalKey(Chat.EncryptedReasoning),
  cache: Schema.optionalKey(Chat.CacheHint),
})
export type Fields = typeof Metadata.Type

const decode = Schema.decodeUnknownOption(Metadata)

const none: Fields = {}

/** The fields of a part of a prompt or a response. */
export const read = (metadata: Prompt.ProviderOptions | Response.ProviderMetadata): Fields =>
  metadata["understudy"] === undefined ? none : Option.getOrElse(decode(metadata["understudy"]), () => none)

/** The metadata with these fields; empty if there are none. */
export const write = ({ redacted, signature }: Encrypted): { readonly metadata?: Response.ProviderMetadata } => {
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

/** The metadata of a call: its id, the deployment, the number of attempts, the dropped parameters. */
export const ofCall = ({ attempts, deployment, id, droppedParams }: Receipt): Response.ProviderMetadata => ({
  understudy: {
    call: id,
    deployment: deployment ?? null,
    attempts: attempts.length,
    ...(droppedParams === undefined ? undefined : { droppedParams: [...droppedParams] }),
  },
})
