/**
 * Who may talk to the gateway: the one gate in front of every endpoint that answers or changes something.
 *
 * Without keys it listens on loopback for anybody there, and a browser is not just anybody: a page of another origin, or
 * one that has rebound its name to this address, is refused. With keys, the key decides, or a session that stands for one:
 * of the gateway's own page, and for requests of that page alone.
 */
import * as Redacted from "effect/Redacted"
import * as Result from "effect/Result"
import { parseHeader } from "effect/http/Cookies"
import * as Session from "./Session.ts"
import type { Level } from "./Expose.ts"
import * as Keyring from "./Keyring.ts"
import { FailedLogins } from "./FailedLogins.ts"
import type { VirtualKey } from "./VirtualKey.ts"

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
export interface Key extends Keyring.Digested {
  readonly holder: VirtualKey | undefined
}

/** The operator's key. */
export const key = (secret: Redacted.Redacted): Key => ({
  ...Keyring.digested(Redacted.value(secret)),
  holder: undefined,
})

export const virtualKey = (holder: VirtualKey): Key => ({
  ...Keyring.digested(Redacted.value(holder.key)),
  holder,
})

/** A policy, and what a gate remembers that keeps to it. */
export interface Auth extends Omit<Policy, "keys" | "sessions"> {
  readonly keys: Keyring.Keyring<Key>
  readonly sessions: Session.Sessions<Key> | undefined
  readonly failedLogins: FailedLogins
}

export const make = ({ keys, sessions, ...policy }: Policy): Auth => ({
  ...policy,
  keys: new Keyring.Keyring(keys),
  sessions: sessions === undefined ? undefined : new Session.Sessions(sessions, keys),
  failedLogins: new FailedLogins(),
})

/** What the gate looks at: headers by their lower-case names, and the path with its query. */
export interface Request {
  readonly headers: Headers
  readonly url: string
}

export type Headers = Readonly<Record<string, string | undefined>>

/** Why a request is turned away: an HTTP status, and words for its sender. */
export interface Rejection {
  readonly status: 401 | 403 | 421
  readonly code: "invalid_api_key" | "origin_not_allowed" | "host_not_allowed"
  readonly message: string
  /** Whether it came with a key that is none. */
  readonly isUnknownKey?: boolean
}

/** The verdict on a request, by what stands before its body: whose virtual key it came with, if any, or why not further. */
export const authenticate = (
  auth: Auth,
  request: Request,
  now: number,
): Result.Result<VirtualKey | undefined, Rejection> =>
  Result.flatMap(checkOrigin(auth, request), () =>
    auth.keys.isEmpty ? Result.succeed(undefined) : checkKey(auth, request, now),
  )

/** How much that caller is told. Without a key it is the operator, unless no key is asked for: then it may be anybody. */
export const exposed = ({ expose, keys }: Auth, caller: VirtualKey | undefined): Level =>
  caller === undefined ? (keys.isEmpty ? (expose ?? "full") : "full") : (expose ?? "names")

/** The same for what is shown to those who have no key yet. */
export const checkOrigin = (auth: Auth, request: Request): Result.Result<undefined, Rejection> => {
  const { origin } = request.headers
  const host = hostname(request.headers["host"] ?? "")
  const isKnown = () => isLoopback(host) || auth.hosts?.includes(host) === true
  const isWelcome = (origin: string): boolean =>
    allows(auth, origin) ||
    // A name that was rebound to this address makes a page ours as well: only a key, or a name we know, tells it apart.
    (isSameOrigin(request) && (!auth.keys.isEmpty || isKnown()))
  if (origin !== undefined && !isWelcome(origin)) {
    return Result.fail({
      status: 403,
      code: "origin_not_allowed",
      message: `Pages of ${origin} may not call this gateway. Name the origin under server.allowedOrigins to let them.`,
    })
  }
  if (!auth.keys.isEmpty || auth.hosts === undefined || isKnown()) return Result.succeed(undefined)
  return Result.fail({
    status: 421,
    code: "host_not_allowed",
    message: `This gateway does not answer ${host === "" ? "requests without a Host header" : `as ${host}`}. Name it under server.allowedHosts, or set a key (UNDERSTUDY_API_KEY).`,
  })
}

/** Whether the policy lets pages of this origin call, and read their answers: it names the origin, or this machine serves them. */
export const allows = ({ origins }: Pick<Policy, "origins">, origin: string): boolean =>
  origins.includes(origin) || isLoopback(hostOf(origin))

const checkKey = (auth: Auth, request: Request, now: number): Result.Result<VirtualKey | undefined, Rejection> => {
  const sent = credentials(request)
  const found = find(auth, sent) ?? session(auth, request, now)
  if (found !== undefined) return Result.succeed(found.holder)
  return Result.fail({
    status: 401,
    code: "invalid_api_key",
    message:
      sent.length === 0
        ? "This gateway asks for a key: send `Authorization: Bearer <key>`."
        : "This gateway does not know the key it was sent.",
    isUnknownKey: sent.length > 0,
  })
}

/** The key that one of these is. */
const find = ({ keys }: Auth, sent: ReadonlyArray<string>): Key | undefined => {
  for (const text of sent) {
    const found = keys.find(text)
    if (found !== undefined) return found
  }
  return undefined
}

/** The key that the session of a browser stands for. */
const session = ({ sessions }: Auth, request: Request, now: number): Key | undefined => {
  const token = sessions === undefined ? undefined : tokenOf(request)
  return token === undefined ? undefined : sessions?.keyOf(token, now)
}

/** The token of a browser's session, where its request is of a page of ours. */
export const tokenOf = (request: Request): string | undefined => {
  const { cookie } = request.headers
  return cookie === undefined || !isSameOrigin(request) ? undefined : parseHeader(cookie)[Session.cookie]
}

/**
 * Whether a request comes from a page of ours, or from no page at all. A browser sends cookies along with what any page of
 * the same site asks for, on whatever port: only what it says of the origin tells them apart.
 */
const isSameOrigin = ({ headers }: Request): boolean => {
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
