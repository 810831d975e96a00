/**
 * Escapes text of callers and providers for one line of a log or of the page: it cannot start another line, move a terminal's
 * cursor, or change the text direction.
 */
import * as Logger from "effect/Logger"
import * as Predicate from "effect/Predicate"

/** Control characters, line and paragraph separators, and bidirectional marks. */
const unsafe = /[\p{Cc}\p{Zl}\p{Zp}\u061c\u200e\u200f\u202a-\u202e\u2066-\u2069]/gu

const names: Readonly<Record<string, string>> = { "\n": "\\n", "\r": "\\r", "\t": "\\t" }

/** The text with unsafe characters escaped. */
export const plain = (text: string): string =>
  text.replace(unsafe, (found) => names[found] ?? `\\u${found.charCodeAt(0).toString(16).padStart(4, "0")}`)

/** The logger with string messages escaped. Other values are passed on unchanged. */
export const logger = <Output>(self: Logger.Logger<unknown, Output>): Logger.Logger<unknown, Output> =>
  Logger.make((options) =>
    self.log({
      ...options,
      message: Array.isArray(options.message)
        ? options.message.map((part: unknown) => (Predicate.isString(part) ? plain(part) : part))
        : Predicate.isString(options.message)
          ? plain(options.message)
          : options.message,
    }),
  )

/** Logs one line of JSON per message. JSON alone does not escape bidirectional marks, separators and some controls. */
export const json: Logger.Logger<unknown, void> = Logger.withConsoleLog(Logger.map(Logger.formatJson, plain))
