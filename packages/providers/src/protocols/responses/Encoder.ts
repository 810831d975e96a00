/**
 * A streamed answer as its client reads it: frames in, the text of server-sent events out.
 *
 * Frames of this very protocol go out as they came. Whatever came, the client sees what its SDK relies on: the response
 * created, every item added and done, and one terminal event, `response.completed` or `response.incomplete`, which says
 * all of it again. A stream that broke ends as OpenAI's do: an `error` event, at which SDKs throw, then `response.failed`,
 * for which Codex waits.
 */
import type * as Chat from "@understudy/core/Chat"
import * as Predicate from "effect/Predicate"
import type { Answering, Encoder } from "../Dialect.ts"
import * as Json from "../Json.ts"
import type { Fields } from "../Json.ts"
import * as Errors from "./Errors.ts"
import * as Namespaces from "./Namespaces.ts"
import { protocol } from "./Protocol.ts"
import * as Snapshot from "./Snapshot.ts"
import * as Usage from "./Usage.ts"
import * as Writer from "./Writer.ts"

export const encoder = ({ created, id, request }: Answering): Encoder => {
  const state: State = {
    writer: Writer.make(id, Namespaces.of(request)),
    response: { id: `resp_${id}`, created_at: created, model: request.model },
    settings: undefined,
    request,
    begun: false,
    ended: false,
    finish: "stop",
    usage: undefined,
  }
  return {
    push: ({ native, parts }) => {
      if (native?.protocol !== protocol) return write(parts, state)
      learn(parts, state)
      follow(native, parts, state)
      return pass(native)
    },
    end: () => (state.ended ? "" : begin(state) + terminal(state)),
    fail: (error) => {
      if (state.ended) return ""
      state.ended = true
      const failed = { status: "failed", error: Errors.ofResponse(error) }
      return (
        begin(state) +
        Writer.event(state.writer, "error", `,"error":${JSON.stringify(Errors.encode(error).error)}`) +
        Writer.event(state.writer, "response.failed", `,"response":${snapshot(state, failed)}`)
      )
    },
  }
}

interface State {
  readonly writer: Writer.State
  /** What the client knows the response by. */
  response: { readonly id: string; readonly created_at: number; readonly model: string }
  /** The JSON of what the response says of its request, once it has been said. */
  settings: string | undefined
  readonly request: Chat.Request
  /** Whether the client has been told of the response, and of its end. */
  begun: boolean
  ended: boolean
  finish: Chat.FinishReason
  usage: Chat.Usage | undefined
}

// ---------------------------------------------------------------------------------------------------------------------
// The response
// ---------------------------------------------------------------------------------------------------------------------

const snapshot = (state: State, outcome: Record<string, unknown>): string => {
  const { created_at, id, model } = state.response
  state.settings ??= JSON.stringify(Snapshot.settings(state.request)).slice(1, -1)
  const usage = state.usage === undefined ? null : Usage.encode(state.usage)
  const head = { id, object: "response", created_at, error: null, incomplete_details: null, ...outcome, model, usage }
  // What is not done has left a hole.
  const output = state.writer.done.filter((item) => item !== undefined).join()
  return `${JSON.stringify(head).slice(0, -1)},"output":[${output}],${state.settings}}`
}

const begin = (state: State): string => {
  if (state.begun) return ""
  state.begun = true
  const fields = `,"response":${snapshot(state, { status: "in_progress" })}`
  return (
    Writer.event(state.writer, "response.created", fields) + Writer.event(state.writer, "response.in_progress", fields)
  )
}

const terminal = (state: State): string => {
  state.ended = true
  const outcome = Snapshot.outcome(state.finish, state.writer.refuses)
  const closed = Writer.close(state.writer, "completed")
  return (
    closed + Writer.event(state.writer, `response.${outcome.status}`, `,"response":${snapshot(state, { ...outcome })}`)
  )
}

// ---------------------------------------------------------------------------------------------------------------------
// Other protocols' frames
// ---------------------------------------------------------------------------------------------------------------------

const write = (parts: ReadonlyArray<Chat.Part>, state: State): string => {
  let events = ""
  for (const part of parts) {
    // The protocol knows one answer.
    if ("choice" in part && part.choice !== undefined && part.choice !== 0) continue
    events += writePart(part, state)
  }
  return events
}

const writePart = (part: Chat.Part, state: State): string => {
  switch (part.type) {
    case "start":
      state.response = { ...state.response, model: part.model ?? state.response.model }
      return ""
    case "usage":
      state.usage = part.usage
      return ""
    case "finish": {
      state.finish = part.reason
      const { status } = Snapshot.outcome(part.reason, state.writer.refuses)
      return begin(state) + Writer.close(state.writer, status)
    }
    default:
      return begin(state) + writeContent(part, state.writer)
  }
}

const writeContent = (
  part: Exclude<Chat.Part, { readonly type: "start" | "usage" | "finish" }>,
  writer: Writer.State,
): string => {
  switch (part.type) {
    case "text":
      return part.text === "" ? "" : Writer.text(writer, part.text, part.logprobs)
    case "reasoning":
      return Writer.reasoning(writer, part)
    case "citation":
      return Writer.citation(writer, part.citation)
    case "refusal":
      return part.text === "" ? "" : Writer.refusal(writer, part.text)
    case "tool-call":
      return Writer.call(writer, part)
    case "tool-arguments":
      return part.arguments === "" ? "" : Writer.callArguments(writer, part.index, part.arguments)
  }
}

// ---------------------------------------------------------------------------------------------------------------------
// This protocol's own frames
// ---------------------------------------------------------------------------------------------------------------------

/** Written as it came. Data of several lines is so many lines of an event. */
const pass = ({ data, event }: Chat.NativeEvent): string => {
  const lines = data.includes("\n") ? data.replaceAll("\n", "\ndata: ") : data
  return event === undefined ? `data: ${lines}\n\n` : `event: ${event}\ndata: ${lines}\n\n`
}

const learn = (parts: ReadonlyArray<Chat.Part>, state: State): void => {
  for (const part of parts) {
    if (part.type === "usage") state.usage = part.usage
    else if (part.type === "finish") state.finish = part.reason
  }
}

/** Keeps up with what the client was told, so that another can go on from there, or the end be told. */
const follow = ({ data, event = "" }: Chat.NativeEvent, parts: ReadonlyArray<Chat.Part>, state: State): void => {
  const { writer } = state
  // Most events are deltas, and say no more than their parts.
  if (event.endsWith(".delta")) {
    writer.sequence++
    for (const part of parts) if (part.type === "text") grow(part.text, writer)
    return
  }
  const body = Json.fields(Json.parse(data))
  writer.sequence = (Json.number(body["sequence_number"]) ?? writer.sequence) + 1
  switch (event) {
    case "response.created":
    case "response.queued":
    case "response.in_progress":
      state.begun = true
      adopt(Json.fields(body["response"]), state)
      return
    case "response.completed":
    case "response.incomplete":
      state.ended = true
      return
    default:
      followItem(event, body, writer)
  }
}

const grow = (text: string, { message }: Writer.State): void => {
  if (message?.part !== undefined) message.part.text += text
}

/** The client knows the response as its own upstream named it. */
const adopt = (response: Fields, state: State): void => {
  const { created_at, error: _error, id, incomplete_details: _details, model, ...more } = response
  const { object: _object, output: _output, status: _status, usage: _usage, ...settings } = more
  const { response: known } = state
  state.response = {
    id: Json.words(id) ?? known.id,
    created_at: Json.number(created_at) ?? known.created_at,
    model: Json.words(model) ?? known.model,
  }
  state.settings = JSON.stringify(settings).slice(1, -1)
}

/** Only words can be gone on with, so only messages are kept up with while they are written. */
const followItem = (event: string, body: Fields, writer: Writer.State): void => {
  const index = Json.number(body["output_index"]) ?? writer.next
  const item = Json.fields(body["item"])
  const { message } = writer
  switch (event) {
    case "response.output_item.added":
      writer.next = index + 1
      if (item["type"] === "message") {
        writer.message = { id: Json.string(item["id"]), index, content: [], part: undefined }
      }
      return
    case "response.output_item.done":
      writer.next = Math.max(writer.next, index + 1)
      writer.done[index] = JSON.stringify(item)
      if (message?.index === index) writer.message = undefined
      return
    case "response.content_part.added":
      if (message?.index !== index) return
      message.part = Writer.part(message, Json.fields(body["part"])["type"] === "refusal" ? "refusal" : "output_text")
      return
    case "response.content_part.done":
      if (message?.index !== index || !Predicate.isObject(body["part"])) return
      message.content.push({ ...body["part"] })
      message.part = undefined
      return
    case "response.output_text.annotation.added":
      message?.part?.annotations.push(body["annotation"])
      return
  }
}
