/**
 * The tool calls of an answer, and the law they are held to: in an answer that is complete, each call has a name, an id of
 * its own, and arguments that are a JSON object; or the answer is `Malformed`. In one that was cut short (`length` and the
 * like), the last call may be cut short too.
 */
import type * as Chat from "@understudy/core/Chat"
import { ProviderError } from "@understudy/core/ProviderError"
import * as Result from "effect/Result"
import * as Json from "./Json.ts"

/** The id of the call of that number in an answer, where it was given none. */
export type Made = (index: number) => string

/** Whether an answer that ended so is complete. */
export const isComplete = (reason: Chat.FinishReason): boolean =>
  reason === "stop" || reason === "tool-calls" || reason === "other"

/** Why it ended, in an answer of that many calls: words for calls without a call are a plain end, and the other way about. */
export const finish = (reason: Chat.FinishReason, calls: number): Chat.FinishReason => {
  if (calls === 0) return reason === "tool-calls" ? "stop" : reason
  return isComplete(reason) ? "tool-calls" : reason
}

const isBlank = (json: string): boolean => json.trim() === ""

/** Whether the text is a JSON object, and nothing can follow it. */
const isObject = (json: string): boolean => json.trimEnd().endsWith("}") && Json.parseObject(json) !== undefined

/** Whether all of the call is there. */
export const isWhole = ({ arguments: written, custom }: Pick<Chat.ToolCall, "arguments" | "custom">): boolean =>
  custom === true || isObject(written)

const malformed = (message: string): ProviderError => new ProviderError({ reason: { _tag: "Malformed" }, message })
const nameless = malformed("The model called a tool without a name")
const broken = (name: string): ProviderError =>
  malformed(`The arguments of the model's call of ${JSON.stringify(name)} are not a JSON object`)

// ---------------------------------------------------------------------------------------------------------------------
// Whole answers
// ---------------------------------------------------------------------------------------------------------------------

/** The choice by the law: ids and empty arguments are filled in, and the finish reason agrees with the calls. */
export const settle = <Choice extends Chat.Choice>(
  choice: Choice,
  made: Made,
): Result.Result<Choice, ProviderError> => {
  const complete = isComplete(choice.finishReason)
  const ids = new Set<string>()
  const content: Array<Chat.AssistantContent> = []
  for (const part of choice.content) {
    if (part.type !== "tool-call") {
      content.push(part)
      continue
    }
    if (complete && part.name === "") return Result.fail(nameless)
    if (complete && !isBlank(part.arguments) && !isWhole(part)) {
      return Result.fail(broken(part.name))
    }
    const id = unused(part.id, ids.size, ids, made)
    ids.add(id)
    const filled = complete && part.custom !== true && isBlank(part.arguments) ? "{}" : part.arguments
    content.push(id === part.id && filled === part.arguments ? part : { ...part, id, arguments: filled })
  }
  if (ids.size === 0 && choice.finishReason !== "tool-calls") return Result.succeed(choice)
  return Result.succeed({ ...choice, content, finishReason: finish(choice.finishReason, ids.size) })
}

const unused = (id: string, index: number, used: ReadonlySet<string>, made: Made): string => {
  if (id !== "" && !used.has(id)) return id
  return id === "" ? made(index) : `${id}_${index}`
}

/** What of an answer can be told where a call's arguments are an object: not the call that it was cut short in. */
export const tellable = ({ content, finishReason }: Chat.Choice): ReadonlyArray<Chat.AssistantContent> =>
  isComplete(finishReason) ? content : content.filter((part) => part.type !== "tool-call" || isWhole(part))

// ---------------------------------------------------------------------------------------------------------------------
// Streams
// ---------------------------------------------------------------------------------------------------------------------

/** What an event tells of a call. */
export interface Piece {
  /** Which call it belongs to, as the protocol counts them: an index, as a rule. */
  readonly slot: unknown
  readonly id?: string | undefined
  readonly name?: string | undefined
  readonly arguments: string
  /** Whether the protocol itself says that this opens a call; else it does by what it says, and what was there. */
  readonly opens?: boolean
  readonly custom?: true | undefined
  readonly signature?: Chat.EncryptedReasoning | undefined
}

/** One choice's calls while they are being written. `Chat` counts them in the order they were opened. */
export interface Calls {
  /**
   * Adds what the piece comes to. False where that is more or less than the piece itself says, such as an id of the call's
   * own: it cannot go out as it came.
   */
  readonly push: (piece: Piece, parts: Array<Chat.Part>) => boolean
  /** Ends the call: nothing more is said of it. */
  readonly close: (slot: unknown, parts: Array<Chat.Part>) => void
  /** Adds what is missing of the calls, and says why the answer ended, or that it is none. */
  readonly end: (reason: Chat.FinishReason, parts: Array<Chat.Part>) => Chat.FinishReason | ProviderError
  readonly count: () => number
}

interface Call {
  /** Undefined until its name is known: it is not opened before. */
  index: number | undefined
  readonly slot: unknown
  /** As the server gave it. */
  id: string | undefined
  /** The id it is known by from here on. */
  told: string | undefined
  name: string | undefined
  written: string
  custom: true | undefined
  signature: Chat.EncryptedReasoning | undefined
  /** The call was opened once more after it was whole: what is written next is another's. */
  again: Piece | undefined
}

/** The calls of `choice`. */
export const make = (made: Made, choice: number | undefined): Calls => {
  const at = choice === undefined ? undefined : { choice }
  const calls: Array<Call> = []
  const bySlot = new Map<unknown, Call>()
  const byId = new Map<string, Call>()
  const used = new Set<string>()

  const find = ({ id, name, slot }: Piece): Call | undefined => {
    const known = id === undefined ? undefined : byId.get(id)
    if (slot === undefined) return known ?? calls[calls.length - 1]
    const there = bySlot.get(slot)
    // Several calls under one index: their ids tell them apart. One call under several: so does the id.
    if (there === undefined) return name === undefined ? known : undefined
    return known !== undefined && known.slot === slot ? known : there
  }

  const add = (piece: Piece): Call => {
    const { id, slot } = piece
    const call: Call = {
      index: undefined,
      slot,
      id,
      told: undefined,
      name: undefined,
      written: "",
      custom: undefined,
      signature: undefined,
      again: undefined,
    }
    calls.push(call)
    bySlot.set(slot, call)
    if (id !== undefined) byId.set(id, call)
    return call
  }

  const open = (call: Call, parts: Array<Chat.Part>): void => {
    const { custom, id = "", name = "", signature } = call
    const index = (call.index = used.size)
    const told = (call.told = unused(id, index, used, made))
    used.add(told)
    const seal = signature === undefined ? undefined : { signature }
    parts.push({ type: "tool-call", index, id: told, name, ...(custom && { custom }), ...seal, ...at })
  }

  const push = (piece: Piece, parts: Array<Chat.Part>): boolean => {
    const found = piece.opens === true ? undefined : find(piece)
    let call = found
    let opening = piece
    if (found !== undefined && found.name !== undefined) {
      switch (relation(found, piece)) {
        case "same":
          break
        case "repeated":
          found.again = piece
          return false
        case "known":
          return false
        case "other":
          call = undefined
          if (piece.name === undefined) opening = { ...piece, ...found.again, arguments: piece.arguments }
      }
    }
    call ??= add(opening)
    call.written += piece.arguments
    if (call.name !== undefined) {
      append(call, piece.arguments, parts)
      // Some clients add up what they are told twice.
      return piece.id === undefined && piece.name === undefined
    }
    call.id ??= opening.id
    call.name = opening.name
    call.custom ??= opening.custom
    call.signature ??= opening.signature
    if (call.name === undefined) return false
    open(call, parts)
    append(call, call.written, parts)
    return call.told === piece.id && call.written === piece.arguments
  }

  const append = ({ index = 0 }: Call, json: string, parts: Array<Chat.Part>): void => {
    if (json !== "") parts.push({ type: "tool-arguments", index, arguments: json, ...at })
  }

  // Whoever parses the arguments of a call without any needs the empty object.
  const fill = (call: Call, parts: Array<Chat.Part>): void => {
    if (call.custom !== true && isBlank(call.written)) append(call, (call.written = "{}"), parts)
  }

  const close = (slot: unknown, parts: Array<Chat.Part>): void => {
    const call = bySlot.get(slot)
    if (call?.name !== undefined) fill(call, parts)
  }

  const end = (reason: Chat.FinishReason, parts: Array<Chat.Part>): Chat.FinishReason | ProviderError => {
    if (isComplete(reason)) {
      for (const call of calls) {
        if (call.name === undefined) return nameless
        fill(call, parts)
        if (!isWhole({ arguments: call.written, custom: call.custom })) return broken(call.name)
      }
    }
    return finish(reason, used.size)
  }

  return { push, close, end, count: () => calls.length }
}

/**
 * What a piece is to the call that stands where it points: more of the `same`; the head of it `repeated`, or all of it
 * (`known`); or an`other` call's.
 */
const relation = (
  { again, id: ownId, name: ownName, written }: Call,
  { arguments: json, id, name }: Piece,
): "same" | "repeated" | "known" | "other" => {
  if (name === undefined) return again !== undefined && !isBlank(json) ? "other" : "same"
  if (name !== ownName || (id !== undefined && id !== ownId)) return "other"
  if (!isObject(written)) return "same"
  if (isBlank(json)) return "repeated"
  return id !== undefined && json === written ? "known" : "other"
}
