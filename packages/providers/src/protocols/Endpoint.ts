/**
 * An endpoint, as far as it differs from others of its protocol: its documented limits, and the ids and encrypted
 * reasoning it issues. `fit` adapts a request to it, both in `Chat` and in a client's own body; `Issued` adapts
 * its responses.
 *
 * Every change to a parameter is reported as a noun phrase.
 */
import type * as Chat from "@understudy/core/Chat"
import { createHash } from "node:crypto"
import * as Predicate from "effect/Predicate"
import * as Record from "effect/Record"
import * as CacheHour from "./CacheHour.ts"
import * as JsonStrings from "./JsonStrings.ts"
import * as Media from "./Media.ts"
import { protocol as messages } from "./messages/Protocol.ts"
import * as EncryptedReasoning from "./EncryptedReasoning.ts"
import * as ToolIds from "./ToolIds.ts"
import * as ToolNames from "./ToolNames.ts"

/** The documented limits of an endpoint. */
export interface Limits {
  /** The maximum length of the end user's id, in characters. */
  readonly user?: number | undefined
  readonly names?: ToolNames.Rule | undefined
  /** The maximum number of tools. */
  readonly tools?: number | undefined
  /** Whether a model supports a cache TTL of one hour. Default: every model does. */
  readonly hour?: ((model: string) => boolean) | undefined
}

export interface Endpoint extends ToolIds.Issuer {
  /** The host whose encrypted reasoning it accepts: see `EncryptedReasoning`. */
  readonly host: EncryptedReasoning.Host
  readonly limits: Limits
  /** How encrypted reasoning is written in the protocol's responses. Default: the tagged value. */
  readonly writeEncrypted?: ((part: Encrypted) => string) | undefined
}

export interface Encrypted {
  readonly signature?: Chat.EncryptedReasoning | undefined
  readonly redacted?: Chat.EncryptedReasoning | undefined
}

/** An endpoint without limits. */
export const unlimited: Endpoint = { name: "any", ids: { lenient: true }, host: undefined, limits: {} }

// ---------------------------------------------------------------------------------------------------------------------
// Request
// ---------------------------------------------------------------------------------------------------------------------

/** A request that an endpoint accepts. */
export interface Fitted<Request> {
  readonly request: Request
  /** The changed parameters, each as a noun phrase. */
  readonly changes: ReadonlyArray<string>
  /** The client's names of tools, by the names sent to the endpoint. */
  readonly names: ToolNames.Names | undefined
}

/** The first limit that the request exceeds. `protocol` is the endpoint's. */
export const unsupported = (
  { native, tools = [] }: Pick<Chat.Request, "native" | "tools">,
  protocol: string,
  { limits: { tools: maxTools } }: Endpoint,
): string | undefined => {
  if (maxTools === undefined || tools.length <= maxTools) return undefined
  // A client that groups its tools counts the groups.
  const listed = native?.protocol === protocol ? native.body["tools"] : undefined
  return Array.isArray(listed) && listed.length <= maxTools ? undefined : `more than ${maxTools} tools`
}

type Fittable = Pick<Chat.Request, "model" | "native" | "tools" | "user" | "vendor"> & {
  readonly messages?: Chat.Request["messages"]
}

/**
 * Adapts a request to the endpoint, which speaks `protocol`. `host` accepts the encrypted reasoning; default: the
 * endpoint's.
 */
export const fit = <Request extends Fittable>(
  original: Request,
  protocol: string,
  endpoint: Endpoint,
  host: EncryptedReasoning.Host = endpoint.host,
): Fitted<Request> => {
  const changes: Array<string> = []
  const changed: Partial<Record<keyof Chat.Request, unknown>> = {}
  const changeOf: Array<JsonStrings.Change> = []
  const { user: maxUserLength = Infinity } = endpoint.limits
  const shorten = (field: string, value: string): string => {
    if (value.length <= maxUserLength) return value
    changes.push(`${field} longer than ${maxUserLength} characters, sent as a hash`)
    return hashed(value)
  }
  if (original.user !== undefined && original.user.length > maxUserLength)
    changed.user = shorten("the end user's id", original.user)
  if (original.vendor !== undefined) {
    const vendor = Record.map(original.vendor, (fields) => withUsers(fields, shorten))
    if (Object.keys(vendor).some((name) => vendor[name] !== original.vendor?.[name])) changed.vendor = vendor
  }
  const names = isChat(original) ? fitChat(original, endpoint, host, changed, changes, changeOf) : undefined
  const native =
    original.native?.protocol === protocol ? fitBody(original.native.body, protocol, shorten, changeOf) : undefined
  if (native !== undefined && native !== original.native?.body) changed.native = { ...original.native, body: native }
  return {
    request: Object.keys(changed).length === 0 ? original : { ...original, ...changed },
    changes,
    names: names === undefined ? undefined : new Map(Array.from(names, ([own, fitting]) => [fitting, own])),
  }
}

const isChat = (original: Fittable): original is Chat.Request => original.messages !== undefined

/** Deterministic: a user always has the same hash. */
const hashed = (user: string): string => createHash("sha256").update(user).digest("hex")

const fitChat = (
  original: Chat.Request,
  endpoint: Endpoint,
  host: EncryptedReasoning.Host,
  changed: Partial<Record<keyof Chat.Request, unknown>>,
  changes: Array<string>,
  changeOf: Array<JsonStrings.Change>,
): ToolNames.Names | undefined => {
  let request = original
  const names = endpoint.limits.names === undefined ? undefined : ToolNames.of(request, endpoint.limits.names)
  if (names !== undefined) {
    request = ToolNames.lower(request, names)
    changeOf.push((field, text) => (ToolNames.fields.has(field) ? (names.get(text) ?? text) : text))
  }
  let { messages } = request
  if (Media.isMisnamed(messages)) {
    messages = Media.named(messages)
    changeOf.push(Media.rename)
  }
  if (endpoint.limits.hour?.(request.model) === false && CacheHour.isHourly(request)) {
    request = { ...request, ...CacheHour.shorten({ ...request, messages }) }
    messages = request.messages
    changeOf.push(CacheHour.change)
    changes.push("a cache TTL of 1h, which this model does not support")
  }
  messages = ids(
    EncryptedReasoning.map(messages, (encrypted) => EncryptedReasoning.toward(encrypted, host)),
    endpoint,
  )
  if (messages !== original.messages) changed.messages = messages
  if (request.tools !== original.tools) changed.tools = request.tools
  if (request.toolChoice !== original.toolChoice) changed.toolChoice = request.toolChoice
  return names
}

/** The messages, with ids that the endpoint accepts; the given messages if it accepts theirs. */
const ids = (messages: ReadonlyArray<Chat.Message>, endpoint: Endpoint): ReadonlyArray<Chat.Message> => {
  const differs = (part: Identified): boolean => isIdentified(part) && ToolIds.toward(part.id, endpoint) !== part.id
  if (!messages.some(({ content }) => content.some(differs))) return messages
  return messages.map(
    (message) =>
      ({
        ...message,
        content: message.content.map((part) =>
          isIdentified(part) ? { ...part, id: ToolIds.toward(part.id, endpoint) } : part,
        ),
      }) as Chat.Message,
  )
}

type Identified = Chat.Message["content"][number]

const isIdentified = (part: Identified): part is Chat.ToolCall | Chat.ToolResult =>
  part.type === "tool-call" || part.type === "tool-result"

// ---------------------------------------------------------------------------------------------------------------------
// A client's own body
// ---------------------------------------------------------------------------------------------------------------------

/** The fields of a body, in any protocol, that contain the conversation and the tools. */
const sections = [
  "messages",
  "input",
  "contents",
  "system",
  "systemInstruction",
  "system_instruction",
  "tools",
  "functions",
  "tool_choice",
  "function_call",
  "toolConfig",
  "tool_config",
  "cache_control",
]

/** The fields that identify an end user or a session. */
const users = ["user", "safety_identifier", "user_id", "prompt_cache_key"] as const

type Shorten = (field: string, value: string) => string

const withUsers = <Fields extends Readonly<Record<string, unknown>>>(fields: Fields, shorten: Shorten): Fields => {
  let fitted: Record<string, unknown> | undefined
  for (const name of users) {
    const value = fields[name]
    if (!Predicate.isString(value)) continue
    const short = shorten(name === "prompt_cache_key" ? name : "the end user's id", value)
    if (short !== value) (fitted ??= { ...fields })[name] = short
  }
  return (fitted as Fields | undefined) ?? fields
}

const fitBody = (
  body: Record<string, unknown>,
  protocol: string,
  shorten: Shorten,
  changeOf: ReadonlyArray<JsonStrings.Change>,
): Record<string, unknown> => {
  const short = withUsers(body, shorten)
  let fitted = short === body ? undefined : short
  const set = (name: string, value: unknown) => {
    if (value !== body[name]) (fitted ??= { ...body })[name] = value
  }
  const { metadata } = body
  if (protocol === messages && Predicate.isObject(metadata))
    set("metadata", withUsers(metadata as Record<string, unknown>, shorten))
  if (changeOf.length > 0) {
    const change: JsonStrings.Change = (field, text) => changeOf.reduce((sofar, each) => each(field, sofar), text)
    for (const name of sections) set(name, JsonStrings.inValue(body[name], change, name))
  }
  return fitted ?? body
}
