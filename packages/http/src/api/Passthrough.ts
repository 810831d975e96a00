/**
 * What a client says to the vendor whose protocol it speaks, beside the body: headers and the query, each by an allow-list.
 * A provider of that protocol sends them on; no other sees them. A key of ours is never among them, whatever it stands in.
 */
import type * as Chat from "@understudy/core/Chat"
import * as Messages from "@understudy/providers/protocols/messages"
import * as Effect from "effect/Effect"
import type { Headers } from "effect/http/Headers"
import * as HttpServerRequest from "effect/http/HttpServerRequest"
import { IsKey } from "./GatewayKeys.ts"

/** The headers that are sent on: they choose a version or a feature. None is a credential, and none names its sender. */
const sentOn: ReadonlyArray<string> = ["anthropic-beta", "anthropic-version", "openai-beta"]

/** The parameters that are sent on, by protocol, and how each looks: Anthropic's SDK tells features that are still in beta. */
const queries: Readonly<Record<string, ReadonlyMap<string, RegExp>>> = {
  [Messages.protocol]: new Map([["beta", /^(?:true|false|[01])$/]]),
}

/** The request with what stands beside its body. */
export const beside = <Request extends Pick<Chat.Request, "native">>(
  request: Request,
): Effect.Effect<Request, never, HttpServerRequest.HttpServerRequest> =>
  Effect.zipWith(HttpServerRequest.HttpServerRequest, IsKey, ({ headers: sent, url }, isKey) => {
    if (request.native === undefined) return request
    const headers = pick(sent, isKey)
    const query = queryOf(url, request.native.protocol)
    return headers === undefined && query === undefined
      ? request
      : { ...request, native: { ...request.native, ...headers, ...query } }
  })

const pick = (sent: Headers, isKey: IsKey | undefined): Pick<Chat.Native, "headers"> | undefined => {
  let headers: Record<string, string> | undefined
  for (const name of sentOn) {
    const value = sent[name]
    if (value === undefined || (isKey !== undefined && value.split(/[\s,;]+/).some(isKey))) continue
    ;(headers ??= {})[name] = value
  }
  return headers && { headers }
}

const queryOf = (url: string, protocol: string): Pick<Chat.Native, "query"> | undefined => {
  const at = url.indexOf("?")
  const known = queries[protocol]
  if (at < 0 || known === undefined) return undefined
  const query = [...new URLSearchParams(url.slice(at))].filter(([name, value]) => known.get(name)?.test(value) === true)
  return query.length === 0 ? undefined : { query: Object.fromEntries(query) }
}
