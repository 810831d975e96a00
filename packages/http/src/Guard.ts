/**
 * Who may talk to the gateway: the one gate in front of every endpoint that answers or changes something.
 *
 * Without keys it listens on loopback for anybody there, and a browser is not just anybody: a page of another origin, or
 * one that has rebound its name to this address, is refused. With keys, the key decides.
 */
import * as Brand from "effect/Brand"
import * as Redacted from "effect/Redacted"
import * as Result from "effect/Result"
import { createHash, timingSafeEqual } from "node:crypto"
import type { VirtualKey } from "./keys/VirtualKey.ts"

/** What is let in. Hosts are compared without their port, origins as a browser sends them. */
export interface Policy {
  /** The keys that open the gate (see `key`); none: no key is asked for. */
  readonly keys: ReadonlyArray<Key>
  /** Host names accepted besides loopback's own; `undefined` accepts any. */
  readonly hosts: ReadonlyArray<string> | undefined
  /** Origins of web pages accepted besides those served from loopback. */
  readonly origins: ReadonlyArray<string>
}

/** A key that opens the gate, and whose it is: the operator's, or the holder's of a virtual key. */
export interface Key {
  readonly digest: Digest
  readonly holder: VirtualKey | undefined
}

/** What is compared instead of a key: digests are of one length, so that it takes the same time whatever was sent. */
type Digest = Brand.Branded<Uint8Array, "Digest">

const Digest = Brand.nominal<Digest>()

const digest = (text: string): Digest => Digest(createHash("sha256").update(text).digest())

/** The operator's key. */
export const key = (secret: Redacted.Redacted): Key => ({ digest: digest(Redacted.value(secret)), holder: undefined })

export const virtualKey = (holder: VirtualKey): Key => ({ digest: digest(Redacted.value(holder.key)), holder })

/** What the gate looks at: headers by their lower-case names, and the path with its query. */
export interface Request {
  readonly headers: Headers
  readonly url: string
}

export type Headers = Readonly<Record<string, string | undefined>>

/** Why a request is turned away: an HTTP status, and words for its sender. */
export interface Refusal {
  readonly status: 401 | 403 | 421
  readonly code: "invalid_api_key" | "foreign_origin" | "foreign_host"
  readonly message: string
}

/** The verdict on a request, by what stands before its body: whose virtual key it came with, if any, or why not further. */
export const check = (policy: Policy, request: Request): Result.Result<VirtualKey | undefined, Refusal> => {
  const { headers } = request
  const { origin } = headers
  if (origin !== undefined && !policy.origins.includes(origin) && !isLoopback(hostOf(origin))) {
    return Result.fail({
      status: 403,
      code: "foreign_origin",
      message: `Pages of ${origin} may not call this gateway. Name the origin under server.allowedOrigins to let them.`,
    })
  }
  if (policy.keys.length > 0) return checkKey(policy.keys, request)
  const host = hostname(headers["host"] ?? "")
  if (policy.hosts === undefined || isLoopback(host) || policy.hosts.includes(host)) return Result.succeed(undefined)
  return Result.fail({
    status: 421,
    code: "foreign_host",
    message: `This gateway does not answer as ${host}. Name it under server.allowedHosts, or set a key (UNDERSTUDY_API_KEY).`,
  })
}

const checkKey = (keys: Policy["keys"], request: Request): Result.Result<VirtualKey | undefined, Refusal> => {
  const sent = credentials(request).map(digest)
  if (sent.length === 0) {
    return Result.fail({
      status: 401,
      code: "invalid_api_key",
      message: "This gateway asks for a key: send `Authorization: Bearer <key>`.",
    })
  }
  const found = keys.find(({ digest }) => sent.some((given) => timingSafeEqual(digest, given)))
  return found === undefined
    ? Result.fail({
        status: 401,
        code: "invalid_api_key",
        message: "This gateway does not know the key it was sent.",
      })
    : Result.succeed(found.holder)
}

/** Where the clients of OpenAI, Anthropic and Gemini put their keys. One that sends several may mean any of them. */
const credentials = ({ headers, url }: Request): ReadonlyArray<string> =>
  [
    bearer(headers["authorization"]),
    headers["x-api-key"],
    headers["x-goog-api-key"],
    url.includes("?") ? new URLSearchParams(url.slice(url.indexOf("?"))).get("key") : undefined,
  ].flatMap((credential) => credential ?? [])

const bearer = (authorization: string | undefined): string | undefined =>
  authorization !== undefined && /^bearer /i.test(authorization)
    ? authorization.slice("bearer ".length).trim()
    : undefined

/** `example.com:4000` -> `example.com`; `[::1]:4000` -> `[::1]`. */
const hostname = (host: string): string => host.replace(/:\d*$/, "").toLowerCase()

const hostOf = (origin: string): string => hostname(origin.replace(/^[a-z][a-z0-9+.-]*:\/\//i, ""))

/** The names by which only this machine can be meant. */
export const isLoopback = (host: string): boolean =>
  host === "localhost" ||
  host.endsWith(".localhost") ||
  host === "[::1]" ||
  host === "::1" ||
  /^127(\.\d{1,3}){3}$/.test(host)
