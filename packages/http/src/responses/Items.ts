/**
 * The items of conversations in OpenAI's Responses: those of a stored response as the input of a later call, and as clients list
 * them.
 *
 * Every vendor gets all earlier items that it can read. What only the vendor that issued it can read (references to its files,
 * items of tools that it runs with the client) is left out for the others, and named.
 */
import * as Json from "@understudy/providers/internal/protocols/Json"
import * as JsonText from "@understudy/providers/internal/protocols/JsonText"
import * as Responses from "@understudy/providers/protocols/responses"
import * as Predicate from "effect/Predicate"
import * as Result from "effect/Result"

export type Item = Readonly<Record<string, unknown>>

/** The items of a request's `input`: none of an empty text. */
export const ofInput = (input: unknown): ReadonlyArray<unknown> =>
  Json.isNonEmptyString(input) ? [{ type: "message", role: "user", content: input }] : Json.list(input)

/** The output of a stored response. */
export const ofOutput = (response: string): ReadonlyArray<unknown> =>
  Json.list(Json.fields(JsonText.parse(response))["output"])

/** The ids of items, without those that no database takes. */
export const ids = (items: ReadonlyArray<unknown>): ReadonlyArray<string> =>
  [...new Set(items.map((item) => Json.fields(item)["id"]))].filter(isId)

/** Whether a value may be the id of anything that is stored: PostgreSQL takes no text with a zero byte. */
export const isId = (value: unknown): value is string => Predicate.isString(value) && /^[\x21-\x7e]{1,512}$/.test(value)

/** The items of a JSON list. */
export const ofList = (input: string): ReadonlyArray<unknown> => Json.list(JsonText.parse(input))

/** An item that was stored as JSON. */
export const ofJson = (item: string): Item => Json.fields(JsonText.parse(item))

/** The items that were the input and the output of a response, in order. */
export const ofTurn = ({ input, response }: { readonly input: string; readonly response: string }) => [
  ...ofList(input),
  ...ofOutput(response),
]

/** The items whose ids belong to a response that its vendor stored: the items are complete without them. */
const withoutIds: ReadonlySet<unknown> = new Set(["message", "reasoning", "function_call", "custom_tool_call"])

/**
 * An earlier item as input of a later call. Reasoning without content or an encrypted form is useless, because its vendor has
 * stored nothing: `undefined`.
 */
const asInput = (item: unknown): unknown => {
  const { id: _id, ...rest } = Json.fields(item)
  const { content, encrypted_content: encrypted, type } = rest
  if (type === "reasoning" && !Predicate.isString(encrypted) && Json.list(content).length === 0) return undefined
  return type === undefined || withoutIds.has(type) ? rest : item
}

/** Earlier items as input of a later call. */
export const asInputs = (items: ReadonlyArray<unknown>): ReadonlyArray<unknown> =>
  items.map(asInput).filter((item) => item !== undefined)

/** The earlier items of a conversation. A compaction item replaces those before it. */
export interface History {
  /** For a vendor of this protocol. */
  readonly own: ReadonlyArray<unknown>
  /** For others, with noun phrases for what was left out. */
  readonly portable: ReadonlyArray<unknown>
  readonly dropped: ReadonlyArray<string>
}

export const history = (items: ReadonlyArray<unknown>): History => {
  const all = asInputs(items)
  const own = sinceLast(all, () => true)
  const readable = sinceLast(all, Responses.Compaction.isReadable)
  const { dropped, items: kept } = portable(readable)
  return { own, portable: dropped.length === 0 && own.length === readable.length ? own : kept, dropped }
}

/** The items from the last compaction item on whose content this is true of; all of them if there is none. */
const sinceLast = (items: ReadonlyArray<unknown>, isRead: (content: unknown) => boolean): ReadonlyArray<unknown> => {
  const at = items.findLastIndex((item) => {
    const { encrypted_content: content, type } = Json.fields(item)
    return type === "compaction" && isRead(content)
  })
  return at > 0 ? items.slice(at) : items
}

// ---------------------------------------------------------------------------------------------------------------------
// What other vendors can read
// ---------------------------------------------------------------------------------------------------------------------

/** Items that a vendor of another protocol can read, and noun phrases for what was left out. */
interface Portable {
  readonly items: ReadonlyArray<unknown>
  readonly dropped: ReadonlyArray<string>
}

const portable = (items: ReadonlyArray<unknown>): Portable => {
  const dropped = new Set<string>()
  const kept = items.flatMap((item) => {
    const { content, encrypted_content: encrypted, output, type } = Json.fields(item)
    if (type === "compaction" && !Responses.Compaction.isReadable(encrypted)) {
      // What it replaces is still there.
      dropped.add("compaction items of another provider")
      return []
    }
    const fitted = {
      ...Json.fields(item),
      ...(Array.isArray(content) ? { content: portableParts(content, dropped) } : undefined),
      ...(Array.isArray(output) ? { output: portableParts(output, dropped) } : undefined),
    }
    if (isReadable(fitted)) return [fitted]
    dropped.add(`${Json.nonEmptyString(Json.fields(item)["type"]) ?? "unknown"} items of earlier responses`)
    return []
  })
  return dropped.size === 0 ? { items, dropped: [] } : { items: kept, dropped: [...dropped] }
}

const portableParts = (parts: ReadonlyArray<unknown>, dropped: Set<string>): ReadonlyArray<unknown> =>
  parts.map((part) => {
    const { file_id: file, type } = Json.fields(part)
    if (!Predicate.isString(file) || (type !== "input_file" && type !== "input_image")) return part
    dropped.add(`${type} parts of earlier responses with a file_id`)
    return { type: "input_text", text: missingFile }
  })

/** In place of a file, so that the model knows that there was one. */
const missingFile = "[A file was here that is only available to another provider.]"

/** Whether every vendor can read an item, hosted tools aside, whose items are dropped for each vendor that does not know them. */
const isReadable = (item: Item): boolean =>
  Result.match(Responses.Request.decodeReferring({ model: "any", input: [item] }), {
    onSuccess: ({ requiredUnsupported = [] }) => requiredUnsupported.length === 0,
    onFailure: () => false,
  })

// ---------------------------------------------------------------------------------------------------------------------
// Lists
// ---------------------------------------------------------------------------------------------------------------------

/** Which items a page has: in which order, after which of them, and at most how many. */
export interface PageOf {
  readonly order: "asc" | "desc"
  readonly after: string | undefined
  readonly limit: number
}

/** Items as clients list them: each with an id, and a message with a list of parts. */
export const listed = (items: ReadonlyArray<unknown>, responseId: string): ReadonlyArray<Item> =>
  items.map((item, index) => {
    const fields = Json.fields(item)
    const { content, id: given, role } = fields
    const id = isId(given) ? given : `${prefixOf(fields)}_${responseId.replace(/^resp_/, "")}_in_${index}`
    if (role === undefined) return { ...fields, id }
    const part = { type: role === "assistant" ? "output_text" : "input_text", text: content }
    return {
      ...fields,
      id,
      type: "message",
      status: fields["status"] ?? "completed",
      content: Predicate.isString(content) ? [role === "assistant" ? { ...part, annotations: [] } : part] : content,
    }
  })

/** The response whose input or output has an item, by an id that `listed` gave it. */
export const responseOf = (itemId: string): string | undefined => {
  const [, id] = /^[a-z]+_(\w+)_in_\d+$/.exec(itemId) ?? []
  return id === undefined ? undefined : `resp_${id}`
}

/** The prefix of the ids of an item's type, as OpenAI writes them. */
const prefixOf = ({ role, type }: Item): string =>
  role === undefined ? (prefixes.get(Json.string(type)) ?? "item") : "msg"

const prefixes: ReadonlyMap<string, string> = new Map([
  ["message", "msg"],
  ["reasoning", "rs"],
  ["function_call", "fc"],
  ["function_call_output", "fco"],
  ["custom_tool_call", "ctc"],
  ["custom_tool_call_output", "ctco"],
])
