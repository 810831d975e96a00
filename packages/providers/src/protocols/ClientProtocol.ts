/**
 * The client side of a protocol, as the gateway serves it. A request is decoded into `Chat`; a response, a stream or an
 * error is encoded as the client's SDK expects.
 *
 * A request passes `Request.isStream` and `Request.decode`. A response passes `Response.encode`; a stream passes one
 * `Stream.encoder`; a failure passes `Errors.encode`.
 */
import type * as Chat from "@understudy/core/Chat"
import type * as Result from "effect/Result"
import type { InvalidBody } from "./InvalidBody.ts"

export interface ClientProtocol {
  /** The protocol's name in `Chat.Native` and `Provider.protocol`. */
  readonly protocol: string
  readonly Request: {
    /** Decodes a request. Its body is kept as `native`. */
    readonly decode: (body: Record<string, unknown>, address: Address) => Result.Result<Chat.Request, InvalidBody>
    /** Whether the client asks for a stream. */
    readonly isStream: (body: Record<string, unknown>, address: Address) => boolean
    /** Whether `decode` reads texts to their ends, so that it cannot decode their beginnings for another protocol. */
    readonly readsTexts?: boolean
  }
  readonly Response: {
    /** Encodes a response of another protocol. A response of this protocol is passed on unchanged. */
    readonly encode: (response: Chat.Response, answering: Answering) => Record<string, unknown>
  }
  readonly Stream: {
    readonly encoder: (answering: Answering) => Encoder
    /** The content type of a stream. Default: server-sent events. */
    readonly contentType?: string | undefined
    /** What is sent as a keep-alive. Default: an SSE comment. */
    readonly idle?: string | undefined
  }
  readonly Errors: {
    readonly encode: (error: ClientError) => Record<string, unknown>
    /** The HTTP status of an error, if this protocol's clients expect another than the error's own. */
    readonly status?: ((error: ClientError) => number) | undefined
  }
}

/** The parameters in a request's URL, for protocols that do not have them in the body. */
export interface Address {
  readonly model?: string | undefined
  readonly stream?: boolean | undefined
}

/**
 * The call being answered: the decoded request, the call's id (without a prefix), the time of the request in seconds,
 * and the current time in seconds (default: `created`).
 */
export interface Answering {
  readonly request: Chat.Request
  readonly id: string
  readonly created: number
  readonly now?: (() => number) | undefined
  /** The fields of the response that the gateway sets itself, whatever the provider has in them, if it stores the response. */
  readonly stored?: (() => Readonly<Record<string, unknown>>) | undefined
}

/** Encodes one stream; stateful. Every method returns the text of complete events, or `""`. */
export interface Encoder {
  /** The events of a frame. A frame of this protocol is passed on unchanged. */
  readonly push: (frame: Chat.Frame) => string
  /** The missing events of a successful stream, the protocol's terminal event included. */
  readonly end: () => string
  /** The last event of a stream that failed. */
  readonly fail: (error: ClientError) => string
  /**
   * Where the gateway stores the response (`Answering.stored`): its JSON, once its provider has ended it. The terminal event is
   * written by `end`.
   */
  readonly response?: (() => string | undefined) | undefined
  /** Whether the provider has written the terminal event, which waits for `end`. */
  readonly isHeld?: (() => boolean) | undefined
}

/** An error before its protocol encodes it. `type` and `code` are OpenAI's. */
export interface ClientError {
  readonly status: number
  readonly type: string
  readonly code: string
  readonly message: string
  /** The invalid field, such as `messages[2].content`. */
  readonly param?: string | undefined
  /** The wait before a retry, in milliseconds. */
  readonly retryAfter?: number | undefined
  /** Whether a retry within a minute cannot succeed. */
  readonly lasting?: boolean | undefined
  /** The call's id, if it has one. */
  readonly requestId?: string | undefined
  /** The attempts of the call. */
  readonly attempts?: ReadonlyArray<unknown> | undefined
}
