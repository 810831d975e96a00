/**
 * The results of models in the AI SDK's own format, as text. Where both the application and the deployment use the AI SDK,
 * they pass through a route unchanged (`native`), with everything that `Chat` has no field for.
 */
import type { LanguageModelV4GenerateResult, LanguageModelV4StreamPart, SharedV4FileData } from "@ai-sdk/provider"
import * as Base64 from "effect/encoding/Base64"

/** The protocol of the AI SDK's models, of specification 4. */
export const protocol = "ai-sdk"

/** What an application gets of a result: without the HTTP bodies of the vendor. */
export type Result = Omit<LanguageModelV4GenerateResult, "request">

/** The JSON of a result or a part. Bytes become base64, which the AI SDK accepts in their place. */
export const print = (value: unknown): string => JSON.stringify(value, asText)

function asText(this: Readonly<Record<string, unknown>>, key: string, value: unknown): unknown {
  // `value` of a Buffer is already what its `toJSON` returned.
  const original = this[key]
  return original instanceof Uint8Array ? Base64.encode(original) : value
}

/** The result of a text that `print` made. */
export const parseResult = (text: string): Result => {
  const result = JSON.parse(text) as Result
  for (const part of result.content) {
    if (part.type === "file" || part.type === "reasoning-file") reviveData(part)
  }
  if (result.response !== undefined) reviveTimestamp(result.response)
  return result
}

/** The part of a text that `print` made. */
export const parsePart = (text: string): LanguageModelV4StreamPart => {
  const part = JSON.parse(text) as LanguageModelV4StreamPart
  if (part.type === "response-metadata") reviveTimestamp(part)
  if (part.type === "file" || part.type === "reasoning-file") reviveData(part)
  return part
}

const reviveTimestamp = (metadata: { timestamp?: Date }): void => {
  if (metadata.timestamp !== undefined) metadata.timestamp = new Date(metadata.timestamp)
}

const reviveData = ({ data }: { readonly data: SharedV4FileData }): void => {
  if (data.type === "url") data.url = new URL(data.url)
}
