/**
 * Cross-origin resource sharing (WHATWG Fetch): response headers that let web pages of allowed origins call the gateway and
 * read its responses. `Auth.allows` decides which origins are allowed. Pages authenticate with a key: cookies are not shared
 * with other origins, so `access-control-allow-credentials` is never sent.
 */
import * as HttpServerResponse from "effect/http/HttpServerResponse"
import type * as Auth from "./Auth.ts"

type Headers = Auth.Headers

/** Whether a request is a CORS preflight. Preflights have no key. */
export const isPreflight = (method: string, headers: Headers): boolean =>
  method === "OPTIONS" && headers["origin"] !== undefined && headers["access-control-request-method"] !== undefined

/** Response headers that pages may read, besides the CORS-safelisted ones. */
export const exposed: ReadonlyArray<string> = [
  "x-request-id",
  "request-id",
  "retry-after",
  "retry-after-ms",
  "x-should-retry",
  "x-understudy-deployment",
  "x-understudy-split",
  "x-understudy-attempts",
  "x-understudy-cost",
  "x-understudy-queued-ms",
  "x-understudy-cache",
  "x-understudy-affinity",
  "x-understudy-dropped-params",
  ...["requests", "tokens"].flatMap((what) => [
    `x-ratelimit-limit-${what}`,
    `x-ratelimit-remaining-${what}`,
    `x-ratelimit-reset-${what}`,
  ]),
]

/** How long browsers may cache the response to a preflight, in seconds. */
const maxAge = 600

/** A comma-separated list of header names (RFC 9110 tokens): only such a value is echoed. */
const names = /^[\w!#$%&'*+.^`|~-]+(?:[ \t]*,[ \t]*[\w!#$%&'*+.^`|~-]+)*$/

/**
 * The response to a preflight from an allowed origin. All headers are allowed, because SDKs add new ones with each version.
 * They are echoed, because `*` does not include `authorization`.
 */
export const preflight = (origin: string, headers: Headers): HttpServerResponse.HttpServerResponse => {
  const requested = headers["access-control-request-headers"]?.trim() ?? ""
  return HttpServerResponse.empty({
    status: 204,
    headers: {
      "access-control-allow-origin": origin,
      "access-control-allow-methods": "GET, HEAD, POST, PATCH, DELETE",
      ...(names.test(requested) ? { "access-control-allow-headers": requested } : undefined),
      // Sent by a public page that calls a gateway on a private network or on this machine.
      ...(headers["access-control-request-private-network"] === "true"
        ? { "access-control-allow-private-network": "true" }
        : undefined),
      "access-control-max-age": String(maxAge),
      vary: "origin, access-control-request-method, access-control-request-headers",
    },
  })
}

/** The response with headers that let pages of this origin read it, errors included. */
export const share = (
  response: HttpServerResponse.HttpServerResponse,
  origin: string,
): HttpServerResponse.HttpServerResponse => HttpServerResponse.setHeaders(vary(response), shared(origin))

/** Headers that let pages of this origin read a response. */
export const shared = (origin: string) => ({
  "access-control-allow-origin": origin,
  "access-control-expose-headers": exposed.join(", "),
})

/** The response with `vary: origin`: caches must not serve it to another origin. */
export const vary = (response: HttpServerResponse.HttpServerResponse): HttpServerResponse.HttpServerResponse => {
  const { vary } = response.headers
  return HttpServerResponse.setHeader(response, "vary", vary === undefined ? "origin" : `${vary}, origin`)
}
