/**
 * Converts content parts between `Chat` and Gemini.
 *
 * Every function is total. `unsupported` finds features that cannot be dropped; other losses are reported through
 * `warn`.
 */
import type * as Chat from "@understudy/core/Chat"
import * as Predicate from "effect/Predicate"
import * as CustomTools from "../CustomTools.ts"
import * as Json from "../Json.ts"
import type { Fields } from "../Json.ts"
import type { Block, Warn } from "../Lowering.ts"
import * as Media from "../Media.ts"
import * as ToolArguments from "../ToolArguments.ts"
import * as Calls from "./Calls.ts"
import { issuer } from "./Protocol.ts"
import * as Signatures from "./Signatures.ts"
import type * as Wire from "./Wire.ts"

// ---------------------------------------------------------------------------------------------------------------------
// Unsupported
// ---------------------------------------------------------------------------------------------------------------------

/** The feature of this part that Gemini does not support, if any. */
export const unsupported = ({ source }: Media.Media): string | undefined => Media.foreignId(source, "google")

/**
 * Whether only Google can fetch a URL: its files, its buckets, its videos. For other vendors such a URL is an unusable
 * id.
 */
const isGoogleOnly = (uri: string): boolean =>
  /^gs:|^https:\/\/(?:generativelanguage\.googleapis\.com|(?:www\.)?youtube\.com|youtu\.be)\//.test(uri)

// ---------------------------------------------------------------------------------------------------------------------
// Encode
// ---------------------------------------------------------------------------------------------------------------------

/** Adds a part of a user or model message to `parts`. An empty part is left out; what cannot be sent is reported. */
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
      if (part.text !== "" || signature !== undefined) parts.push(withSignature({ text: part.text }, signature))
      return
    }
    case "reasoning":
      if ((part.redacted ?? part.signature)?.issuer === issuer || (part.redacted ?? part.signature) === undefined) {
        parts.push(withSignature({ text: part.text, thought: true }, Signatures.own(part.signature)))
      } else warn("reasoning not signed by Google, left out")
      return
    case "refusal":
      warn("a refusal, sent as text")
      if (part.text !== "") parts.push({ text: part.text })
      return
    case "tool-call":
      parts.push(
        withSignature(
          { functionCall: { ...Calls.encode(part.id), name: part.name, args: args(part, warn) } },
          Signatures.own(part.signature),
        ),
      )
      return
    case "image":
      if (part.detail !== undefined && part.detail !== "auto") warn("image detail")
      parts.push(encodeMedia(part))
      return
    case "file":
      if (part.name !== undefined) warn("document names")
      if (part.context !== undefined) warn("document context")
      if (part.citable === true) warn("document citations")
      parts.push(encodeMedia(part))
      return
    case "audio":
      parts.push(encodeMedia(part))
      return
  }
}

const withSignature = (block: Block, signature: string | undefined): Block =>
  signature === undefined ? block : { ...block, thoughtSignature: signature }

/** The arguments of a call as an object. */
export const args = (call: Chat.ToolCall, warn: Warn): unknown =>
  ToolArguments.toObject(CustomTools.argumentsOf(call), warn)

/** The data, or the URL for Google to fetch. */
export const encodeMedia = ({ source, type }: Media.Media): Block => {
  switch (source.type) {
    case "base64":
      return { inlineData: { mimeType: source.mediaType, data: source.data } }
    case "url":
    case "id": {
      const uri = source.type === "url" ? source.url : source.id
      const mimeType = typeOf(uri) ?? (isGoogleOnly(uri) ? undefined : defaultTypes[type])
      return { fileData: mimeType === undefined ? { fileUri: uri } : { mimeType, fileUri: uri } }
    }
  }
}

/** The most likely type of a URL without an extension: the API requires a type. */
const defaultTypes: Record<Media.Media["type"], string> = {
  image: "image/jpeg",
  file: "application/pdf",
  audio: "audio/mpeg",
}

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

/** The type of a URL's extension. */
const typeOf = (uri: string): string | undefined => {
  const extension = /\.(\w+)(?:[?#].*)?$/.exec(uri)?.[1]
  return extension === undefined ? undefined : types[extension.toLowerCase()]
}

// ---------------------------------------------------------------------------------------------------------------------
// Decode
// ---------------------------------------------------------------------------------------------------------------------

/** The image, audio or document of a part, if it is one. */
export const decodeMedia = ({ fileData, inlineData }: Wire.Media): Media.Media | undefined => {
  if (inlineData !== undefined && inlineData !== null) {
    const { data, mimeType: mediaType } = inlineData
    return asMedia({ type: "base64", data, mediaType }, mediaType)
  }
  if (fileData === undefined || fileData === null) return undefined
  const { fileUri: uri, mimeType } = fileData
  return asMedia(isGoogleOnly(uri) ? { type: "id", id: uri } : { type: "url", url: uri }, mimeType ?? typeOf(uri))
}

const asMedia = (source: Chat.Source, mediaType: string | undefined): Media.Media => {
  const type = mediaType?.toLowerCase() ?? ""
  if (type.startsWith("image/")) return { type: "image", source }
  if (!type.startsWith("audio/")) return { type: "file", source }
  const format = formats[type]
  return format === undefined ? { type: "audio", source } : { type: "audio", source, format }
}

const formats: Readonly<Record<string, string>> = { "audio/wav": "wav", "audio/mpeg": "mp3", "audio/mp3": "mp3" }

/** Gives a call its id, from the id on the wire if there is one. */
export type IdOf = (id: string | undefined, name: string) => string

/** Reads a part's signature: `Signatures.read` for a client's, `Signatures.issued` for an upstream's. */
export type ReadSignature = (text: unknown) => Signatures.Encrypted

/**
 * Decodes a model's parts. Pieces of one text or one reasoning, as left by a stream, are joined; a signature ends them.
 */
export const decodeModel = (
  parts: ReadonlyArray<unknown>,
  idOf: IdOf,
  readSignature: ReadSignature,
): ReadonlyArray<Chat.AssistantContent> => {
  const content: Array<ModelPart> = []
  for (const part of parts) {
    const decoded = decodeModelPart(Json.fields(part), idOf, readSignature)
    if (decoded === undefined) continue
    const last = content[content.length - 1]
    const joined = last === undefined ? undefined : join(last, decoded)
    if (joined === undefined) content.push(decoded)
    else content[content.length - 1] = joined
  }
  return content
}

const join = (last: ModelPart, next: ModelPart): ModelPart | undefined => {
  if (last.type === "tool-call" || last.signature !== undefined) return undefined
  if (last.type === "text") return next.type === "text" ? { ...next, text: last.text + next.text } : undefined
  if (next.type !== "reasoning" || last.redacted !== undefined || next.redacted !== undefined) return undefined
  if (Signatures.isRedacted(next.signature?.value)) return undefined
  return { ...next, text: last.text + next.text }
}

/** The part types of a model. */
export type ModelPart = Chat.Text | Chat.Reasoning | Chat.ToolCall

/**
 * Decodes a part of a model; `undefined` if it is empty. Parts without a counterpart in `Chat`, such as executed code
 * or an image, become text.
 */
export const decodeModelPart = (part: Fields, idOf: IdOf, readSignature: ReadSignature): ModelPart | undefined => {
  const { functionCall: call, text, thought, thoughtSignature } = part
  const { redacted, signature } = readSignature(thoughtSignature)
  const signatureField = signature === undefined ? undefined : { signature }
  if (thought === true) {
    return { type: "reasoning", text: Json.string(text), ...(redacted === undefined ? signatureField : { redacted }) }
  }
  if (Predicate.isObject(call)) {
    const { args, id, name } = call
    const functionName = Json.string(name)
    return {
      type: "tool-call",
      id: idOf(Json.nonEmptyString(id), functionName),
      name: functionName,
      arguments: JSON.stringify(args ?? {}),
      ...signatureField,
    }
  }
  const textContent = Predicate.isString(text) ? text : asText(part)
  return textContent === "" && signatureField === undefined
    ? undefined
    : { type: "text", text: textContent, ...signatureField }
}

const asText = ({ codeExecutionResult: result, executableCode: code, fileData, inlineData }: Fields): string => {
  if (Predicate.isObject(code)) return fence(Json.string(code["language"]).toLowerCase(), Json.string(code["code"]))
  if (Predicate.isObject(result)) return fence("", Json.string(result["output"]))
  if (Predicate.isObject(inlineData)) {
    return `![](data:${Json.string(inlineData["mimeType"])};base64,${Json.string(inlineData["data"])})`
  }
  return Predicate.isObject(fileData) ? `![](${Json.string(fileData["fileUri"])})` : ""
}

const fence = (language: string, text: string): string => `\n\`\`\`${language}\n${text.replace(/\n$/, "")}\n\`\`\`\n`
