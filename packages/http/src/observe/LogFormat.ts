/**
 * The formats of the log. `pretty` is for people: one line for each message, which says everything. `json` is for programs:
 * one object for each message, with each of its annotations as a field.
 */
import * as Cause from "effect/Cause"
import * as Formatter from "effect/Formatter"
import * as Logger from "effect/Logger"
import type * as LogLevel from "effect/LogLevel"
import * as Predicate from "effect/Predicate"
import * as References from "effect/References"
import { inspect, styleText } from "node:util"
import { plain } from "./PlainText.ts"

export type Format = "pretty" | "json"

/** The logger of a format, which writes to the console in context. */
export const logger = (format: Format): Logger.Logger<unknown, void> => (format === "json" ? json : pretty)

/** One object: `timestamp`, `level`, `message`, `cause` if there is one, the trace of the fibre if it has one, and the annotations. */
export const json: Logger.Logger<unknown, void> = Logger.withConsoleLog(
  Logger.make(({ cause, date, fiber, logLevel, message }) => {
    const parts = partsOf(message).map((part) => (Predicate.isError(part) ? String(part) : part))
    const head = {
      timestamp: date.toISOString(),
      level: logLevel.toUpperCase(),
      message: parts.length === 1 ? parts[0] : parts,
      ...(cause.reasons.length === 0 ? undefined : { cause: Cause.pretty(cause) }),
    }
    const { span } = fiber.cache
    const trace = span && { trace_id: span.traceId, span_id: span.spanId }
    // Twice: the head comes first, and no annotation takes its place. JSON alone does not escape bidirectional marks,
    // separators and some controls.
    return plain(
      Formatter.formatJson({ ...head, ...trace, ...fiber.getRef(References.CurrentLogAnnotations), ...head }),
    )
  }),
)

/** `[07:44:01.608] INFO: message`, with values other than text and the cause on lines of their own. */
export const pretty: Logger.Logger<unknown, void> = Logger.withConsoleLog(
  Logger.make(({ cause, date, fiber, logLevel, message }) => {
    const parts = partsOf(message)
    const texts = parts.filter(Predicate.isString).map(plain)
    const values = parts.filter((part) => !Predicate.isString(part)).map((value) => inspect(value, { depth: 6 }))
    const stack = cause.reasons.length === 0 ? [] : [Cause.pretty(cause)]
    const below = [...values, ...stack].flatMap((text) => text.split("\n").map((line) => `  ${plain(line)}`))
    const level = styleText(colors[logLevel] ?? "blue", logLevel.toUpperCase())
    // Which worker a line is from is no part of its message.
    const { worker } = fiber.getRef(References.CurrentLogAnnotations)
    const source = worker === undefined ? "" : ` (worker ${String(worker)})`
    return [`[${time(date)}] ${level}${source}: ${texts.join(" ")}`, ...below].join("\n")
  }),
)

const partsOf = (message: unknown): ReadonlyArray<unknown> => (Array.isArray(message) ? message : [message])

/** The local time of day. */
const time = (date: Date): string =>
  `${date.toTimeString().slice(0, "hh:mm:ss".length)}.${String(date.getMilliseconds()).padStart(3, "0")}`

const colors: Partial<Record<LogLevel.LogLevel, "red" | "yellow" | "green">> = {
  Fatal: "red",
  Error: "red",
  Warn: "yellow",
  Info: "green",
}
