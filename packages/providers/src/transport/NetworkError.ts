/** Classifies failures below HTTP by the error codes of Node and undici, also inside the errors of SDKs. */
import { ProviderError } from "@understudy/core/ProviderError"
import * as Predicate from "effect/Predicate"
import { UnreadableAnswer } from "./AnswerLimits.ts"
import * as EventLoop from "./EventLoop.ts"

/** Error codes of connections that could not be opened, broke or were refused. */
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

/** Error codes of an established connection that broke. */
const lost = new Set(["ECONNRESET", "ECONNABORTED", "EPIPE", "UND_ERR_SOCKET"])

/** Whether an established connection broke. */
export const isLostConnection = (cause: unknown): boolean =>
  Predicate.hasProperty(cause, "code") && Predicate.isString(cause.code) && lost.has(cause.code)

/** Error codes of untrusted certificates, TLS failures and responses that are not HTTP. */
const family = /^(?:ERR_TLS|ERR_SSL|CERT_|UNABLE_TO_|HPE_)|SELF_SIGNED/

/** Error codes of exhausted local resources: files and sockets, ports, buffers, memory. */
const local = new Set([
  "EMFILE",
  "ENFILE",
  "ENOBUFS",
  "ENOMEM",
  "EADDRNOTAVAIL",
  "EAI_MEMORY",
  "ERR_MEMORY_ALLOCATION_FAILED",
])

/** V8's messages for exhausted memory. */
const noMemory = /allocation failed|out of memory/i

/** Node's message for a module that cannot be read because no file can be opened. */
const noFiles = /too many open files/i

/** The code of the resource that this process lacks. An SDK may have moved the code into its message. */
const missingResource = (cause: object): string | undefined => {
  const code = codeOf(cause)
  if (code !== undefined && local.has(code)) return code
  const message = String(Reflect.get(cause, "message"))
  if (cause instanceof RangeError && noMemory.test(message)) return "out of memory"
  return /\b(?:EMFILE|ENFILE)\b/.exec(message)?.[0] ?? (noFiles.test(message) ? "EMFILE" : undefined)
}

/** The `LocalError` of an error or its causes, if this process lacks a resource; else `undefined`. */
export const localError = (failure: unknown): ProviderError | undefined => {
  for (const cause of causes(failure)) {
    const code = missingResource(cause)
    if (code === undefined) continue
    return new ProviderError({
      reason: { _tag: "LocalError" },
      message: `this gateway lacks a resource (${code})`,
      cause: failure,
    })
  }
  return undefined
}

/** Error codes of a response whose headers exceed the limit of undici and Node (16 KiB). */
const overflow = new Set(["UND_ERR_HEADERS_OVERFLOW", "HPE_HEADER_OVERFLOW"])

/** undici's and Node's messages for a proxy's 407. */
const refusesCredentials = /^(?:Proxy response \(407\)|Proxy Authentication Required|Failed to establish tunnel .* 407)/

/** The maximum depth of causes to inspect. */
const depth = 6

/** An error and its causes that are objects, outermost first, up to `depth`. */
const causes = (failure: unknown): ReadonlyArray<object> => {
  const all: Array<object> = []
  let cause = failure
  while (Predicate.isObject(cause) && all.length < depth) {
    all.push(cause)
    cause = "cause" in cause ? cause.cause : undefined
  }
  return all
}

/**
 * The `ProviderError` of a failure below HTTP, or that caused it; `undefined` if it is none. Call this before looking at an error's name:
 * Bedrock's SDK names a connection reset a timeout.
 */
export const classify = (failure: unknown): ProviderError | undefined => {
  const resourceError = localError(failure)
  if (resourceError !== undefined) return resourceError
  for (const cause of causes(failure)) {
    if (cause instanceof ProviderError) return cause
    const code = codeOf(cause)
    if (cause instanceof UnreadableAnswer) {
      const { message, overLimit, status } = cause
      const reason = { _tag: "Malformed", ...(overLimit === undefined ? undefined : { overLimit }) } as const
      return new ProviderError({ reason, message, status, contentFree: true, cause: failure })
    }
    if (refusesCredentials.test(String(Reflect.get(cause, "message")))) {
      return new ProviderError({ reason: { _tag: "Authentication" }, message: "the proxy requires credentials (407)" })
    }
    if (code === "UND_ERR_CONNECT_TIMEOUT" || code === "UND_ERR_HEADERS_TIMEOUT") {
      if (EventLoop.hasStalled()) return EventLoop.error(failure)
      return new ProviderError({
        reason: { _tag: "Timeout", phase: "connect" },
        message: "no connection within timeout.connect",
        cause: failure,
      })
    }
    if (code === undefined) continue
    if (overflow.has(code)) {
      return new ProviderError({ reason: { _tag: "Malformed" }, message: describe(cause) ?? code, cause: failure })
    }
    if (network.has(code) || family.test(code)) {
      return new ProviderError({ reason: { _tag: "Network" }, message: describe(cause) ?? code, cause: failure })
    }
  }
  return undefined
}

const codeOf = (cause: object): string | undefined =>
  "code" in cause && Predicate.isString(cause.code) && cause.code !== "" ? cause.code : undefined

/** The code and the message of an error, if it has any. */
const describe = (cause: object): string | undefined => {
  const code = codeOf(cause)
  const message =
    "message" in cause && Predicate.isString(cause.message) && cause.message.trim() !== "" ? cause.message : undefined
  if (code === undefined || message === undefined) return code ?? message
  return message.includes(code) ? message : `${code}: ${message}`
}

/**
 * The `ProviderError` of a failure below HTTP. An unknown failure is a `ServerError` with the first message among its
 * causes.
 */
export const orUnexpected = (failure: unknown): ProviderError => {
  const known = classify(failure)
  if (known !== undefined) return known
  const all = causes(failure)
  const description = all.map(describe).find((text) => text !== undefined)
  const [name] = all.flatMap((cause) => ("name" in cause && Predicate.isString(cause.name) ? cause.name : []))
  return new ProviderError({
    reason: { _tag: "ServerError" },
    message:
      description ??
      name ??
      (Predicate.isString(failure) && failure !== "" ? failure : "unknown error without a message"),
    cause: failure,
  })
}
