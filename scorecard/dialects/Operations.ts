/** OpenAI's endpoints besides chat, as their clients ask and read them: JSON, a form, streams of events, and bytes. */
import { isError } from "./ChatCompletions.ts"
import type { Dialect, Heard, Question } from "./Dialect.ts"
import { parsed } from "../Json.ts"
import * as Sse from "../Sse.ts"

/** As much of their bodies and events as is judged. */
interface Wire {
  readonly error?: { readonly message?: unknown; readonly type?: unknown; readonly code?: unknown }
  readonly model?: string
  readonly type?: string
  readonly text?: string
  readonly delta?: string
  readonly b64_json?: string
  readonly choices?: ReadonlyArray<{ readonly text?: string; readonly finish_reason?: string | null }>
  readonly data?: ReadonlyArray<{ readonly b64_json?: string }>
  readonly results?: ReadonlyArray<object>
}

const heard = (text: string, rest: Partial<Heard> = {}): Heard => ({
  text,
  arguments: "",
  finish: "stop",
  failed: false,
  ...rest,
})

const isErrorBody = (text: string): boolean => isError(parsed<Wire>(text))

/** Reads a complete body by what it says; `undefined` if it lacks that. */
const body =
  (read: (body: Wire) => string | undefined) =>
  (text: string): Heard | string => {
    const body = parsed<Wire>(text)
    if (body === undefined) return "a body that is not JSON"
    if (body.error !== undefined) return "200 with an error inside"
    const said = read(body)
    return said === undefined ? "a body without its content" : heard(said)
  }

interface Events {
  readonly isLast: (event: Wire | undefined, data: string) => boolean
  /** What the events say, all of them or those before an error. */
  readonly text: (events: ReadonlyArray<Wire>) => string
}

/** Folds the events of a stream. The last one is that which the endpoint ends with, or an error. */
const events =
  ({ isLast, text: textOf }: Events) =>
  (text: string): Heard | string => {
    const read = Sse.events(text).map(({ data }) => ({ data, event: parsed<Wire>(data) }))
    if (read.some(({ data, event }) => event === undefined && data !== "[DONE]")) return "an event that is not JSON"
    const failed = read.findIndex(({ event }) => event?.error !== undefined)
    const ends = read.flatMap(({ data, event }, at) => (isLast(event, data) ? [at] : []))
    if (ends.length > 1) return "ends twice"
    const [end = failed] = ends
    if (end === -1) return "ends with neither its last event nor an error"
    if (failed !== -1 && ends.length > 0) return "has an error besides its end"
    if (end !== read.length - 1) return "goes on after its end"
    if (failed !== -1 && !isError(read[failed]?.event)) return "an error event without an error's shape"
    const said = textOf(read.flatMap(({ event }) => (event === undefined || event.error !== undefined ? [] : [event])))
    return failed === -1 ? heard(said) : heard(said, { finish: undefined, failed: true })
  }

const unstreamed = (): string => "a stream where there is none"

const image = (base64: string | undefined): string => Buffer.from(base64 ?? "", "base64").toString()

const streamed = ({ stream }: Question): object => (stream ? { stream } : {})

export const completions: Dialect = {
  title: "completions",
  path: () => "/v1/completions",
  request: (question) => ({ model: question.route, prompt: question.text, ...streamed(question) }),
  isError: isErrorBody,
  body: body(({ choices }) => choices?.[0]?.text),
  stream: events({
    isLast: (_, data) => data === "[DONE]",
    text: (events) => events.map(({ choices }) => choices?.[0]?.text ?? "").join(""),
  }),
}

export const moderations: Dialect = {
  title: "moderations",
  path: () => "/v1/moderations",
  request: ({ route, text }) => ({ model: route, input: text }),
  saysModel: true,
  isError: isErrorBody,
  body: body(({ model, results }) => (results?.length === 1 ? model : undefined)),
  stream: unstreamed,
}

export const images: Dialect = {
  title: "images",
  path: () => "/v1/images/generations",
  request: (question) => ({ model: question.route, prompt: question.text, ...streamed(question) }),
  isError: isErrorBody,
  body: body(({ data }) => (data?.length === 1 ? image(data[0]?.b64_json) : undefined)),
  stream: events({
    isLast: (event) => event?.type === "image_generation.completed",
    // The partial images are the beginning of the complete one.
    text: (events) => {
      const last = events.find(({ type }) => type === "image_generation.completed")
      return last === undefined ? events.map(({ b64_json }) => image(b64_json)).join("") : image(last.b64_json)
    },
  }),
}

/** Bytes, which can be broken in one way alone: the connection is cut. */
export const speech: Dialect = {
  title: "speech",
  path: () => "/v1/audio/speech",
  request: ({ route, text }) => ({ model: route, input: text, voice: "alloy" }),
  isError: isErrorBody,
  body: () => "a complete response where there is none",
  stream: (text) => heard(text),
  cut: (text) => heard(text, { finish: undefined, failed: true }),
}

export const transcriptions: Dialect = {
  title: "transcriptions",
  path: () => "/v1/audio/transcriptions",
  request: ({ route, stream, text }) => {
    const form = new FormData()
    form.set("model", route)
    if (stream) form.set("stream", "true")
    form.set("file", new Blob([text.repeat(1_000)], { type: "audio/wav" }), "speech.wav")
    return form
  },
  isError: isErrorBody,
  body: body(({ text }) => text),
  stream: events({
    isLast: (event) => event?.type === "transcript.text.done",
    text: (events) => events.map(({ delta = "" }) => delta).join(""),
  }),
}

export const rerank: Dialect = {
  title: "rerank",
  path: () => "/v1/rerank",
  request: ({ route, text }) => ({ model: route, query: text, documents: ["one", "two"] }),
  saysModel: true,
  isError: isErrorBody,
  body: body(({ model, results }) => (results?.length === 2 ? model : undefined)),
  stream: unstreamed,
}
