/**
 * Encodes a stream for a Responses client: frames in, server-sent events out.
 *
 * Frames of this protocol are passed on unchanged. In any case the client gets what its SDK relies on: the response
 * created, every item added and done, and one terminal event, `response.completed` or `response.incomplete`, which
 * repeats the response. A failed stream ends as OpenAI's do: an `error` event, at which SDKs throw, then
 * `response.failed`, for which Codex waits.
 */
import type * as Chat from "@understudy/core/Chat"
import type { Answering, Encoder } from "../ClientProtocol.ts"
import * as EventText from "../EventText.ts"
import * as Json from "../Json.ts"
import * as Errors from "./Errors.ts"
import * as Follow from "./Follow.ts"
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
    settings: undefined,
    started: false,
    ended: false,
    finish: "stop",
    usage: undefined,
  }
  return {
    push: ({ native, parts }) => {
      // Events after the terminal event are ignored.
      if (state.ended) return ""
      if (native?.protocol !== protocol) return write(parts, state)
      record(parts, state)
      follow(native, parts, state)
      return pass(native)
    },
    end: () => (state.ended ? "" : startResponse(state) + terminal(state)),
    fail: (error) => {
      if (state.ended) return ""
      state.ended = true
      const failed = ResponseObject.failed(Errors.ofResponse(error))
      return (
        startResponse(state) +
        OutputItemWriter.event(state.writer, "error", Errors.ofEvent(error)) +
        OutputItemWriter.event(state.writer, "response.failed", `,"response":${snapshot(state, failed)}`)
      )
    },
  }
}

interface State {
  readonly answering: Answering
  readonly writer: OutputItemWriter.State
  /** The identity that the client received. */
  response: ResponseObject.Identity
  /** The last event of an upstream of this protocol that contains the response. */
  lastResponse: string | undefined
  /** The JSON of the request's settings in the response, once written. */
  settings: string | undefined
  /** Whether the client has received the response's start, and its end. */
  started: boolean
  ended: boolean
  finish: Chat.FinishReason
  usage: Chat.Usage | undefined
}

// ---------------------------------------------------------------------------------------------------------------------
// The response
// ---------------------------------------------------------------------------------------------------------------------

const snapshot = (state: State, outcome: ResponseObject.Outcome): string => {
  const { answering, response, lastResponse = "", usage, writer } = state
  state.settings ??= JSON.stringify(
    ResponseObject.settings(answering.request, Json.fields(Json.fields(Json.parseExact(lastResponse))["response"])),
  ).slice(1, -1)
  const head = JSON.stringify(ResponseObject.head(response, outcome, usage, ResponseObject.now(answering)))
  return `${head.slice(0, -1)},"output":${OutputItemWriter.output(writer)},${state.settings}}`
}

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
      return startResponse(state) + OutputItemWriter.close(state.writer, status)
    }
    default:
      return startResponse(state) + writeContent(part, state.writer)
  }
}

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
