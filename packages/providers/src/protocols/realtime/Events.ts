/**
 * The events of OpenAI's Realtime API that a proxy has to read: errors, and the usage of responses and transcriptions. All others
 * pass as they are, and are not parsed: audio is most of them.
 *
 * Sources: platform.openai.com, "Realtime server events"; docs.x.ai, "Voice Agent API"; vLLM's `/v1/realtime`.
 */
import type * as Chat from "@understudy/core/Chat"
import * as Json from "../Json.ts"

/** The name of the protocol, in logs and receipts. */
export const protocol = "realtime"

/** The types of events with usage. vLLM's is the last. */
const charged = [
  "response.done",
  "conversation.item.input_audio_transcription.completed",
  "transcription.done",
] as const

const quoted = charged.map((type) => `"${type}"`)

/** The usage that a message reports: that of a response, or of a transcription. `undefined` if it reports none. */
export const usage = (message: string): Chat.Usage | undefined => {
  if (!quoted.some((type) => message.includes(type))) return undefined
  const { response, type, usage } = Json.fields(Json.parse(message))
  if (type === "response.done") return ofTokens(Json.fields(Json.fields(response)["usage"]))
  return charged.some((each) => each === type) ? ofTranscription(Json.fields(usage)) : undefined
}

const ofTokens = (usage: Json.Fields): Chat.Usage | undefined => {
  const input = Json.count(usage["input_tokens"])
  const output = Json.count(usage["output_tokens"])
  if (input === undefined && output === undefined) return undefined
  const read = Json.fields(usage["input_token_details"])
  const cached = Json.fields(read["cached_tokens_details"])
  const written = Json.fields(usage["output_token_details"])
  return {
    inputTokens: input ?? 0,
    outputTokens: output ?? 0,
    cachedInputTokens: Json.count(read["cached_tokens"]),
    units: {
      audioInputTokens: Json.count(read["audio_tokens"]),
      imageInputTokens: Json.count(read["image_tokens"]),
      cachedAudioInputTokens: Json.count(cached["audio_tokens"]),
      audioOutputTokens: Json.count(written["audio_tokens"]),
    },
  }
}

/** Transcriptions are charged for by tokens, or by seconds. vLLM counts as chat completions do. */
const ofTranscription = (usage: Json.Fields): Chat.Usage | undefined => {
  const seconds = Json.number(usage["seconds"])
  if (seconds !== undefined) return { inputTokens: 0, outputTokens: 0, units: { seconds } }
  const { completion_tokens, prompt_tokens } = usage
  return ofTokens({ input_tokens: prompt_tokens, output_tokens: completion_tokens, ...usage })
}

/** Whether a message is the event `error`. */
export const isError = (message: string): boolean =>
  message.includes('"error"') && Json.fields(Json.parse(message))["type"] === "error"

/**
 * The error that the reason of a close frame names, as OpenAI's do: `invalid_request_error.invalid_api_key`. In the shape of the
 * event `error`.
 */
export const errorOfReason = (reason: string): string | undefined => {
  const [, type, code] = /^([a-z_]+_error)(?:\.([\w.-]+))?$/.exec(reason) ?? []
  return type === undefined ? undefined : JSON.stringify({ error: { type, code, message: code ?? type } })
}

// ---------------------------------------------------------------------------------------------------------------------
// Models
// ---------------------------------------------------------------------------------------------------------------------

/** Where an event of the client names a model. */
const paths: ReadonlyArray<ReadonlyArray<string>> = [
  ["model"],
  ["session", "model"],
  ["session", "audio", "input", "transcription", "model"],
  ["session", "input_audio_transcription", "model"],
]

/** A message of the client, with the vendor's model id where it updates the session and names the route. */
export const withModel = (message: string, route: string, model: string): string => {
  if (route === model || !message.includes("session.update")) return message
  const event = Json.parseObject(message)
  if (event === undefined) return message
  const replaced = paths.reduce((event, path) => replace(event, path, route, model), event)
  return replaced === event ? message : JSON.stringify(replaced)
}

const replace = (
  fields: Json.Fields,
  [name = "", ...rest]: ReadonlyArray<string>,
  from: string,
  to: string,
): Json.Fields => {
  const value = fields[name]
  if (rest.length === 0) return value === from ? { ...fields, [name]: to } : fields
  if (!Json.isObject(value)) return fields
  const replaced = replace(value, rest, from, to)
  return replaced === value ? fields : { ...fields, [name]: replaced }
}
