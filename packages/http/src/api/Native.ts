/**
 * What a client says to the vendor whose protocol it speaks, beside the body: headers by an allow-list, and the query.
 * A provider of that protocol sends them on; nobody else sees them.
 */
import type * as Chat from "@understudy/core/Chat"
import * as Effect from "effect/Effect"
import type { Headers } from "effect/http/Headers"
import * as HttpServerRequest from "effect/http/HttpServerRequest"

/** The headers that are sent on: they choose a version or a feature. None is a credential, and none names its sender. */
const sentOn: ReadonlyArray<string> = ["anthropic-beta", "anthropic-version", "openai-beta"]

/** Queries that are ours to read: a key, and how Gemini asks for its events. */
const ours: ReadonlySet<string> = new Set(["key", "alt"])

/** The request with what stands beside its body. */
export const beside = <Request extends Pick<Chat.Request, "native">>(
  request: Request,
): Effect.Effect<Request, never, HttpServerRequest.HttpServerRequest> =>
  Effect.map(HttpServerRequest.HttpServerRequest, ({ headers: sent, url }) => {
    if (request.native === undefined) return request
    const headers = pick(sent)
    const query = queryOf(url)
    return headers === undefined && query === undefined
      ? request
      : { ...request, native: { ...request.native, ...headers, ...query } }
  })

const pick = (sent: Headers): Pick<Chat.Native, "headers"> | undefined => {
  let headers: Record<string, string> | undefined
  for (const name of sentOn) {
    const value = sent[name]
    if (value !== undefined) (headers ??= {})[name] = value
  }
  return headers && { headers }
}

const queryOf = (url: string): Pick<Chat.Native, "query"> | undefined => {
  const at = url.indexOf("?")
  if (at < 0) return undefined
  const query = [...new URLSearchParams(url.slice(at))].filter(([name]) => !ours.has(name))
  return query.length === 0 ? undefined : { query: Object.fromEntries(query) }
}
