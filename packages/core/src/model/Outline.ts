/**
 * The outline of a client's request: the request with its long texts shortened. A call that is passed through to a provider
 * of the client's protocol, or encoded for another protocol, reads no more of it: the texts are taken from the client's bytes
 * when the request is written.
 *
 * A request with an outline has getters for the fields that contain texts: reading one gives the whole request,
 * built once.
 */
import type * as Chat from "./Chat.ts"

export interface Outline {
  /** The request, as decoded from the outline of its body; decoded again if it is read after `release`. */
  readonly request: Chat.Request
  /** `request` without its conversation: all that a call reads once its request is written. */
  readonly settings: Chat.Request
  /** Lets go of `request`: what survives until the provider responds is copied by the garbage collector. */
  readonly release: () => void
  /** The length of what was left out of its texts, in UTF-16 code units. */
  readonly characters: number
  /** Builds the whole request, once. */
  readonly whole: () => Chat.Request
  /**
   * The JSON of a body that was made from that of `request` by replacing, adding and removing members, with the whole texts.
   * `undefined` if a new member contains a shortened text.
   */
  readonly print: (body: object) => Uint8Array | undefined
  /** The whole text, if it is shortened or is JSON with shortened texts. */
  readonly restore: (text: string) => string
  /** For providers of other protocols; `undefined` if they need the whole request. */
  readonly encoding: Encoding | undefined
}

export interface Encoding {
  /** The JSON of a body that was encoded from `request`, with the whole texts. `undefined` if a text was changed. */
  readonly write: (body: object) => Uint8Array | undefined
}

const outlined = Symbol("@understudy/core/Outline")

/** In the `native` of a request, which describes it: a changed request for another protocol has neither. */
interface Outlined extends Chat.Native {
  readonly [outlined]?: Outline
}

/** The outline of a request, if it has one. */
export const of = ({ native }: Pick<Chat.Request, "native">): Outline | undefined =>
  (native as Outlined | undefined)?.[outlined]

/** The request, or its outline without the conversation: to read anything else. */
export const settings = (request: Chat.Request): Chat.Request => of(request)?.settings ?? request

/** The fields of a request that `set` replaces. */
type Changes = Partial<Pick<Chat.Request, "model" | "sampling" | "reasoning" | "overrides" | "unsupportedParams">> & {
  readonly native?: Pick<Chat.Native, "headers" | "query"> | undefined
}

/** A request that is built on demand. */
export const toRequest = (outline: Outline): Chat.Request => build(outline, outline.settings)

/** The request with other fields; `native` adds to its own. Does not build the whole request. */
export const set = <Request extends { readonly native?: Chat.Native | undefined }>(
  request: Request,
  changes: Changes,
): Request => {
  const outline = of(request)
  if (outline !== undefined) return build(outline, request as unknown as Chat.Request, changes) as unknown as Request
  const { native, ...fields } = changes
  return native === undefined || request.native === undefined
    ? { ...request, ...fields }
    : { ...request, ...fields, native: { ...request.native, ...native } }
}

/** The outline of the body in place of a request's own, if it has one: for a provider of the client's protocol. */
export const shorten = (request: Chat.Request): Chat.Request => {
  const outline = of(request)
  return outline === undefined ? request : own(outline.request, request)
}

/** The settings of the outline in place of a request's own, if it has one. */
export const sent = (request: Chat.Request): Chat.Request => {
  const outline = of(request)
  return outline === undefined ? request : own(outline.settings, request)
}

/**
 * The outline of a request for the encoder of another protocol, with the arguments of tool calls whole: some protocols have
 * them as objects. `undefined` if the encoder reads texts: citations have positions in them, and a JSON format asks whether one
 * mentions JSON.
 */
export const toEncode = (request: Chat.Request, { restore }: Pick<Outline, "restore">): Chat.Request | undefined => {
  const short = shorten(request)
  if (short.format?.type === "json") return undefined
  const messages: Array<Chat.Message> = []
  for (const message of short.messages) {
    if (message.role !== "assistant") {
      messages.push(message)
      continue
    }
    if (message.content.some((part) => part.type === "text" && part.citations !== undefined)) return undefined
    const content = message.content.map((part) =>
      part.type === "tool-call" ? { ...part, arguments: restore(part.arguments) } : part,
    )
    messages.push({ ...message, content })
  }
  return { ...short, messages }
}

/** The whole request in place of one that is built on demand. */
export const whole = (request: Chat.Request): Chat.Request => {
  const outline = of(request)
  return outline === undefined ? request : own(outline.whole(), request)
}

/** The conversation in a body of any protocol. */
const conversation: ReadonlySet<string> = new Set(["messages", "input", "contents", "system", "instructions"])

/** The `settings` of a request. */
export const settingsOf = (request: Chat.Request): Chat.Request => {
  const { native } = request
  const body: Record<string, unknown> = {}
  for (const name in native?.body) if (!conversation.has(name)) body[name] = native.body[name]
  return { ...request, messages: [], native: native && { ...native, body } }
}

/** A request of the client with what the engine set in `request`. */
const own = (
  from: Chat.Request,
  { model, native, overrides, reasoning, sampling, unsupportedParams }: Chat.Request,
): Chat.Request => ({
  ...from,
  model,
  sampling,
  reasoning,
  overrides,
  unsupportedParams,
  native: { protocol: from.native!.protocol, body: from.native!.body, headers: native!.headers, query: native!.query },
})

const build = (outline: Outline, from: Chat.Request, changes: Changes = {}): Chat.Request => {
  const { settings, whole } = outline
  const native: Outlined = {
    [outlined]: outline,
    protocol: settings.native!.protocol,
    headers: changes.native?.headers ?? from.native!.headers,
    query: changes.native?.query ?? from.native!.query,
    get body() {
      return whole().native!.body
    },
  }
  return {
    native,
    model: changes.model ?? from.model,
    sampling: changes.sampling ?? from.sampling,
    unsupportedParams: changes.unsupportedParams ?? from.unsupportedParams,
    reasoning: changes.reasoning ?? from.reasoning,
    overrides: changes.overrides ?? from.overrides,
    toolChoice: settings.toolChoice,
    parallelToolCalls: settings.parallelToolCalls,
    get messages() {
      return whole().messages
    },
    get tools() {
      return whole().tools
    },
    get format() {
      return whole().format
    },
    get metadata() {
      return whole().metadata
    },
    get user() {
      return whole().user
    },
    get vendor() {
      return whole().vendor
    },
    get droppedParams() {
      return whole().droppedParams
    },
    get requiredUnsupported() {
      return whole().requiredUnsupported
    },
  }
}
