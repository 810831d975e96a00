/**
 * What goes wrong below HTTP, by the error codes of Node and undici, whichever SDK wraps them and however deeply.
 */
import { ProviderError } from "@understudy/core/ProviderError"
import * as Predicate from "effect/Predicate"
import { UnreadableAnswer } from "./AnswerLimits.ts"
import * as EventLoop from "./EventLoop.ts"

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

/** Codes of what this machine or process lacks: files and sockets, ports, buffers, memory. */
const local = new Set([
  "EMFILE",
  "ENFILE",
  "ENOBUFS",
  "ENOMEM",
  "EADDRNOTAVAIL",
  "EAI_MEMORY",
  "ERR_MEMORY_ALLOCATION_FAILED",
])

/** How V8 says that there is no memory. */
const noMemory = /allocation failed|out of memory/i

/** How Node says of a module of a package that it could not be read for want of files. */
const noFiles = /too many open files/i

/** The code of what this process lacks, if that is what an error says. An SDK may have put it into words of its own. */
const lacking = (cause: object): string | undefined => {
  const code = codeOf(cause)
  if (code !== undefined && local.has(code)) return code
  const message = String(Reflect.get(cause, "message"))
  if (cause instanceof RangeError && noMemory.test(message)) return "out of memory"
  return /\b(?:EMFILE|ENFILE)\b/.exec(message)?.[0] ?? (noFiles.test(message) ? "EMFILE" : undefined)
}

/** The failure of a process that lacks what it asks with, in an error or its causes; or nothing. */
export const localError = (failure: unknown): ProviderError | undefined => {
  for (const cause of causes(failure)) {
    const code = lacking(cause)
    if (code === undefined) continue
    return new ProviderError({
      reason: { _tag: "LocalError" },
      message: `this gateway lacks a resource (${code})`,
      cause: failure,
    })
  }
  return undefined
}

/** Codes of an answer whose headers are larger than undici and Node take (16 KiB). */
const overflow = new Set(["UND_ERR_HEADERS_OVERFLOW", "HPE_HEADER_OVERFLOW"])

/** What undici and Node say of a proxy's 407. */
const refusesCredentials = /^(?:Proxy response \(407\)|Proxy Authentication Required|Failed to establish tunnel .* 407)/

/** How deep a cause may lie under the SDKs' own errors. */
const depth = 6

/** An error and its causes, from the outside in: those that are objects, as far as it is worth looking. */
const causes = (failure: unknown): ReadonlyArray<object> => {
  const all: Array<object> = []
  let cause = failure
  while (Predicate.isObject(cause) && all.length < depth) {
    all.push(cause)
    cause = "cause" in cause ? cause.cause : undefined
  }
  return all
}

/** The network's fault in an error or its causes, or nothing. Look here before an error's name: Bedrock calls a reset a timeout. */
export const classify = (failure: unknown): ProviderError | undefined => {
  const ours = localError(failure)
  if (ours !== undefined) return ours
  for (const cause of causes(failure)) {
    const code = codeOf(cause)
    if (cause instanceof UnreadableAnswer) {
      const { message, status } = cause
      return new ProviderError({ reason: { _tag: "Malformed" }, message, status, cause: failure })
    }
    if (refusesCredentials.test(String(Reflect.get(cause, "message")))) {
      return new ProviderError({ reason: { _tag: "Authentication" }, message: "the proxy asks for credentials (407)" })
    }
    if (code === "UND_ERR_CONNECT_TIMEOUT" || code === "UND_ERR_HEADERS_TIMEOUT") {
      if (EventLoop.stoodStill()) return EventLoop.error(failure)
      return new ProviderError({
        reason: { _tag: "Timeout", phase: "connect" },
        message: "no connection in time",
        cause: failure,
      })
    }
    if (code === undefined) continue
    if (overflow.has(code)) {
      return new ProviderError({ reason: { _tag: "Malformed" }, message: words(cause) ?? code, cause: failure })
    }
    if (network.has(code) || family.test(code)) {
      return new ProviderError({ reason: { _tag: "Network" }, message: words(cause) ?? code, cause: failure })
    }
  }
  return undefined
}

const codeOf = (cause: object): string | undefined =>
  "code" in cause && Predicate.isString(cause.code) && cause.code !== "" ? cause.code : undefined

/** What an error says of itself: its code and its message, where it has them. */
const words = (cause: object): string | undefined => {
  const code = codeOf(cause)
  const message =
    "message" in cause && Predicate.isString(cause.message) && cause.message.trim() !== "" ? cause.message : undefined
  if (code === undefined || message === undefined) return code ?? message
  return message.includes(code) ? message : `${code}: ${message}`
}

/** The network's fault; or, what nobody knows, taken for the provider's: in the words of the first of its causes that has any. */
export const orUnexpected = (failure: unknown): ProviderError => {
  const known = classify(failure)
  if (known !== undefined) return known
  const all = causes(failure)
  const said = all.map(words).find((text) => text !== undefined)
  const [name] = all.flatMap((cause) => ("name" in cause && Predicate.isString(cause.name) ? cause.name : []))
  return new ProviderError({
    reason: { _tag: "ServerError" },
    message: said ?? name ?? (Predicate.isString(failure) && failure !== "" ? failure : "it failed without a word"),
    cause: failure,
  })
}
