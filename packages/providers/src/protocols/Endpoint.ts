/**
 * An endpoint, as far as it differs from others of its protocol in what it takes: its documented bounds, and what only it
 * can make use of because it has issued it. A request is fitted to it, in `Chat` and in the client's own body alike, and
 * what its answers bring is made fit to travel: through the client, to whichever endpoint is asked next.
 *
 * What was said otherwise than the client said it is named.
 */
import type * as Chat from "@understudy/core/Chat"
import { createHash } from "node:crypto"
import * as Effect from "effect/Effect"
import * as Predicate from "effect/Predicate"
import * as Record from "effect/Record"
import * as Stream from "effect/Stream"
import * as Json from "./Json.ts"
import * as JsonStrings from "./JsonStrings.ts"
import * as Media from "./Media.ts"
import { protocol as messages } from "./messages/Protocol.ts"
import * as Seals from "./Seals.ts"
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
  readonly host: Seals.Host
  readonly limits: Limits
  /** The text of a seal where it stands in the protocol's answers: under its mark alone if not said. */
  readonly seal?: ((sealed: Sealed) => string) | undefined
}

export interface Sealed {
  readonly signature?: Chat.Seal | undefined
  readonly redacted?: Chat.Seal | undefined
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
  host: Seals.Host = endpoint.host,
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
  host: Seals.Host,
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
  if (endpoint.limits.hour?.(request.model) === false && isHourly(request)) {
    messages = withoutTtl(messages)
    if (request.tools !== undefined) request = { ...request, tools: request.tools.map(forShort) }
    changeOf.push((field, text) => (field === "ttl" && text === hour ? shorter : text))
    changes.push("a cache hint's ttl of 1h, which this model does not take")
  }
  messages = ids(
    Seals.map(messages, (seal) => Seals.toward(seal, host)),
    endpoint,
  )
  if (messages !== asked.messages) changed.messages = messages
  if (request.tools !== asked.tools) changed.tools = request.tools
  if (request.toolChoice !== asked.toolChoice) changed.toolChoice = request.toolChoice
  return names
}

/** The messages with the ids that the endpoint takes. */
const ids = (messages: ReadonlyArray<Chat.Message>, endpoint: Endpoint): ReadonlyArray<Chat.Message> => {
  let changed = false
  const fitId = <Part extends { readonly type: string; readonly id?: string }>(part: Part): Part => {
    if (part.type !== "tool-call" && part.type !== "tool-result") return part
    const id = ToolIds.toward(part.id ?? "", endpoint)
    if (id === part.id) return part
    changed = true
    return { ...part, id }
  }
  const fitted = messages.map((message): Chat.Message => {
    if (message.role === "assistant") return { ...message, content: message.content.map(fitId) }
    return message.role === "tool" ? { ...message, content: message.content.map(fitId) } : message
  })
  return changed ? fitted : messages
}

// ---------------------------------------------------------------------------------------------------------------------
// Hours of caching
// ---------------------------------------------------------------------------------------------------------------------

const hour = "1h"

/** What a model that keeps nothing for an hour keeps it for. */
const shorter = "5m"

type Hinted = { readonly cache?: Chat.CacheHint | undefined }

const forShort = <Part extends object>(part: Part & Hinted): Part =>
  part.cache?.ttl === hour ? { ...part, cache: {} } : part

const isHourly = ({ messages, tools = [] }: Chat.Request): boolean => {
  const hourly = (part: object & Hinted): boolean => part.cache?.ttl === hour
  return (
    tools.some(hourly) ||
    messages.some(({ content }) =>
      content.some((part) => hourly(part) || (part.type === "tool-result" && part.content.some(hourly))),
    )
  )
}

const withoutTtl = (messages: ReadonlyArray<Chat.Message>): ReadonlyArray<Chat.Message> =>
  messages.map(
    (message) =>
      ({
        ...message,
        content: message.content.map((part) =>
          part.type === "tool-result" ? { ...forShort(part), content: part.content.map(forShort) } : forShort(part),
        ),
      }) as Chat.Message,
  )

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

// ---------------------------------------------------------------------------------------------------------------------
// And back
// ---------------------------------------------------------------------------------------------------------------------

/** Changes the parts of one answer, and tells what its own text holds in their place. */
interface Restorer {
  readonly part: <Part extends Chat.Part | Chat.AssistantContent>(part: Part) => Part
  readonly text: (text: string) => string
}

/** `undefined` where the answers of the endpoint can go as they are. */
const restorer = (endpoint: Endpoint, names: ToolNames.Names | undefined): Restorer => {
  const { host, seal = tagged } = endpoint
  /** Strings of the answer's, by what stands for each. */
  const replaced = new Map<string, string>()
  return {
    part: (given) => {
      let part = given
      if (part.type === "tool-call") {
        const name = names?.get(part.name)
        const id = ToolIds.from(part.id, endpoint)
        if (id !== part.id) replaced.set(part.id, id)
        if (name !== undefined || id !== part.id) part = { ...part, id, name: name ?? part.name }
      }
      if (host === undefined) return part
      const sealed = Seals.mapPart(part, (each) => Seals.from(each, host))
      if (sealed !== part) {
        const { redacted, signature } = part as Sealed
        const value = (redacted ?? signature)?.value
        if (value !== undefined) replaced.set(value, seal(sealed as Sealed))
      }
      return sealed
    },
    text: (text) => {
      if (replaced.size === 0 && !mentions(text, names)) return text
      return JsonStrings.inText(
        text,
        (field, value) => replaced.get(value) ?? (field === "name" ? names?.get(value) : undefined) ?? value,
      )
    },
  }
}

const mentions = (text: string, names: ToolNames.Names | undefined): boolean => {
  if (names !== undefined) for (const name of names.keys()) if (text.includes(name)) return true
  return false
}

const tagged = ({ redacted, signature }: Sealed): string => {
  const seal = redacted ?? signature
  return seal === undefined ? "" : Seals.write(seal, "")
}

/** The answer, as the house and its clients are given it. */
export const restore = (
  response: Chat.Response,
  endpoint: Endpoint,
  names: ToolNames.Names | undefined,
): Chat.Response => {
  const { part, text } = restorer(endpoint, names)
  const choice = <Choice extends Chat.Choice>(choice: Choice): Choice => {
    const content = choice.content.map(part)
    return content.some((each, at) => each !== choice.content[at]) ? { ...choice, content } : choice
  }
  const restored = choice(response)
  const alternatives = response.alternatives?.map(choice)
  const { native } = response
  const written = native === undefined ? undefined : text(native.text)
  return {
    ...restored,
    ...(alternatives === undefined ? undefined : { alternatives }),
    ...(native === undefined || written === undefined || written === native.text
      ? undefined
      : { native: { ...native, text: written, body: Json.parse(written) } }),
  }
}

/** The same of a streamed answer, piece by piece. */
export const restoring = <E, R>(
  frames: Stream.Stream<Chat.Frame, E, R>,
  endpoint: Endpoint,
  names: ToolNames.Names | undefined,
): Stream.Stream<Chat.Frame, E, R> =>
  Stream.unwrap(
    Effect.sync(() => {
      const { part, text } = restorer(endpoint, names)
      return Stream.map(frames, (frame): Chat.Frame => {
        const parts = frame.parts.map(part)
        const data = frame.native === undefined ? undefined : text(frame.native.data)
        const same = parts.every((each, at) => each === frame.parts[at])
        if (same && data === frame.native?.data) return frame
        return {
          ...frame,
          parts: same ? frame.parts : parts,
          ...(frame.native === undefined || data === undefined ? undefined : { native: { ...frame.native, data } }),
        }
      })
    }),
  )
