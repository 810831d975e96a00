/**
 * Validates and completes the tool calls of a response. In a complete response, each call has a name, a unique id, and
 * arguments that are a JSON object; otherwise the response is `Malformed`. In a truncated response (`length` and the
 * like), the last call may be truncated too.
 */
import type * as Chat from "@understudy/core/Chat"
import { ProviderError } from "@understudy/core/ProviderError"
import * as Result from "effect/Result"
import * as Json from "./Json.ts"

/** Makes the id of a call that has none, from its index. */
export type MakeId = (index: number) => string

/** The id of a call that has none: `prefix`, the index, and the response's id, which makes it unique across responses. */
export const generatedId = (prefix: string, responseId: unknown, index: number): string =>
  Json.isNonEmptyString(responseId) ? `${prefix}_${index}_${responseId}` : `${prefix}_${index}`

/** Whether a response with this finish reason is complete. */
export const isComplete = (reason: Chat.FinishReason): boolean =>
  reason === "stop" || reason === "tool-calls" || reason === "other"

/**
 * The finish reason that agrees with the number of calls: `tool-calls` without a call is `stop`, and a complete
 * response with calls is `tool-calls`.
 */
export const finish = (reason: Chat.FinishReason, calls: number): Chat.FinishReason => {
  if (calls === 0) return reason === "tool-calls" ? "stop" : reason
  return isComplete(reason) ? "tool-calls" : reason
}

const isBlank = (json: string): boolean => json.trim() === ""

/** Whether the text is a complete JSON object. */
const isObject = (json: string): boolean => json.trimEnd().endsWith("}") && Json.parseObject(json) !== undefined

/** Whether the arguments of a call are complete. */
export const hasCompleteArguments = ({
  arguments: accumulated,
  custom,
}: Pick<Chat.ToolCall, "arguments" | "custom">): boolean => custom === true || isObject(accumulated)

const malformed = (message: string): ProviderError => new ProviderError({ reason: { _tag: "Malformed" }, message })
const missingName = malformed("The model called a tool without a name")
const invalidArguments = (name: string): ProviderError =>
  malformed(`The arguments of the model's call of ${JSON.stringify(name)} are not a JSON object`)

// ---------------------------------------------------------------------------------------------------------------------
// Complete responses
// ---------------------------------------------------------------------------------------------------------------------

/** Validates a choice, fills in missing ids and empty arguments, and corrects the finish reason. */
export const normalize = <Choice extends Chat.Choice>(
  choice: Choice,
  makeId: MakeId,
): Result.Result<Choice, ProviderError> => {
  const complete = isComplete(choice.finishReason)
  const ids = new Set<string>()
  const content: Array<Chat.AssistantContent> = []
  for (const part of choice.content) {
    if (part.type !== "tool-call") {
      content.push(part)
      continue
    }
    if (complete && part.name === "") return Result.fail(missingName)
    if (complete && !isBlank(part.arguments) && !hasCompleteArguments(part)) {
      return Result.fail(invalidArguments(part.name))
    }
    const id = uniqueId(part.id, ids.size, ids, makeId)
    ids.add(id)
    const filled = complete && part.custom !== true && isBlank(part.arguments) ? "{}" : part.arguments
    content.push(id === part.id && filled === part.arguments ? part : { ...part, id, arguments: filled })
  }
  if (ids.size === 0 && choice.finishReason !== "tool-calls") return Result.succeed(choice)
  return Result.succeed({ ...choice, content, finishReason: finish(choice.finishReason, ids.size) })
}

const uniqueId = (id: string, index: number, used: ReadonlySet<string>, makeId: MakeId): string => {
  if (id !== "" && !used.has(id)) return id
  return id === "" ? makeId(index) : `${id}_${index}`
}

/** The content without a truncated call, for protocols whose arguments are an object. */
export const withoutTruncatedCall = ({ content, finishReason }: Chat.Choice): ReadonlyArray<Chat.AssistantContent> =>
  isComplete(finishReason) ? content : content.filter((part) => part.type !== "tool-call" || hasCompleteArguments(part))

// ---------------------------------------------------------------------------------------------------------------------
// Streams
// ---------------------------------------------------------------------------------------------------------------------

/** A delta of a call. */
export interface CallDelta {
  /** The protocol's key of the call, usually an index. */
  readonly slot: unknown
  readonly id?: string | undefined
  readonly name?: string | undefined
  readonly arguments: string
  /** Whether the protocol says that this delta opens a call. Otherwise it is inferred. */
  readonly opens?: boolean
  readonly custom?: true | undefined
  readonly signature?: Chat.EncryptedReasoning | undefined
}

/** Accumulates the calls of one choice. `Chat` numbers them in the order they are opened. */
export interface Calls {
  /**
   * Adds the parts of a delta. Returns false if they differ from the delta, for example in the call's id: the event
   * cannot be passed on unchanged.
   */
  readonly push: (delta: CallDelta, parts: Array<Chat.Part>) => boolean
  /** Ends a call. */
  readonly close: (slot: unknown, parts: Array<Chat.Part>) => void
  /** Adds missing parts of all calls. Returns the corrected finish reason, or the error of an invalid call. */
  readonly end: (reason: Chat.FinishReason, parts: Array<Chat.Part>) => Chat.FinishReason | ProviderError
  readonly count: () => number
}

interface Call {
  /** Undefined until the call has a name and is opened. */
  index: number | undefined
  readonly slot: unknown
  /** The id from the server. */
  id: string | undefined
  /** The id that clients see. */
  clientId: string | undefined
  name: string | undefined
  accumulated: string
  custom: true | undefined
  signature: Chat.EncryptedReasoning | undefined
  /** A second opening of a complete call: what follows belongs to another call. */
  repeated: CallDelta | undefined
}

interface State {
  readonly makeId: MakeId
  /** `{ choice }` for every part; undefined for the first choice. */
  readonly place: { readonly choice: number } | undefined
  readonly calls: Array<Call>
  readonly bySlot: Map<unknown, Call>
  readonly byId: Map<string, Call>
  readonly usedIds: Set<string>
}

/** An accumulator for `choice`. */
export const make = (makeId: MakeId, choice: number | undefined): Calls => {
  const state: State = {
    makeId,
    place: choice === undefined ? undefined : { choice },
    calls: [],
    bySlot: new Map(),
    byId: new Map(),
    usedIds: new Set(),
  }
  return {
    push: (delta, parts) => push(state, delta, parts),
    close: (slot, parts) => close(state, slot, parts),
    end: (reason, parts) => end(state, reason, parts),
    count: () => state.calls.length,
  }
}

const push = (state: State, delta: CallDelta, parts: Array<Chat.Part>): boolean => {
  const found = delta.opens === true ? undefined : find(state, delta)
  let call = found
  let opening = delta
  if (found !== undefined && found.name !== undefined) {
    switch (relation(found, delta)) {
      case "same":
        break
      case "repeated":
        found.repeated = delta
        return false
      case "known":
        return false
      case "other":
        call = undefined
        if (delta.name === undefined) opening = { ...delta, ...found.repeated, arguments: delta.arguments }
    }
  }
  call ??= add(state, opening)
  call.accumulated += delta.arguments
  if (call.name !== undefined) {
    append(state, call, delta.arguments, parts)
    // Some clients concatenate repeated ids and names.
    return delta.id === undefined && delta.name === undefined
  }
  call.id ??= opening.id
  call.name = opening.name
  call.custom ??= opening.custom
  call.signature ??= opening.signature
  if (call.name === undefined) return false
  open(state, call, parts)
  append(state, call, call.accumulated, parts)
  return call.clientId === delta.id && call.accumulated === delta.arguments
}

/** The call that a delta belongs to by its slot and id; `undefined` if it opens one. */
const find = ({ byId, bySlot, calls }: State, { id, name, slot }: CallDelta): Call | undefined => {
  const known = id === undefined ? undefined : byId.get(id)
  if (slot === undefined) return known ?? calls[calls.length - 1]
  const inSlot = bySlot.get(slot)
  // Several calls may share a slot, and one call may have several: the id decides.
  if (inSlot === undefined) return name === undefined ? known : undefined
  return known !== undefined && known.slot === slot ? known : inSlot
}

const add = ({ byId, bySlot, calls }: State, { id, slot }: CallDelta): Call => {
  const call: Call = {
    index: undefined,
    slot,
    id,
    clientId: undefined,
    name: undefined,
    accumulated: "",
    custom: undefined,
    signature: undefined,
    repeated: undefined,
  }
  calls.push(call)
  bySlot.set(slot, call)
  if (id !== undefined) byId.set(id, call)
  return call
}

const open = ({ makeId, place, usedIds }: State, call: Call, parts: Array<Chat.Part>): void => {
  const { custom, id = "", name = "", signature } = call
  const index = (call.index = usedIds.size)
  const clientId = (call.clientId = uniqueId(id, index, usedIds, makeId))
  usedIds.add(clientId)
  const signed = signature === undefined ? undefined : { signature }
  parts.push({ type: "tool-call", index, id: clientId, name, ...(custom && { custom }), ...signed, ...place })
}

const append = ({ place }: State, { index = 0 }: Call, json: string, parts: Array<Chat.Part>): void => {
  if (json !== "") parts.push({ type: "tool-call-delta", index, arguments: json, ...place })
}

/** Clients parse the arguments: a call without any needs an empty object. */
const fill = (state: State, call: Call, parts: Array<Chat.Part>): void => {
  if (call.custom !== true && isBlank(call.accumulated)) append(state, call, (call.accumulated = "{}"), parts)
}

const close = (state: State, slot: unknown, parts: Array<Chat.Part>): void => {
  const call = state.bySlot.get(slot)
  if (call?.name !== undefined) fill(state, call, parts)
}

const end = (state: State, reason: Chat.FinishReason, parts: Array<Chat.Part>): Chat.FinishReason | ProviderError => {
  if (isComplete(reason)) {
    for (const call of state.calls) {
      if (call.name === undefined) return missingName
      fill(state, call, parts)
      if (!hasCompleteArguments({ arguments: call.accumulated, custom: call.custom }))
        return invalidArguments(call.name)
    }
  }
  return finish(reason, state.usedIds.size)
}

/**
 * How a delta relates to the call with its slot: the `same` call continues; its head is `repeated`; it is a complete
 * repetition (`known`); or it belongs to an`other` call.
 */
const relation = (
  { repeated, id: ownId, name: ownName, accumulated }: Call,
  { arguments: json, id, name }: CallDelta,
): "same" | "repeated" | "known" | "other" => {
  if (name === undefined) return repeated !== undefined && !isBlank(json) ? "other" : "same"
  if (name !== ownName || (id !== undefined && id !== ownId)) return "other"
  if (!isObject(accumulated)) return "same"
  if (isBlank(json)) return "repeated"
  return id !== undefined && json === accumulated ? "known" : "other"
}
