/**
 * Encodes a stream for a Responses client: frames in, server-sent events out.
 *
 * Frames of this protocol are passed on unchanged. In any case the client gets what its SDK relies on: the response
 * created, every item added and done, and one terminal event, `response.completed` or `response.incomplete`, which
 * repeats the response. A failed stream ends as OpenAI's do: an `error` event, at which SDKs throw, then
 * `response.failed`, for which Codex waits.
 *
 * If the gateway stores the response, its own fields replace the provider's, and the terminal event is written by `end`, after
 * the response was stored.
 */
import type * as Chat from "@understudy/core/Chat"
import type { Answering, Encoder } from "../ClientProtocol.ts"
import * as EventText from "../EventText.ts"
import * as Json from "../Json.ts"
import * as Compaction from "./Compaction.ts"
import * as Errors from "./Errors.ts"
import * as Follow from "./Follow.ts"
import * as Stored from "./Stored.ts"
import * as Namespaces from "./Namespaces.ts"
import { protocol } from "./Protocol.ts"
import * as ResponseObject from "./ResponseObject.ts"
import * as OutputItemWriter from "./OutputItemWriter.ts"

export const encoder = (answering: Answering): Encoder => {
  const { created, id, request } = answering
  const state: State = {
    answering,
    writer: OutputItemWriter.make(id, Namespaces.of(request)),
    response: { id: `resp_${id}`, created_at: created, model: request.model },
    lastResponse: undefined,
    held: undefined,
    settings: undefined,
    started: false,
    ended: false,
    finish: "stop",
    usage: undefined,
    compacts: undefined,
    summary: "",
  }
  return {
    push: ({ native, parts }) => {
      // Events after the terminal event are ignored.
      if (state.ended) return ""
      if (native?.protocol !== protocol) return write(parts, state)
      record(parts, state)
      follow(native, parts, state)
      return answering.stored === undefined ? pass(native) : passStored(native, answering.stored(), state)
    },
    end: () => end(state),
    fail: (error) => {
      if (state.ended) return end(state)
      state.ended = true
      const failed = ResponseObject.failed(Errors.ofResponse(error))
      return (
        startResponse(state) +
        OutputItemWriter.event(state.writer, "error", Errors.ofEvent(error)) +
        OutputItemWriter.event(state.writer, "response.failed", `,"response":${snapshot(state, failed)}`)
      )
    },
    response: answering.stored && (() => storedResponse(state)),
    isHeld: answering.stored && (() => state.held !== undefined),
  }
}

const end = (state: State): string => {
  if (!state.ended) return startResponse(state) + terminal(state)
  const { answering, held } = state
  state.held = undefined
  return held === undefined ? "" : pass({ ...held, data: Stored.event(held.data, answering.stored?.()) })
}

interface State {
  readonly answering: Answering
  readonly writer: OutputItemWriter.State
  /** The identity that the client received. */
  response: ResponseObject.Identity
  /** The last event of an upstream of this protocol that contains the response. */
  lastResponse: string | undefined
  /** The terminal event of such an upstream, until the response is stored. */
  held: Chat.NativeEvent | undefined
  /** The JSON of the request's settings in the response, once written. */
  settings: string | undefined
  /** Whether the client has received the response's start, and its end. */
  started: boolean
  ended: boolean
  finish: Chat.FinishReason
  usage: Chat.Usage | undefined
  /** Whether the request asks for a compaction, once asked, and its text. */
  compacts: boolean | undefined
  summary: string
}

// ---------------------------------------------------------------------------------------------------------------------
// The response
// ---------------------------------------------------------------------------------------------------------------------

const snapshot = (state: State, outcome: ResponseObject.Outcome): string => {
  const { answering, response, usage, writer } = state
  const { id = response.id, ...fields } = answering.stored?.() ?? {}
  const identity = { ...response, id: String(id) }
  const head = JSON.stringify(ResponseObject.head(identity, outcome, usage, ResponseObject.now(answering)))
  const settings =
    answering.stored === undefined
      ? (state.settings ??= members(settingsOf(state)))
      : members({ ...settingsOf(state), ...fields })
  return `${head.slice(0, -1)},"output":${OutputItemWriter.output(writer)},${settings}}`
}

const settingsOf = ({ answering, lastResponse = "" }: State): Record<string, unknown> =>
  ResponseObject.settings(answering.request, Json.fields(Json.fields(Json.parseExact(lastResponse))["response"]))

/** The members of an object as JSON. */
const members = (object: object): string => JSON.stringify(object).slice(1, -1)

const startResponse = (state: State): string => {
  if (state.started) return ""
  state.started = true
  const fields = `,"response":${snapshot(state, ResponseObject.inProgress)}`
  return (
    OutputItemWriter.event(state.writer, "response.created", fields) +
    OutputItemWriter.event(state.writer, "response.in_progress", fields)
  )
}

const terminal = (state: State): string => {
  state.ended = true
  const outcome = ResponseObject.outcome(state.finish, state.writer.hasRefusal)
  const closed = OutputItemWriter.close(state.writer, "completed")
  return (
    closed +
    OutputItemWriter.event(state.writer, `response.${outcome.status}`, `,"response":${snapshot(state, outcome)}`)
  )
}

// ---------------------------------------------------------------------------------------------------------------------
// Other protocols' frames
// ---------------------------------------------------------------------------------------------------------------------

const write = (parts: ReadonlyArray<Chat.Part>, state: State): string => {
  let events = ""
  for (const part of parts) {
    // The protocol supports one choice.
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
      const { status } = ResponseObject.outcome(part.reason, state.writer.hasRefusal)
      return startResponse(state) + (writeSummary(state) ?? OutputItemWriter.close(state.writer, status))
    }
    default:
      return startResponse(state) + (summarize(part, state) ?? writeContent(part, state.writer))
  }
}

/** Collects the text of a compaction, which is one item. `undefined` if the request does not ask for one. */
const summarize = (part: Chat.Part, state: State): string | undefined => {
  state.compacts ??= Compaction.isRequested(state.answering.request)
  if (!state.compacts) return undefined
  if (part.type === "text") state.summary += part.text
  return ""
}

const writeSummary = ({ answering, compacts, summary, writer }: State): string | undefined =>
  compacts === true ? OutputItemWriter.whole(writer, Compaction.item(answering.id, summary)) : undefined

const writeContent = (
  part: Exclude<Chat.Part, { readonly type: "start" | "usage" | "finish" }>,
  writer: OutputItemWriter.State,
): string => {
  switch (part.type) {
    case "text":
      return part.text === "" ? "" : OutputItemWriter.text(writer, part.text, part.logprobs)
    case "reasoning":
      return OutputItemWriter.reasoning(writer, part)
    case "citation":
      return OutputItemWriter.citation(writer, part.citation)
    case "refusal":
      return part.text === "" ? "" : OutputItemWriter.refusal(writer, part.text)
    case "tool-call":
      return OutputItemWriter.call(writer, part)
    case "tool-call-delta":
      return part.arguments === "" ? "" : OutputItemWriter.callArguments(writer, part.index, part.arguments)
  }
}

// ---------------------------------------------------------------------------------------------------------------------
// This protocol's own frames
// ---------------------------------------------------------------------------------------------------------------------

/** Passes an event on. Data of several lines becomes several data lines; an invalid name is omitted. */
const pass = ({ data, event }: Chat.NativeEvent): string =>
  EventText.event(data, event === undefined || breaks.test(event) ? undefined : event)

const breaks = /[\r\n]/

const record = (parts: ReadonlyArray<Chat.Part>, state: State): void => {
  for (const part of parts) {
    if (part.type === "usage") state.usage = part.usage
    else if (part.type === "finish") state.finish = part.reason
  }
}

/** Passes an event on with the gateway's own fields in its response, but holds the terminal event back until `end`. */
const passStored = (native: Chat.NativeEvent, fields: Json.Fields, state: State): string => {
  if (!withResponse.has(native.event ?? "")) return pass(native)
  if (!state.ended) return pass({ ...native, data: Stored.event(native.data, fields) })
  state.held = native
  return ""
}

/** The events that contain the response. */
const withResponse: ReadonlySet<string> = new Set(
  ["created", "queued", "in_progress", "completed", "incomplete"].map((name) => `response.${name}`),
)

/** The JSON of an ended response. */
const storedResponse = (state: State): string | undefined => {
  const { answering, ended, held, writer } = state
  if (held !== undefined) return Stored.response(held.data, answering.stored?.(), OutputItemWriter.output(writer))
  return ended ? undefined : snapshot(state, ResponseObject.outcome(state.finish, writer.hasRefusal))
}

/** Records an event, so that another deployment can continue the stream, or the stream can be ended. */
const follow = ({ data, event = "" }: Chat.NativeEvent, parts: ReadonlyArray<Chat.Part>, state: State): void => {
  state.started = true
  if (event.endsWith(".delta")) return Follow.delta(data, parts, state.writer)
  Follow.event(event, data, state.writer)
  switch (event) {
    case "response.created":
    case "response.queued":
    case "response.in_progress":
      takeIdentity(data, state)
      return
    case "response.completed":
    case "response.incomplete":
      state.ended = true
      return
  }
}

/** The client uses the upstream's identity of the response. */
const takeIdentity = (data: string, state: State): void => {
  const { response: known } = state
  const wire = Json.fields(Json.fields(Json.parse(data))["response"])
  state.response = {
    id: Json.nonEmptyString(wire["id"]) ?? known.id,
    created_at: Json.integer(wire["created_at"]) ?? known.created_at,
    model: Json.nonEmptyString(wire["model"]) ?? known.model,
  }
  state.lastResponse = data
  state.settings = undefined
}
