/**
 * Text of callers and providers as a line of a log or of the page may hold it: it cannot begin another line, move a
 * terminal's cursor or turn the direction of what follows.
 */
import * as Logger from "effect/Logger"
import * as Predicate from "effect/Predicate"

/** Controls, separators of lines and paragraphs, and marks of direction. */
const unfit = /[\p{Cc}\p{Zl}\p{Zp}\u061c\u200e\u200f\u202a-\u202e\u2066-\u2069]/gu

const names: Readonly<Record<string, string>> = { "\n": "\\n", "\r": "\\r", "\t": "\\t" }

/** The text with all that is unfit written as an escape. */
export const plain = (text: string): string =>
  text.replace(unfit, (found) => names[found] ?? `\\u${found.charCodeAt(0).toString(16).padStart(4, "0")}`)

/** The logger, given messages of one line each. What is no text it writes as it does. */
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

/** Writes a line of JSON for each message. JSON itself escapes no marks of direction, no separators and not all controls. */
export const json: Logger.Logger<unknown, void> = Logger.withConsoleLog(Logger.map(Logger.formatJson, plain))
