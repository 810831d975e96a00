/**
 * A protocol from its client's end, as a gateway speaks it: a request is read as a `Chat`, and an answer, a stream or an
 * error is written in the words that the client's SDK knows. Every protocol that has clients is one of these, all alike.
 */
import type * as Chat from "@understudy/core/Chat"
import type * as Result from "effect/Result"
import type { InvalidBody } from "./InvalidBody.ts"

export interface ClientProtocol {
  /** Its name, as `Chat.Native` and `Provider.protocol` carry it. */
  readonly protocol: string
  readonly Request: {
    /** The request in `body`, which travels along as `native`. */
    readonly decode: (body: Record<string, unknown>, address: Address) => Result.Result<Chat.Request, InvalidBody>
    /** Whether the answer is to be streamed. */
    readonly isStream: (body: Record<string, unknown>, address: Address) => boolean
  }
  readonly Response: {
    /** An answer of another protocol's. One of this very protocol goes out as it came. */
    readonly encode: (response: Chat.Response, answering: Answering) => Record<string, unknown>
  }
  readonly Stream: {
    readonly encoder: (answering: Answering) => Encoder
    /** Of what a stream is: server-sent events if not said. */
    readonly contentType?: string | undefined
    /** What keeps its client waiting and says nothing: a comment if not said. */
    readonly idle?: string | undefined
  }
  readonly Errors: {
    readonly encode: (error: ClientError) => Record<string, unknown>
    /** The status of a failed request, where this protocol's clients read another than the error's own. */
    readonly status?: ((error: ClientError) => number) | undefined
  }
}

/** What a request's address says, in protocols that do not say it in the body. */
export interface Address {
  readonly model?: string | undefined
  readonly stream?: boolean | undefined
}

/**
 * What is being answered: the request as `decode` read it, the call's id (without a prefix), when it was asked, in
 * seconds, and what time it is now; that of the question if not said.
 */
export interface Answering {
  readonly request: Chat.Request
  readonly id: string
  readonly created: number
  readonly now?: (() => number) | undefined
}

/** One stream on its way to its client: it holds its state. Everything it gives is the text of whole events, or `""`. */
export interface Encoder {
  /** What this frame comes to: itself, where it is of this very protocol. */
  readonly push: (frame: Chat.Frame) => string
  /** What is missing at a good end, the protocol's terminal event included. */
  readonly end: () => string
  /** The last event of a stream that broke. */
  readonly fail: (error: ClientError) => string
}

/** A failure towards a client, before its protocol encodes it. `type` and `code` are OpenAI's words. */
export interface ClientError {
  readonly status: number
  readonly type: string
  readonly code: string
  readonly message: string
  /** The field to blame, such as `messages[2].content`. */
  readonly param?: string | undefined
  /** When to come back, in milliseconds from now. */
  readonly retryAfter?: number | undefined
  /** Whether asking again within a minute is of no use. */
  readonly lasting?: boolean | undefined
  /** The call's id, where there was one. */
  readonly requestId?: string | undefined
  /** Every candidate's part in the failure. */
  readonly attempts?: ReadonlyArray<unknown> | undefined
}
