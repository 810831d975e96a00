/**
 * Replies of all endpoints: response headers, error responses, and the bytes of a stream.
 */
import type * as Chat from "@understudy/core/Chat"
import { total } from "@understudy/core/Receipt"
import type { Receipt } from "@understudy/core/Receipt"
import type { Streaming } from "@understudy/core/Router"
import type { RouterError } from "@understudy/core/RouterError"
import type { ClientProtocol, Encoder } from "@understudy/providers/internal/protocols/ClientProtocol"
import * as Cause from "effect/Cause"
import * as Effect from "effect/Effect"
import * as HttpServerResponse from "effect/http/HttpServerResponse"
import type * as Pull from "effect/Pull"
import * as Stream from "effect/Stream"
import { randomUUID } from "node:crypto"
import type { Level } from "../auth/Expose.ts"
import { queuedHeaders } from "../keys/RateLimitHeaders.ts"
import * as ApiError from "./ApiError.ts"
import * as Disclosure from "./Disclosure.ts"

/**
 * The response headers of a call: request id, deployment and affinity (unless the stream is buffered, when they may still
 * change), the arm of a split, attempts, cost, time in queues, cache result, and dropped parameters.
 */
export const headers = (receipt: Receipt, level: Level, { buffered = false } = {}): Record<string, string> => ({
  ...requestIdHeaders(receipt.id),
  ...(level === "none" ? undefined : deploymentHeaders(receipt, level, buffered)),
  ...queuedHeaders(receipt.queuedMillis),
  ...(receipt.cache === undefined ? undefined : { "x-understudy-cache": receipt.cache }),
  ...(receipt.droppedParams === undefined
    ? undefined
    : { "x-understudy-dropped-params": headerText(receipt.droppedParams.join("; ")) }),
})

const deploymentHeaders = (receipt: Receipt, level: Level, buffered: boolean): Record<string, string> => ({
  // A name may contain characters that a header may not.
  ...(buffered ? undefined : { "x-understudy-deployment": encodeURI((receipt.deployment ?? "").toWellFormed()) }),
  ...splitHeaders(receipt.split),
  "x-understudy-attempts": String(receipt.attempts.length + (isRunning(receipt) ? 1 : 0)),
  ...costHeaders(receipt),
  ...(receipt.affinity === undefined || buffered
    ? undefined
    : { "x-understudy-affinity": Disclosure.affinity(receipt.affinity, level) }),
})

const splitHeaders = (arm: string | undefined): Record<string, string> | undefined =>
  arm === undefined ? undefined : { "x-understudy-split": encodeURI(arm.toWellFormed()) }

/** Attempts are recorded when they end: that of a stream is still running, unless the stream was held until its end. */
const isRunning = ({ attempts, cache, streaming }: Receipt): boolean =>
  streaming && cache !== "hit" && attempts.at(-1)?.outcome !== "success"

/** The cost of a complete response, in US dollars, if it is known. */
const costHeaders = (receipt: Receipt): Record<string, string> | undefined => {
  const { attempts, cache, streaming } = receipt
  if (streaming || attempts.some(({ cost, usage }) => usage !== undefined && cost === undefined)) return undefined
  const cost = cache === "hit" ? 0 : total(receipt).cost
  return cost === undefined ? undefined : { "x-understudy-cost": decimal(cost) }
}

/** A number as a decimal with at most nine digits after the point, such as `0.00042`. */
const decimal = (value: number): string => value.toFixed(9).replace(/\.?0+$/, "")

/** The request id under the names that the SDKs of OpenAI and Anthropic read. */
const requestIdHeaders = (id: string): Record<string, string> => ({ "x-request-id": id, "request-id": id })

/** Text with characters that a header may not contain replaced by `?`. */
const headerText = (text: string): string => text.replaceAll(/[^\x20-\x7e]/g, "?")

/** The error response, encoded by the client's protocol. */
export const error = (failure: ApiError.ApiError, protocol: ClientProtocol): HttpServerResponse.HttpServerResponse => {
  const { headers, requestId } = errorHeaders(failure)
  const error = { ...failure, requestId }
  return HttpServerResponse.text(JSON.stringify(protocol.Errors.encode(error)), {
    status: protocol.Errors.status?.(error) ?? error.status,
    contentType: "application/json",
    headers,
  })
}

/** The headers of an error response, and its request id: a new one if the error has none. */
export const errorHeaders = (
  error: ApiError.ApiError,
): { readonly requestId: string; readonly headers: Record<string, string> } => {
  const { requestId = newId() } = error
  return {
    requestId,
    headers: {
      ...requestIdHeaders(requestId),
      ...(error.tried === undefined ? undefined : { "x-understudy-attempts": String(error.tried) }),
      ...splitHeaders(error.split),
      ...queuedHeaders(error.queuedMillis),
      ...(error.cost === undefined ? undefined : { "x-understudy-cost": decimal(error.cost) }),
      ...(error.retryAfter === undefined ? undefined : retryAfterHeaders(error.retryAfter)),
      // The SDKs of OpenAI and Anthropic, and Claude Code, read this before the status.
      ...(ApiError.isFinal(error) ? { "x-should-retry": "false" } : undefined),
    },
  }
}

/** A request id for a request that the router did not receive. */
export const newId = (): string => `gate-${randomUUID()}`

/** `retry-after` in whole seconds, and `retry-after-ms`, which some SDKs read first. */
const retryAfterHeaders = (millis: number): Record<string, string> => ({
  "retry-after": String(ApiError.seconds(millis)),
  "retry-after-ms": String(Math.max(1, Math.ceil(millis))),
})

/** The response, or the error response of a failure. */
export const catchErrors = <R>(
  response: Effect.Effect<HttpServerResponse.HttpServerResponse, ApiError.ApiError, R>,
  protocol: ClientProtocol,
): Effect.Effect<HttpServerResponse.HttpServerResponse, never, R> =>
  Effect.catch(response, (failure) => Effect.succeed(error(failure, protocol)))

/**
 * The bytes of a stream of frames: one write per chunk, then the protocol's end, or its error event. It never fails,
 * because a failing body would reset the connection and lose what was written. `keepAliveText` is sent while a stream is
 * buffered, and after each `keepAlive` milliseconds without output. `saving`: stores the response before its end is written.
 */
export const encodeStream = (
  { frames, buffered, keepAlive }: Pick<Streaming, "frames" | "buffered" | "keepAlive">,
  push: (frame: Chat.Frame) => string,
  end: () => string,
  fail: (error: RouterError) => string,
  keepAliveText = comment,
  saving?: Saving,
): Stream.Stream<Uint8Array> => {
  const written = Stream.transformPull(frames, (upstream) => {
    let hasEnded = false
    const last = (text: string): readonly [Uint8Array] => {
      hasEnded = true
      return [encode(text)]
    }
    const pushed = (chunk: ReadonlyArray<Chat.Frame>): string => {
      let written = ""
      for (const frame of chunk) written += push(frame)
      return written
    }
    const chunks =
      saving === undefined
        ? Effect.map(upstream, (chunk): readonly [Uint8Array] => [encode(pushed(chunk))])
        : Effect.flatMap(upstream, (chunk) => {
            const written = pushed(chunk)
            return saving.isDue()
              ? Effect.map(saving.save, () => last(written + end()))
              : Effect.succeed<readonly [Uint8Array]>([encode(written)])
          })
    const next = Effect.catch(chunks, (error) => {
      if (!Cause.isDone(error)) return Effect.sync(() => last(fail(error)))
      return saving === undefined ? Effect.sync(() => last(end())) : Effect.map(saving.save, () => last(end()))
    })
    const pull: Pull.Pull<readonly [Uint8Array]> = Effect.suspend(() => (hasEnded ? Cause.done() : next))
    return Effect.succeed(pull)
  })
  return buffered || keepAlive !== undefined
    ? withKeepAlive(written, encode(keepAliveText), keepAlive ?? defaultKeepAlive, buffered)
    : written
}

/** Stores a streamed response. `isDue`: whether its provider has ended it. */
export interface Saving {
  readonly isDue: () => boolean
  readonly save: Effect.Effect<void>
}

/** Stores the response of an encoder, once. */
export const saving = ({ isHeld, response }: Encoder, save: (response: string) => Effect.Effect<void>): Saving => ({
  isDue: () => isHeld?.() === true,
  save: Effect.suspend(() => {
    const text = response?.()
    return text === undefined ? Effect.void : save(text)
  }),
})

/**
 * The stream, with `signal` after each `interval` milliseconds without output. `immediately` sends one at the start, so that
 * the response headers are sent.
 */
const withKeepAlive = (
  written: Stream.Stream<Uint8Array>,
  signal: Uint8Array,
  interval: number,
  immediately: boolean,
): Stream.Stream<Uint8Array> =>
  Stream.unwrap(
    Effect.clockWith((clock) => {
      const now = () => clock.currentTimeMillisUnsafe()
      let due = immediately ? now() : now() + interval
      const sent = (bytes: Uint8Array): Uint8Array => {
        due = now() + interval
        return bytes
      }
      const next: Effect.Effect<Uint8Array> = Effect.suspend(() => {
        const left = due - now()
        return left > 0 ? Effect.andThen(Effect.sleep(left), next) : Effect.sync(() => sent(signal))
      })
      return Effect.succeed(
        Stream.merge(Stream.map(written, sent), Stream.fromEffectRepeat(next), { haltStrategy: "left" }),
      )
    }),
  )

/** A stream of events without an end, with keep-alive comments. */
export const events = (texts: Stream.Stream<string>): Stream.Stream<Uint8Array> =>
  withKeepAlive(Stream.map(texts, encode), encode(comment), defaultKeepAlive, true)

// A `TextEncoder` takes several times as long.
const encode = (written: string): Uint8Array => Buffer.from(written)

/** Milliseconds between keep-alives: well below the idle timeouts of clients and proxies. */
const defaultKeepAlive = 5000

/** A server-sent comment, which clients ignore. */
const comment = ": keep-alive\n\n"
