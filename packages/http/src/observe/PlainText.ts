/**
 * Escapes text of callers and providers for one line of a log or of the page: it cannot start another line, move a terminal's
 * cursor, or change the text direction.
 */
/** Control characters, line and paragraph separators, and bidirectional marks. */
const unsafe = /[\p{Cc}\p{Zl}\p{Zp}\u061c\u200e\u200f\u202a-\u202e\u2066-\u2069]/gu

const names: Readonly<Record<string, string>> = { "\n": "\\n", "\r": "\\r", "\t": "\\t" }

/** The text with unsafe characters escaped. */
export const plain = (text: string): string =>
  text.replace(unsafe, (found) => names[found] ?? `\\u${found.charCodeAt(0).toString(16).padStart(4, "0")}`)
