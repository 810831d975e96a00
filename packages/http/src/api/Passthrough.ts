/**
 * Headers and query parameters that are passed through to a provider of the client's own protocol, by an allow-list. A key
 * of the gateway is never among them.
 */
import type * as Chat from "@understudy/core/Chat"
import * as Outline from "@understudy/core/internal/model/Outline"
import * as RealtimeEvents from "@understudy/providers/internal/protocols/realtime/Events"
import * as Messages from "@understudy/providers/protocols/messages"
import type { Headers } from "effect/http/Headers"
import type { HttpServerRequest } from "effect/http/HttpServerRequest"
import type { IsKey } from "./GatewayKeys.ts"

/**
 * The headers that are passed through: they select a version or a feature. None is a credential or identifies the client, but the
 * last: it is made for the vendor, which asks applications not to put a name in it.
 */
const passedHeaders: ReadonlyArray<string> = [
  "anthropic-beta",
  "anthropic-version",
  "openai-beta",
  "openai-safety-identifier",
]

/** The query parameters that are passed through, by protocol, with the accepted values. Anthropic's SDK sends `beta`. */
const passedQuery: Readonly<Record<string, ReadonlyMap<string, RegExp>>> = {
  [Messages.protocol]: new Map([["beta", /^(?:true|false|[01])$/]]),
  // OpenAI's, Together's and xAI's.
  [RealtimeEvents.protocol]: new Map([
    ["intent", /^(?:realtime|transcription)$/],
    ["input_audio_format", /^\w+$/],
    ["reasoning.effort", /^\w+$/],
  ]),
}

/** The request of a call with the headers and query parameters of its HTTP request attached. */
export const attach = <Request extends Pick<Chat.Request, "native">>(
  request: Request,
  { headers: sent, url }: Pick<HttpServerRequest, "headers" | "url">,
  isKey: IsKey | undefined,
): Request => {
  if (request.native === undefined) return request
  const headers = headersOf(sent, isKey)
  const query = queryOf(url, request.native.protocol)
  return headers === undefined && query === undefined
    ? request
    : Outline.set(request, { native: { ...headers, ...query } })
}

const headersOf = (sent: Headers, isKey: IsKey | undefined): Pick<Chat.Native, "headers"> | undefined => {
  let headers: Record<string, string> | undefined
  for (const name of passedHeaders) {
    const value = sent[name]
    if (value === undefined || (isKey !== undefined && value.split(/[\s,;]+/).some(isKey))) continue
    ;(headers ??= {})[name] = value
  }
  return headers && { headers }
}

const queryOf = (url: string, protocol: string): Pick<Chat.Native, "query"> | undefined => {
  const at = url.indexOf("?")
  const known = passedQuery[protocol]
  if (at < 0 || known === undefined) return undefined
  const query = [...new URLSearchParams(url.slice(at))].filter(([name, value]) => known.get(name)?.test(value) === true)
  return query.length === 0 ? undefined : { query: Object.fromEntries(query) }
}
