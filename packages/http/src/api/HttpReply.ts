/**
 * What every endpoint's answers have in common: the headers that say who answered, the body of an error, and the bytes
 * of a stream.
 */
import type * as Chat from "@understudy/core/Chat"
import type { Receipt } from "@understudy/core/Receipt"
import type { Streaming } from "@understudy/core/Router"
import type { RouterError } from "@understudy/core/RouterError"
import type { ClientProtocol } from "@understudy/providers/internal/protocols/ClientProtocol"
import * as Effect from "effect/Effect"
import * as HttpServerResponse from "effect/http/HttpServerResponse"
import * as Stream from "effect/Stream"
import { randomUUID } from "node:crypto"
import type { Level } from "../auth/Expose.ts"
import * as ApiError from "./ApiError.ts"

/**
 * Whose answer it is where that is certain, how many attempts it took so far, whether it was kept from before, what was
 * wished for and could not be said, and the id under which it stands in the log.
 */
export const headers = (receipt: Receipt, level: Level, { buffered = false } = {}): Record<string, string> => ({
  ...requestIdHeaders(receipt.id),
  ...(level === "none" ? undefined : answering(receipt, buffered)),
  ...(receipt.cache === undefined ? undefined : { "x-understudy-cache": receipt.cache }),
  ...(receipt.droppedParams === undefined
    ? undefined
    : { "x-understudy-dropped-params": header(receipt.droppedParams.join("; ")) }),
})

const answering = (receipt: Receipt, buffered: boolean): Record<string, string> => ({
  // A name may hold what a header may not.
  ...(buffered ? undefined : { "x-understudy-deployment": encodeURI((receipt.deployment ?? "").toWellFormed()) }),
  // An attempt is entered when it ends; a committed stream's own is still under way.
  "x-understudy-attempts": String(receipt.attempts.length + (receipt.streaming && receipt.cache !== "hit" ? 1 : 0)),
})

/** The id as every SDK looks for it: `openai` and `@anthropic-ai/sdk` do under a name of their own. */
const requestIdHeaders = (id: string): Record<string, string> => ({ "x-request-id": id, "request-id": id })

/** Text as a header may hold it. */
const header = (text: string): string => text.replaceAll(/[^\x20-\x7e]/g, "?")

/**
 * The response of a failed call, in the caller's dialect. One that failed before it was given an id is given one here:
 * each error can be asked about.
 */
export const error = (failure: ApiError.ApiError, dialect: ClientProtocol): HttpServerResponse.HttpServerResponse => {
  const { requestId = newId() } = failure
  const error = { ...failure, requestId }
  return HttpServerResponse.text(JSON.stringify(dialect.Errors.encode(error)), {
    status: dialect.Errors.status?.(error) ?? error.status,
    contentType: "application/json",
    headers: {
      ...requestIdHeaders(requestId),
      ...(error.tried === undefined ? undefined : { "x-understudy-attempts": String(error.tried) }),
      ...(error.retryAfter === undefined ? undefined : waiting(error.retryAfter)),
      // The SDKs of OpenAI and Anthropic read it before the status, and Claude Code does.
      ...(ApiError.isFinal(error) ? { "x-should-retry": "false" } : undefined),
    },
  })
}

/** An id for what the router has given none. */
export const newId = (): string => `gate-${randomUUID()}`

/** When to ask again: in whole seconds, as HTTP has it, and to the millisecond for the SDKs that read that first. */
const waiting = (millis: number): Record<string, string> => ({
  "retry-after": String(ApiError.seconds(millis)),
  "retry-after-ms": String(Math.max(1, Math.ceil(millis))),
})

/** The answer, or the error it failed with. */
export const catchErrors = <R>(
  answer: Effect.Effect<HttpServerResponse.HttpServerResponse, ApiError.ApiError, R>,
  dialect: ClientProtocol,
): Effect.Effect<HttpServerResponse.HttpServerResponse, never, R> =>
  Effect.catch(answer, (failure) => Effect.succeed(error(failure, dialect)))

/**
 * A stream of frames as bytes: each chunk of frames one write; at its end what the protocol still wants, or its error.
 * It never fails: a body that did would reset the connection and lose what was written. While an answer is held back,
 * or silent for longer than its route allows, `idle`, which says nothing, keeps its client waiting.
 */
export const encodeStream = (
  { frames, buffered, keepAlive }: Pick<Streaming, "frames" | "buffered" | "keepAlive">,
  push: (frame: Chat.Frame) => string,
  end: () => string,
  fail: (error: RouterError) => string,
  idle = comment,
): Stream.Stream<Uint8Array> => {
  const written = frames.pipe(
    Stream.mapArray((chunk) => {
      let written = ""
      for (const frame of chunk) written += push(frame)
      return [encode(written)]
    }),
    Stream.concat(Stream.sync(() => encode(end()))),
    Stream.catch((error) => Stream.succeed(encode(fail(error)))),
  )
  return buffered || keepAlive !== undefined
    ? withKeepAlive(written, encode(idle), keepAlive ?? defaultKeepAlive, buffered)
    : written
}

/**
 * The stream, with `sign` after each silence of so many milliseconds; and at once, so that the headers go out, where it is
 * `late` already.
 */
const withKeepAlive = (
  written: Stream.Stream<Uint8Array>,
  sign: Uint8Array,
  silence: number,
  late: boolean,
): Stream.Stream<Uint8Array> =>
  Stream.unwrap(
    Effect.clockWith((clock) => {
      const now = () => clock.currentTimeMillisUnsafe()
      let due = late ? now() : now() + silence
      const put = (bytes: Uint8Array): Uint8Array => {
        due = now() + silence
        return bytes
      }
      const next: Effect.Effect<Uint8Array> = Effect.suspend(() => {
        const left = due - now()
        return left > 0 ? Effect.andThen(Effect.sleep(left), next) : Effect.sync(() => put(sign))
      })
      return Effect.succeed(
        Stream.merge(Stream.map(written, put), Stream.fromEffectRepeat(next), { haltStrategy: "left" }),
      )
    }),
  )

/** Events that come when they come: comments keep their reader waiting. */
export const events = (texts: Stream.Stream<string>): Stream.Stream<Uint8Array> =>
  withKeepAlive(Stream.encodeText(texts), encode(comment), defaultKeepAlive, true)

const text = new TextEncoder()
const encode = (written: string): Uint8Array => text.encode(written)

/** How long a client waits without a sign, in milliseconds: well below the silence that clients and proxies bear. */
const defaultKeepAlive = 5000

/** What server-sent events have for it. */
const comment = ": keep-alive\n\n"
