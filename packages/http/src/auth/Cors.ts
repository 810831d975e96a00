/**
 * Cross-origin resource sharing (the WHATWG Fetch standard): what lets a web page of an allowed origin ask the gateway
 * and read its answers. Which origins are allowed is `Guard`'s to say. A page is known by the key it sends: cookies are not
 * shared with other origins, so that `access-control-allow-credentials` is never sent.
 */
import * as HttpServerResponse from "effect/http/HttpServerResponse"
import type * as Auth from "./Auth.ts"

type Headers = Auth.Headers

/** A browser's question, before the request itself, whether it may send it. It never has a key. */
export const isPreflight = (method: string, headers: Headers): boolean =>
  method === "OPTIONS" && headers["origin"] !== undefined && headers["access-control-request-method"] !== undefined

/** Response headers that a page may read, beside those that each may. */
export const exposed: ReadonlyArray<string> = [
  "x-request-id",
  "request-id",
  "retry-after",
  "retry-after-ms",
  "x-should-retry",
  "x-understudy-deployment",
  "x-understudy-attempts",
  "x-understudy-cache",
  "x-understudy-dropped-params",
  ...["requests", "tokens"].flatMap((what) => [
    `x-ratelimit-limit-${what}`,
    `x-ratelimit-remaining-${what}`,
    `x-ratelimit-reset-${what}`,
  ]),
]

/** How long a browser may keep the answer to a preflight, in seconds. */
const maxAge = 600

/** A list of header names (RFC 9110, tokens), which is all that is repeated of what was sent. */
const names = /^[\w!#$%&'*+.^`|~-]+(?:[ \t]*,[ \t]*[\w!#$%&'*+.^`|~-]+)*$/

/**
 * Answers the preflight of an allowed origin. Any header may be sent: SDKs add names of their own with every version, and a
 * `*` would leave out `authorization`.
 */
export const preflight = (origin: string, headers: Headers): HttpServerResponse.HttpServerResponse => {
  const wanted = headers["access-control-request-headers"]?.trim() ?? ""
  return HttpServerResponse.empty({
    status: 204,
    headers: {
      "access-control-allow-origin": origin,
      "access-control-allow-methods": "GET, HEAD, POST",
      ...(names.test(wanted) ? { "access-control-allow-headers": wanted } : undefined),
      // A page of the internet that calls a gateway of the private network or of this machine.
      ...(headers["access-control-request-private-network"] === "true"
        ? { "access-control-allow-private-network": "true" }
        : undefined),
      "access-control-max-age": String(maxAge),
      vary: "origin, access-control-request-method, access-control-request-headers",
    },
  })
}

/** Lets a page of this origin read the answer, errors included. */
export const share = (
  response: HttpServerResponse.HttpServerResponse,
  origin: string,
): HttpServerResponse.HttpServerResponse => HttpServerResponse.setHeaders(vary(response), shared(origin))

/** The headers that let a page of this origin read what they come with. */
export const shared = (origin: string) => ({
  "access-control-allow-origin": origin,
  "access-control-expose-headers": exposed.join(", "),
})

/** Says that the answer is another for another origin: a cache must not give one page what was for another. */
export const vary = (response: HttpServerResponse.HttpServerResponse): HttpServerResponse.HttpServerResponse => {
  const { vary } = response.headers
  return HttpServerResponse.setHeader(response, "vary", vary === undefined ? "origin" : `${vary}, origin`)
}
