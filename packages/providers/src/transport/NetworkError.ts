/**
 * What goes wrong below HTTP, by the error codes of Node and undici, whichever SDK wraps them and however deeply.
 */
import { ProviderError } from "@understudy/core/ProviderError"
import * as Predicate from "effect/Predicate"

/** Codes of connections that never stood, broke, or were refused. */
const network = new Set([
  "ECONNREFUSED",
  "ECONNRESET",
  "ECONNABORTED",
  "EPIPE",
  "ENOTFOUND",
  "EAI_AGAIN",
  "EHOSTUNREACH",
  "ENETUNREACH",
  "ETIMEDOUT",
  "ERR_STREAM_PREMATURE_CLOSE",
  "UND_ERR_SOCKET",
  "UND_ERR_CLOSED",
  "UND_ERR_DESTROYED",
  "UND_ERR_RES_CONTENT_LENGTH_MISMATCH",
  "EPROTO",
  "UND_ERR_ABORTED",
  "UND_ERR_PRX_CONN",
  "UND_ERR_PRX_TLS",
  "ERR_PROXY_TUNNEL",
])

/** Codes of an error that ends a connection which stood. */
const lost = new Set(["ECONNRESET", "ECONNABORTED", "EPIPE", "UND_ERR_SOCKET"])

/** Whether an error ended a connection which stood. */
export const isLostConnection = (cause: unknown): boolean =>
  Predicate.hasProperty(cause, "code") && Predicate.isString(cause.code) && lost.has(cause.code)

/** Codes of certificates that are not trusted, of broken TLS, and of what is not HTTP. */
const family = /^(?:ERR_TLS|ERR_SSL|CERT_|UNABLE_TO_|HPE_)|SELF_SIGNED/

/** What undici and Node say of a proxy's 407. */
const refusesCredentials = /^(?:Proxy response \(407\)|Proxy Authentication Required|Failed to establish tunnel .* 407)/

/** How deep a cause may lie under the SDKs' own errors. */
const depth = 6

/** The network's fault in an error or its causes, or nothing. Look here before an error's name: Bedrock calls a reset a timeout. */
export const classify = (failure: unknown): ProviderError | undefined => {
  let cause = failure
  for (let level = 0; level < depth && Predicate.isObject(cause); level++) {
    const code = "code" in cause ? cause.code : undefined
    if (refusesCredentials.test(String(Reflect.get(cause, "message")))) {
      return new ProviderError({ reason: { _tag: "Authentication" }, message: "the proxy asks for credentials (407)" })
    }
    if (code === "UND_ERR_CONNECT_TIMEOUT" || code === "UND_ERR_HEADERS_TIMEOUT") {
      return new ProviderError({
        reason: { _tag: "Timeout", phase: "connect" },
        message: "no connection in time",
        cause: failure,
      })
    }
    if (Predicate.isString(code) && (network.has(code) || family.test(code))) {
      return new ProviderError({ reason: { _tag: "Network" }, message: words(cause, code), cause: failure })
    }
    cause = "cause" in cause ? cause.cause : undefined
  }
  return undefined
}

const words = (cause: object, code: string): string =>
  "message" in cause && Predicate.isString(cause.message) && cause.message !== "" && cause.message !== code
    ? `${code}: ${cause.message}`
    : code

/** The network's fault; or, what nobody knows, taken for the provider's. */
export const orUnexpected = (failure: unknown): ProviderError =>
  classify(failure) ??
  new ProviderError({
    reason: { _tag: "ServerError" },
    message: Predicate.isError(failure) ? failure.message : String(failure),
    cause: failure,
  })
