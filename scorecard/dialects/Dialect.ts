/** What a protocol of callers is to the judge: how it asks, and how it reads what came. */

/** A question to a route. A `tool` must be called; only its arguments' text is compared. */
export interface Question {
  readonly route: string
  readonly text: string
  readonly stream: boolean
  readonly tool?: boolean
}

/** The content of a response as a client assembles it. `finish` uses the terms of Chat Completions. */
export interface Heard {
  readonly text: string
  /** A tool call's, as JSON text; empty without one. */
  readonly arguments: string
  readonly finish: string | undefined
  /** Whether the stream ended in the protocol's error event. */
  readonly failed: boolean
}

/** One protocol. What breaks its rules is read as a sentence that says which. */
export interface Dialect {
  /** For the document. */
  readonly title: string
  readonly path: (question: Question) => string
  /** JSON, or a form. */
  readonly request: (question: Question) => unknown
  /** Whether its responses have no text: the model that they name is compared. */
  readonly saysModel?: boolean
  /** Whether the body is an error of the protocol's own shape. */
  readonly isError: (body: string) => boolean
  readonly body: (body: string) => Heard | string
  /** A stream from its first byte to its last. It ends complete or with an error, never both and never neither. */
  readonly stream: (body: string) => Heard | string
  /** A stream whose connection was cut, if it has no other way to say that it broke. */
  readonly cut?: (body: string) => Heard | string
}
