/**
 * Who may talk to the gateway: the one gate in front of every endpoint that answers or changes something.
 *
 * Without keys it listens on loopback for anybody there, and a browser is not just anybody: a page of another origin, or
 * one that has rebound its name to this address, is refused. With keys, the key decides, or a session that stands for one:
 * of the gateway's own page, and for requests of that page alone.
 */
import * as Brand from "effect/Brand"
import * as Redacted from "effect/Redacted"
import * as Result from "effect/Result"
import { parseHeader } from "effect/http/Cookies"
import { createHash, timingSafeEqual } from "node:crypto"
import * as Session from "./dashboard/Session.ts"
import type { Level } from "./keys/Expose.ts"
import type { VirtualKey } from "./keys/VirtualKey.ts"

/** What is let in. Hosts are compared without their port, origins as a browser sends them. */
export interface Policy {
  /** The keys that open the gate (see `key`); none: no key is asked for. */
  readonly keys: ReadonlyArray<Key>
  /** Host names accepted besides loopback's own; `undefined` accepts any. */
  readonly hosts: ReadonlyArray<string> | undefined
  /** Origins of web pages accepted besides those served from loopback, and, with keys, the gateway's own. */
  readonly origins: ReadonlyArray<string>
  /** What the sessions of those who sign in to the page are signed with; none: nobody can. */
  readonly sessions?: Redacted.Redacted | undefined
  /** How much callers are told of who answers: `names` to virtual keys, all to others, if not said. The operator is told all. */
  readonly expose?: Level | undefined
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
export const check = (policy: Policy, request: Request, now: number): Result.Result<VirtualKey | undefined, Refusal> =>
  Result.flatMap(greet(policy, request), () =>
    policy.keys.length > 0 ? checkKey(policy, request, now) : Result.succeed(undefined),
  )

/** How much that caller is told. Without a key it is the operator, unless no key is asked for: then it may be anybody. */
export const exposed = ({ expose, keys }: Policy, caller: VirtualKey | undefined): Level =>
  caller === undefined ? (keys.length > 0 ? "full" : (expose ?? "full")) : (expose ?? "names")

/** The same for what is shown to those who have no key yet. */
export const greet = (policy: Policy, request: Request): Result.Result<undefined, Refusal> => {
  const { origin } = request.headers
  const host = hostname(request.headers["host"] ?? "")
  const isKnown = () => isLoopback(host) || policy.hosts?.includes(host) === true
  const isWelcome = (origin: string): boolean =>
    allows(policy, origin) ||
    // A name that was rebound to this address makes a page ours as well: only a key, or a name we know, tells it apart.
    (isOurs(request) && (policy.keys.length > 0 || isKnown()))
  if (origin !== undefined && !isWelcome(origin)) {
    return Result.fail({
      status: 403,
      code: "foreign_origin",
      message: `Pages of ${origin} may not call this gateway. Name the origin under server.allowedOrigins to let them.`,
    })
  }
  if (policy.keys.length > 0 || policy.hosts === undefined || isKnown()) return Result.succeed(undefined)
  return Result.fail({
    status: 421,
    code: "foreign_host",
    message: `This gateway does not answer ${host === "" ? "requests without a Host header" : `as ${host}`}. Name it under server.allowedHosts, or set a key (UNDERSTUDY_API_KEY).`,
  })
}

/** Whether the policy lets pages of this origin call, and read their answers: it names the origin, or this machine serves them. */
export const allows = ({ origins }: Policy, origin: string): boolean =>
  origins.includes(origin) || isLoopback(hostOf(origin))

const checkKey = (policy: Policy, request: Request, now: number): Result.Result<VirtualKey | undefined, Refusal> => {
  const sent = credentials(request)
  const found = find(policy.keys, sent) ?? session(policy, request, now)
  if (found !== undefined) return Result.succeed(found.holder)
  return Result.fail({
    status: 401,
    code: "invalid_api_key",
    message:
      sent.length === 0
        ? "This gateway asks for a key: send `Authorization: Bearer <key>`."
        : "This gateway does not know the key it was sent.",
  })
}

/** The key that one of these is. */
export const find = (keys: Policy["keys"], sent: ReadonlyArray<string>): Key | undefined => {
  const digests = sent.map(digest)
  return keys.find(({ digest }) => digests.some((given) => timingSafeEqual(digest, given)))
}

/** The key that the session of a browser stands for. */
const session = ({ keys, sessions }: Policy, request: Request, now: number): Key | undefined => {
  const { cookie } = request.headers
  if (sessions === undefined || cookie === undefined || !isOurs(request)) return undefined
  return Session.keyOf(sessions, keys, parseHeader(cookie)[Session.cookie] ?? "", now)
}

/**
 * Whether a request comes from a page of ours, or from no page at all. A browser sends cookies along with what any page of
 * the same site asks for, on whatever port: only what it says of the origin tells them apart.
 */
const isOurs = ({ headers }: Request): boolean => {
  const { host, origin } = headers
  const site = headers["sec-fetch-site"]
  if (site !== undefined) return site === "same-origin" || site === "none"
  return origin === undefined || origin.replace(scheme, "") === host
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

const scheme = /^[a-z][a-z0-9+.-]*:\/\//i

const hostOf = (origin: string): string => hostname(origin.replace(scheme, ""))

/** The names by which only this machine can be meant. */
export const isLoopback = (host: string): boolean =>
  host === "localhost" ||
  host.endsWith(".localhost") ||
  host === "[::1]" ||
  host === "::1" ||
  /^127(\.\d{1,3}){3}$/.test(host)
