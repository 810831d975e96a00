/**
 * OpenAI's endpoints besides chat and embeddings, and what their responses report: a line for each operation. Compatible vendors
 * have the same paths under their own addresses.
 *
 * Sources: platform.openai.com, the API reference of completions, moderations, images and audio; docs.cohere.com and
 * jina.ai, "Rerank"; vLLM's source.
 */
import type * as Chat from "@understudy/core/Chat"
import * as Operation from "@understudy/core/Operation"
import * as Json from "../protocols/Json.ts"
import * as Completions from "../protocols/chat-completions/Usage.ts"
import type { Endpoint } from "../HttpOperations.ts"
import type { RequestTemplate } from "../transport/RequestTemplate.ts"
import { placeholder } from "../transport/RequestTemplate.ts"

/** An endpoint below a base address. */
interface Row {
  readonly path: string
  /** Without them, its responses have no usage. */
  readonly units?: (body: Json.Fields, request: Operation.Request) => Chat.Units
  readonly sendsModel?: boolean
  /** Whether an event ends a stream. */
  readonly isLast: Endpoint["isLast"]
}

const none = (): Chat.Units => ({})
const images = ({ data }: Json.Fields): Chat.Units => ({ images: Json.list(data).length || 1 })
const characters = (_: Json.Fields, request: Operation.Request): Chat.Units => ({
  characters: Json.string(Operation.field(request, "input")).length,
})
const seconds = ({ duration }: Json.Fields): Chat.Units => ({ seconds: Json.number(duration) })

const done: Row["isLast"] = (data) => data === "[DONE]"
/** An event whose type ends so. */
const ending =
  (...ends: ReadonlyArray<string>): Row["isLast"] =>
  (_, { type }) =>
    ends.some((end) => Json.string(type).endsWith(end))

const rows: Readonly<Record<Operation.Name, Row>> = {
  completions: { path: "/completions", units: none, isLast: done },
  moderations: { path: "/moderations", units: none, isLast: done },
  "images.generations": { path: "/images/generations", units: images, isLast: ending(".completed") },
  "images.edits": { path: "/images/edits", units: images, isLast: ending(".completed") },
  "images.variations": { path: "/images/variations", units: images, isLast: ending(".completed") },
  "audio.speech": { path: "/audio/speech", units: characters, isLast: ending(".done") },
  "audio.transcriptions": { path: "/audio/transcriptions", units: seconds, isLast: ending("transcript.text.done") },
  "audio.translations": { path: "/audio/translations", units: seconds, isLast: ending("transcript.text.done") },
  rerank: { path: "/rerank", units: none, isLast: done },
  // What is held has no model, and no cost that is known yet.
  files: { path: "/files", isLast: done, sendsModel: false },
  batches: { path: "/batches", isLast: done, sendsModel: false },
  // Its events are read by `protocols/realtime`.
  realtime: { path: "/realtime", units: none, isLast: done },
}

/** The endpoints of an address, by the template of its embeddings. `streamOptions`: whether it takes OpenAI's `stream_options`. */
export const endpoints = (
  embeddings: RequestTemplate,
  { streamOptions }: { readonly streamOptions: boolean },
): Readonly<Record<Operation.Name, Endpoint>> => {
  const of = (operation: Operation.Name): Endpoint => {
    const { isLast, path, sendsModel, units } = rows[operation]
    const asksForUsage = operation === "completions" && streamOptions
    if (operation === "realtime") return { ...realtime(embeddings), usage: () => undefined, isLast }
    return {
      template: { ...embeddings, path: pathOf(embeddings, path, sendsModel) },
      usage: (body, request) => units && usageOf(body, units(body, request)),
      isLast,
      sendsModel,
      ...(asksForUsage ? { fields: withUsage, isShown: isAskedFor } : undefined),
    }
  }
  return Object.fromEntries(Operation.names.map((name) => [name, of(name)])) as Record<Operation.Name, Endpoint>
}

/** The path in place of that of embeddings. What is held is not below a deployment of Azure. */
const pathOf = ({ path: embeddings }: RequestTemplate, path: string, sendsModel = true): string => {
  const own = embeddings.replace(/\/embeddings(?=\?|$)/, path)
  return sendsModel ? own : own.replace(`/deployments/${placeholder}`, "")
}

/**
 * A session names its model in the query; one for transcriptions names it in its first event instead. Azure's versioned API calls it
 * a deployment, and has it in the path of everything else.
 */
const realtime = (embeddings: RequestTemplate): Pick<Endpoint, "template" | "query"> => {
  const [versioned, v1] = [/\/deployments\/[^/]+\/embeddings(?=\?|$)/, /\/embeddings(?=\?|$)/]
  const isVersioned = versioned.test(embeddings.path)
  return {
    template: { ...embeddings, path: embeddings.path.replace(isVersioned ? versioned : v1, "/realtime") },
    query: ({ model, native }): Record<string, string> =>
      native?.query?.["intent"] === "transcription" ? {} : { [isVersioned ? "deployment" : "model"]: model },
  }
}

const optionsOf = (request: Operation.Request): Json.Fields => Json.fields(Operation.field(request, "stream_options"))

/** Asks for the usage of a stream. */
const withUsage = (request: Operation.Request): Readonly<Record<string, unknown>> =>
  request.streaming === true ? { stream_options: { ...optionsOf(request), include_usage: true } } : {}

/** Whether an event goes to the client: one with nothing but usage only if the client asked for it. */
const isAskedFor = ({ choices, usage }: Json.Fields, request: Operation.Request): boolean =>
  optionsOf(request)["include_usage"] === true ||
  !(Array.isArray(choices) && choices.length === 0 && Json.isObject(usage))

/**
 * The usage that a response reports: in tokens under OpenAI's two names for them, or in seconds. Without one, only its units are
 * known. An event that is not the last of a stream has none.
 */
const usageOf = (body: Json.Fields, units: Chat.Units): Chat.Usage | undefined => {
  const wire = Json.fields(body["usage"])
  const counted = Completions.decode(wire)
  if (counted !== undefined) return { ...counted, units }
  const input = Json.count(wire["input_tokens"])
  const output = Json.count(wire["output_tokens"])
  if (input !== undefined || output !== undefined) {
    const read = Json.fields(wire["input_tokens_details"] ?? wire["input_token_details"])
    const written = Json.fields(wire["output_tokens_details"] ?? wire["output_token_details"])
    const details = {
      audioInputTokens: Json.count(read["audio_tokens"]),
      imageInputTokens: Json.count(read["image_tokens"]),
      imageOutputTokens: Json.count(written["image_tokens"]),
    }
    return { inputTokens: input ?? 0, outputTokens: output ?? 0, units: { ...units, ...details } }
  }
  const total = Json.count(wire["total_tokens"])
  if (total !== undefined) return { inputTokens: total, outputTokens: 0, units }
  return { inputTokens: 0, outputTokens: 0, units: { ...units, ...durationOf(wire) } }
}

const durationOf = ({ seconds }: Json.Fields): Chat.Units => {
  const known = Json.number(seconds)
  return known === undefined ? {} : { seconds: known }
}
