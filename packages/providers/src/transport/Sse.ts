/** The server-sent events of a response, as they arrive. Events of one read stay together in one chunk. */
import * as Arr from "effect/Array"
import * as Cause from "effect/Cause"
import * as Effect from "effect/Effect"
import type * as Pull from "effect/Pull"
import * as Stream from "effect/Stream"
import type { UnreadableAnswer } from "./AnswerLimits.ts"
import { eventTooLarge, longestEvent } from "./AnswerLimits.ts"

/** One event: its name (default: `"message"`), and its data with lines joined. */
export interface Event {
  readonly event: string
  readonly data: string
}

/**
 * The events of a byte stream. `onError` converts an error of the bytes, and an event larger than `longestEvent`. The
 * stream ends with the bytes, whether or not the response is complete. `redact` is applied to each event's data.
 */
export const events = <E, E2>(
  bytes: Stream.Stream<Uint8Array, E>,
  onError: (cause: E | UnreadableAnswer) => E2,
  redact: (data: string) => string = (data) => data,
): Stream.Stream<Event, E2> =>
  Stream.transformPull(bytes, (upstream) => {
    const decoder = new TextDecoder()
    const parser = new Parser(redact)
    const arriving = Effect.mapError(upstream, (error) => (Cause.isDone(error) ? error : onError(error)))
    const pull: Pull.Pull<Arr.NonEmptyReadonlyArray<Event>, E2> = Effect.flatMap(arriving, (chunks) => {
      const arrived: Array<Event> = []
      for (const chunk of chunks) {
        if (!parser.feed(decoder.decode(chunk, { stream: true }), arrived)) return Effect.fail(onError(eventTooLarge))
      }
      return Arr.isArrayNonEmpty(arrived) ? Effect.succeed(arrived) : pull
    })
    return Effect.succeed(pull)
  })

/**
 * Parses an event stream (WHATWG HTML, 9.2.6): lines that end in LF, CR or CRLF. The fields `id` and `retry`, which only
 * matter to a client that reconnects, are ignored, as comments are.
 */
class Parser {
  readonly #redact: (data: string) => string
  /** The pieces of a line that has not ended. */
  #pending: Array<string> = []
  #pendingLength = 0
  /** Whether a CR ended the last piece: an LF that follows belongs to it. */
  #isAfterCarriageReturn = false
  #name = ""
  /** The data lines of the event so far. */
  #data: string | undefined = undefined

  constructor(redact: (data: string) => string) {
    this.#redact = redact
  }

  /** Adds the events that `text` completes to `into`. False if the event that it leaves incomplete is larger than `longestEvent`. */
  feed(text: string, into: Array<Event>): boolean {
    const { length } = text
    const hasCarriageReturn = text.includes("\r")
    let from = 0
    if (this.#isAfterCarriageReturn && length > 0) {
      this.#isAfterCarriageReturn = false
      if (text.startsWith("\n")) from = 1
    }
    while (from < length) {
      const end = hasCarriageReturn ? endOfLine(text, from) : text.indexOf("\n", from)
      if (end < 0) {
        this.#pending.push(text.slice(from))
        this.#pendingLength += length - from
        break
      }
      if (this.#pendingLength === 0) this.#line(text, from, end, into)
      else {
        const line = this.#pending.join("") + text.slice(from, end)
        this.#pending = []
        this.#pendingLength = 0
        this.#line(line, 0, line.length, into)
      }
      from = end + 1
      if (!hasCarriageReturn || text.charCodeAt(end) !== carriageReturn) continue
      if (from === length) this.#isAfterCarriageReturn = true
      else if (text.startsWith("\n", from)) from++
    }
    return this.#pendingLength + (this.#data?.length ?? 0) <= longestEvent
  }

  #line(text: string, from: number, end: number, into: Array<Event>): void {
    if (from === end) return this.#dispatch(into)
    if (text.startsWith("data:", from)) {
      const value = valueOf(text, from + 5, end)
      this.#data = this.#data === undefined ? value : `${this.#data}\n${value}`
    } else if (text.startsWith("event:", from)) this.#name = valueOf(text, from + 6, end)
    else {
      const line = text.slice(from, end)
      // A field without a colon has an empty value.
      if (line === "data") this.#data = this.#data === undefined ? "" : `${this.#data}\n`
      else if (line === "event") this.#name = ""
    }
  }

  #dispatch(into: Array<Event>): void {
    const data = this.#data
    if (data !== undefined) into.push({ event: this.#name || "message", data: this.#redact(data) })
    this.#data = undefined
    this.#name = ""
  }
}

const lineFeed = 10
const carriageReturn = 13

const endOfLine = (text: string, from: number): number => {
  for (let at = from; at < text.length; at++) {
    const code = text.charCodeAt(at)
    if (code === lineFeed || code === carriageReturn) return at
  }
  return -1
}

/** The text without the space at its beginning. */
const valueOf = (text: string, from: number, end: number): string =>
  text.slice(text.startsWith(" ", from) ? from + 1 : from, end)
