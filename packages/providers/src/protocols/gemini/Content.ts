/**
 * Content, part by part: a `Chat` part as a part of Gemini's, and back.
 *
 * Every function here is total. What a part cannot say is found beforehand by `unsupported`, and a lesser loss is named
 * through `warn`.
 */
import type * as Chat from "@understudy/core/Chat"
import * as Predicate from "effect/Predicate"
import * as CustomTools from "../CustomTools.ts"
import * as Json from "../Json.ts"
import type { Fields } from "../Json.ts"
import type { Block, Warn } from "../Lowering.ts"
import * as Media from "../Media.ts"
import * as Calls from "./Calls.ts"
import { issuer } from "./Protocol.ts"
import * as Signatures from "./Signatures.ts"
import type * as Wire from "./Wire.ts"

// ---------------------------------------------------------------------------------------------------------------------
// What cannot be said
// ---------------------------------------------------------------------------------------------------------------------

/** What this needs and Gemini lacks, if there is anything. */
export const unsupported = ({ source }: Media.Media): string | undefined => Media.foreignId(source, "google")

/** What only Google can fetch: its own files, its buckets, its videos. To others such an address is an id, and means nothing. */
const isOwn = (uri: string): boolean =>
  /^gs:|^https:\/\/(?:generativelanguage\.googleapis\.com|(?:www\.)?youtube\.com|youtu\.be)\//.test(uri)

// ---------------------------------------------------------------------------------------------------------------------
// Encode
// ---------------------------------------------------------------------------------------------------------------------

/** Adds this part of a user's or a model's to `parts`, unless it says nothing, or cannot be shown, which is warned of. */
export const encode = (
  part: Chat.AssistantContent | Chat.UserMessage["content"][number],
  parts: Array<Block>,
  warn: Warn,
): void => {
  if ("cache" in part && part.cache !== undefined) warn("a cache hint")
  switch (part.type) {
    case "text": {
      if (part.citations !== undefined && part.citations.length > 0) warn("citations")
      const signature = Signatures.own(part.signature)
      if (part.text !== "" || signature !== undefined) parts.push(signed({ text: part.text }, signature))
      return
    }
    case "reasoning":
      if ((part.redacted ?? part.signature)?.issuer === issuer || (part.redacted ?? part.signature) === undefined) {
        parts.push(signed({ text: part.text, thought: true }, Signatures.own(part.signature)))
      } else warn("reasoning that is not signed by Google, left out")
      return
    case "refusal":
      warn("a refusal, sent as text")
      if (part.text !== "") parts.push({ text: part.text })
      return
    case "tool-call":
      parts.push(
        signed(
          { functionCall: { ...Calls.encode(part.id), name: part.name, args: args(part, warn) } },
          Signatures.own(part.signature),
        ),
      )
      return
    case "image":
      if (part.detail !== undefined && part.detail !== "auto") warn("the detail of an image")
      parts.push(encodeMedia(part))
      return
    case "file":
      if (part.name !== undefined) warn("the name of a document")
      if (part.context !== undefined) warn("the context of a document")
      if (part.citable === true) warn("that a document may be cited")
      parts.push(encodeMedia(part))
      return
    case "audio":
      parts.push(encodeMedia(part))
      return
  }
}

const signed = (block: Block, signature: string | undefined): Block =>
  signature === undefined ? block : { ...block, thoughtSignature: signature }

/** The API takes an object. What the model wrote may not be one: it is then shown its own words under `INVALID_JSON`. */
export const args = (call: Chat.ToolCall, warn: Warn) => {
  const text = CustomTools.argumentsOf(call)
  const value = text.trim() === "" ? {} : Json.parseExact(text)
  if (Json.isObject(value)) return value
  warn("a tool call's arguments that are not a JSON object, sent as INVALID_JSON")
  return { INVALID_JSON: text }
}

/** The bytes themselves, or where Google may fetch them. */
export const encodeMedia = ({ source, type }: Media.Media): Block => {
  switch (source.type) {
    case "base64":
      return { inlineData: { mimeType: source.mediaType, data: source.data } }
    case "url":
    case "id": {
      const uri = source.type === "url" ? source.url : source.id
      const mimeType = typeOf(uri) ?? (isOwn(uri) ? undefined : usual[type])
      return { fileData: mimeType === undefined ? { fileUri: uri } : { mimeType, fileUri: uri } }
    }
  }
}

/** What an address without an extension most probably holds: the API wants a type to be named. */
const usual: Record<Media.Media["type"], string> = { image: "image/jpeg", file: "application/pdf", audio: "audio/mpeg" }

const types: Readonly<Record<string, string>> = {
  png: "image/png",
  jpg: "image/jpeg",
  jpeg: "image/jpeg",
  webp: "image/webp",
  gif: "image/gif",
  heic: "image/heic",
  heif: "image/heif",
  pdf: "application/pdf",
  txt: "text/plain",
  md: "text/markdown",
  html: "text/html",
  csv: "text/csv",
  xml: "text/xml",
  json: "application/json",
  mp3: "audio/mpeg",
  wav: "audio/wav",
  ogg: "audio/ogg",
  flac: "audio/flac",
  aac: "audio/aac",
  mp4: "video/mp4",
  mov: "video/quicktime",
  webm: "video/webm",
}

/** The type that an address's extension tells. */
const typeOf = (uri: string): string | undefined => {
  const extension = /\.(\w+)(?:[?#].*)?$/.exec(uri)?.[1]
  return extension === undefined ? undefined : types[extension.toLowerCase()]
}

// ---------------------------------------------------------------------------------------------------------------------
// Decode
// ---------------------------------------------------------------------------------------------------------------------

/** An image, a recording or a document, where the part is one. */
export const decodeMedia = ({ fileData, inlineData }: Wire.Media): Media.Media | undefined => {
  if (inlineData !== undefined && inlineData !== null) {
    const { data, mimeType: mediaType } = inlineData
    return asMedia({ type: "base64", data, mediaType }, mediaType)
  }
  if (fileData === undefined || fileData === null) return undefined
  const { fileUri: uri, mimeType } = fileData
  return asMedia(isOwn(uri) ? { type: "id", id: uri } : { type: "url", url: uri }, mimeType ?? typeOf(uri))
}

const asMedia = (source: Chat.Source, mediaType: string | undefined): Media.Media => {
  const type = mediaType?.toLowerCase() ?? ""
  if (type.startsWith("image/")) return { type: "image", source }
  if (!type.startsWith("audio/")) return { type: "file", source }
  const format = formats[type]
  return format === undefined ? { type: "audio", source } : { type: "audio", source, format }
}

const formats: Readonly<Record<string, string>> = { "audio/wav": "wav", "audio/mpeg": "mp3", "audio/mp3": "mp3" }

/** The id of a call that bears this one, or none. */
export type IdOf = (id: string | undefined, name: string) => string

/** What stands in the place of a signature: `Signatures.read` of a client's, `Signatures.issued` of an upstream's. */
export type SealOf = (text: unknown) => Signatures.Sealed

/**
 * What a model said, part by part. Pieces of one text or one thought, as streams leave them, are joined: a signature
 * ends them.
 */
export const decodeModel = (
  parts: ReadonlyArray<unknown>,
  idOf: IdOf,
  sealOf: SealOf,
): ReadonlyArray<Chat.AssistantContent> => {
  const content: Array<Said> = []
  for (const part of parts) {
    const said = decodeSaid(Json.fields(part), idOf, sealOf)
    if (said === undefined) continue
    const last = content[content.length - 1]
    const joined = last === undefined ? undefined : join(last, said)
    if (joined === undefined) content.push(said)
    else content[content.length - 1] = joined
  }
  return content
}

const join = (last: Said, next: Said): Said | undefined => {
  if (last.type === "tool-call" || last.signature !== undefined) return undefined
  if (last.type === "text") return next.type === "text" ? { ...next, text: last.text + next.text } : undefined
  if (next.type !== "reasoning" || last.redacted !== undefined || next.redacted !== undefined) return undefined
  if (Signatures.isRedacted(next.signature?.value)) return undefined
  return { ...next, text: last.text + next.text }
}

/** What a part of a model's can be. */
export type Said = Chat.Text | Chat.Reasoning | Chat.ToolCall

/**
 * One part of a model's; undefined where it says nothing. What `Chat` has no part for, such as code that was run or a
 * picture, is told in words.
 */
export const decodeSaid = (part: Fields, idOf: IdOf, sealOf: SealOf): Said | undefined => {
  const { functionCall: call, text, thought, thoughtSignature } = part
  const { redacted, signature } = sealOf(thoughtSignature)
  const seal = signature === undefined ? undefined : { signature }
  if (thought === true) {
    return { type: "reasoning", text: Json.string(text), ...(redacted === undefined ? seal : { redacted }) }
  }
  if (Predicate.isObject(call)) {
    const { args, id, name } = call
    const named = Json.string(name)
    return {
      type: "tool-call",
      id: idOf(Json.nonEmptyString(id), named),
      name: named,
      arguments: JSON.stringify(args ?? {}),
      ...seal,
    }
  }
  const words = Predicate.isString(text) ? text : inWords(part)
  return words === "" && seal === undefined ? undefined : { type: "text", text: words, ...seal }
}

const inWords = ({ codeExecutionResult: result, executableCode: code, fileData, inlineData }: Fields): string => {
  if (Predicate.isObject(code)) return fence(Json.string(code["language"]).toLowerCase(), Json.string(code["code"]))
  if (Predicate.isObject(result)) return fence("", Json.string(result["output"]))
  if (Predicate.isObject(inlineData)) {
    return `![](data:${Json.string(inlineData["mimeType"])};base64,${Json.string(inlineData["data"])})`
  }
  return Predicate.isObject(fileData) ? `![](${Json.string(fileData["fileUri"])})` : ""
}

const fence = (language: string, text: string): string => `\n\`\`\`${language}\n${text.replace(/\n$/, "")}\n\`\`\`\n`
