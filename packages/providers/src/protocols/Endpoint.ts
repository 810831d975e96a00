/**
 * An endpoint, as far as it differs from others of its protocol in what it takes: its documented bounds, and what only it
 * can make use of because it has issued it. A request is fitted to it, in `Chat` and in the client's own body alike; its
 * answers are dealt with in `Issued`.
 *
 * What was said otherwise than the client said it is named.
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

/** What an endpoint takes, where its documentation bounds it. */
export interface Limits {
  /** The most characters of the id of an end user. */
  readonly user?: number | undefined
  readonly names?: ToolNames.Rule | undefined
  /** The most tools. */
  readonly tools?: number | undefined
  /** Whether a model keeps a cached prefix for an hour where it is told to: any does if not said. */
  readonly hour?: ((model: string) => boolean) | undefined
}

export interface Endpoint extends ToolIds.Issuer {
  /** Whose seals it takes: see `Seals`. */
  readonly host: EncryptedReasoning.Host
  readonly limits: Limits
  /** The text of a seal where it stands in the protocol's answers: under its mark alone if not said. */
  readonly seal?: ((sealed: Sealed) => string) | undefined
}

export interface Sealed {
  readonly signature?: Chat.EncryptedReasoning | undefined
  readonly redacted?: Chat.EncryptedReasoning | undefined
}

/** One that bounds nothing. */
export const boundless: Endpoint = { name: "any", ids: { lenient: true }, host: undefined, limits: {} }

// ---------------------------------------------------------------------------------------------------------------------
// There
// ---------------------------------------------------------------------------------------------------------------------

/** A request as an endpoint takes it. */
export interface Fitted<Request> {
  readonly request: Request
  /** What is said otherwise than the client said it, each as a noun phrase. */
  readonly changes: ReadonlyArray<string>
  /** The client's own names of tools, by those that the endpoint was told. */
  readonly names: ToolNames.Names | undefined
}

/** The first thing asked for that this endpoint, which speaks `protocol`, does not take. */
export const unsupported = (
  { native, tools = [] }: Pick<Chat.Request, "native" | "tools">,
  protocol: string,
  { limits: { tools: most } }: Endpoint,
): string | undefined => {
  if (most === undefined || tools.length <= most) return undefined
  // A client that groups its tools says how many there are in its own way.
  const listed = native?.protocol === protocol ? native.body["tools"] : undefined
  return Array.isArray(listed) && listed.length <= most ? undefined : `more than ${most} tools`
}

type Askable = Pick<Chat.Request, "model" | "native" | "tools" | "user" | "vendor"> & {
  readonly messages?: Chat.Request["messages"]
}

/** The request, where the endpoint speaks `protocol`; `host` is whose seals it is to have, if not the endpoint's. */
export const fit = <Request extends Askable>(
  asked: Request,
  protocol: string,
  endpoint: Endpoint,
  host: EncryptedReasoning.Host = endpoint.host,
): Fitted<Request> => {
  const changes: Array<string> = []
  const changed: Partial<Record<keyof Chat.Request, unknown>> = {}
  const changeOf: Array<JsonStrings.Change> = []
  const { user: longest = Infinity } = endpoint.limits
  const shorten = (field: string, value: string): string => {
    if (value.length <= longest) return value
    changes.push(`${field} of more than ${longest} characters, sent as its hash`)
    return hashed(value)
  }
  if (asked.user !== undefined && asked.user.length > longest)
    changed.user = shorten("the id of the end user", asked.user)
  if (asked.vendor !== undefined) {
    const vendor = Record.map(asked.vendor, (fields) => withUsers(fields, shorten))
    if (Object.keys(vendor).some((name) => vendor[name] !== asked.vendor?.[name])) changed.vendor = vendor
  }
  const names = isChat(asked) ? fitChat(asked, endpoint, host, changed, changes, changeOf) : undefined
  const native =
    asked.native?.protocol === protocol ? fitBody(asked.native.body, protocol, shorten, changeOf) : undefined
  if (native !== undefined && native !== asked.native?.body) changed.native = { ...asked.native, body: native }
  return {
    request: Object.keys(changed).length === 0 ? asked : { ...asked, ...changed },
    changes,
    names: names === undefined ? undefined : new Map(Array.from(names, ([own, fitting]) => [fitting, own])),
  }
}

const isChat = (asked: Askable): asked is Chat.Request => asked.messages !== undefined

/** The same for the same user every time. */
const hashed = (user: string): string => createHash("sha256").update(user).digest("hex")

const fitChat = (
  asked: Chat.Request,
  endpoint: Endpoint,
  host: EncryptedReasoning.Host,
  changed: Partial<Record<keyof Chat.Request, unknown>>,
  changes: Array<string>,
  changeOf: Array<JsonStrings.Change>,
): ToolNames.Names | undefined => {
  let request = asked
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
    changes.push("a cache hint's ttl of 1h, which this model does not take")
  }
  messages = ids(
    EncryptedReasoning.map(messages, (seal) => EncryptedReasoning.toward(seal, host)),
    endpoint,
  )
  if (messages !== asked.messages) changed.messages = messages
  if (request.tools !== asked.tools) changed.tools = request.tools
  if (request.toolChoice !== asked.toolChoice) changed.toolChoice = request.toolChoice
  return names
}

/** The messages with the ids that the endpoint takes: the same ones where it takes theirs. */
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

/** What a body holds of the conversation and its tools, in any protocol. */
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

/** The fields in which an end user is named, or whoever else is to be told from others. */
const users = ["user", "safety_identifier", "user_id", "prompt_cache_key"] as const

type Shorten = (field: string, value: string) => string

const withUsers = <Fields extends Readonly<Record<string, unknown>>>(fields: Fields, shorten: Shorten): Fields => {
  let fitted: Record<string, unknown> | undefined
  for (const name of users) {
    const value = fields[name]
    if (!Predicate.isString(value)) continue
    const short = shorten(name === "prompt_cache_key" ? name : "the id of the end user", value)
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
