/**
 * Authentication and origin checks for every endpoint that returns or changes data.
 *
 * A gateway without keys listens on loopback and serves every local client, except browsers' requests from other origins and
 * from host names rebound to its address. A gateway with keys requires one, or a session cookie of its own page, which stands
 * for a key and counts only for requests of that page.
 */
import type * as Redacted from "effect/Redacted"
import * as Result from "effect/Result"
import { parseHeader } from "effect/http/Cookies"
import * as Session from "./Session.ts"
import * as KeySubprotocol from "./KeySubprotocol.ts"
import type { Level } from "./Expose.ts"
import type { Key, Keyring } from "./Keyring.ts"
import { FailedLogins } from "./FailedLogins.ts"
import type { VirtualKey } from "./VirtualKey.ts"
import { nameOf } from "./VirtualKey.ts"

export { configured, Keyring, operator } from "./Keyring.ts"
export type { Key } from "./Keyring.ts"

/** Which requests are accepted. Hosts are compared without their port, origins as browsers send them. */
export interface Policy {
  /** The accepted keys. If the configuration has none, requests need no key. */
  readonly keys: Keyring
  /** Host names accepted besides loopback's; `undefined` accepts all. */
  readonly hosts: ReadonlyArray<string> | undefined
  /** Origins of web pages accepted besides loopback's and, with keys, the gateway's own. */
  readonly origins: ReadonlyArray<string>
  /** The secret that signs session cookies of the page. Without one, the page has no login. */
  readonly sessions?: Redacted.Redacted | undefined
  /** How much of deployments callers see: `names` by default for virtual keys, `full` for others. The operator sees all. */
  readonly expose?: Level | undefined
}

/** A policy with its state: sessions, failed logins. */
export interface Auth extends Omit<Policy, "sessions"> {
  readonly sessions: Session.Sessions | undefined
  readonly failedLogins: FailedLogins
}

export const make = ({ sessions, ...policy }: Policy): Auth => ({
  ...policy,
  sessions: sessions === undefined ? undefined : new Session.Sessions(sessions, policy.keys),
  failedLogins: new FailedLogins(),
})

/** The checked parts of a request: headers by their lower-case names, and the path with its query. */
export interface Request {
  readonly headers: Headers
  readonly url: string
}

export type Headers = Readonly<Record<string, string | undefined>>

/** Why a request is rejected. */
export interface Rejection {
  readonly status: 401 | 403 | 421
  readonly code: "invalid_api_key" | "origin_not_allowed" | "host_not_allowed"
  readonly message: string
  /** Whether the request has a key, and the key is unknown. */
  readonly isUnknownKey?: boolean
}

/**
 * Checks origin, host and key. Succeeds with the key, or `undefined` for requests without one to a gateway that needs none. `now` is
 * clock milliseconds.
 */
export const authenticate = (auth: Auth, request: Request, now: number): Result.Result<Key | undefined, Rejection> =>
  Result.flatMap(checkOrigin(auth, request), () =>
    auth.keys.isOpen && auth.keys.size === 0 ? Result.succeed(undefined) : checkKey(auth, request, now),
  )

/** The exposure level of a caller. `undefined` is the operator, or every caller of a gateway without keys. */
export const exposed = ({ expose, keys }: Auth, caller: VirtualKey | undefined): Level =>
  caller === undefined ? (keys.isOpen ? (expose ?? "full") : "full") : (expose ?? "names")

/** Checks origin and host alone, for paths that need no key. */
export const checkOrigin = (auth: Auth, request: Request): Result.Result<undefined, Rejection> => {
  const { origin } = request.headers
  const host = hostname(request.headers["host"] ?? "")
  const isKnown = () => isLoopback(host) || auth.hosts?.includes(host) === true
  const isAllowedOrigin = (origin: string): boolean =>
    allows(auth, origin) ||
    // DNS rebinding makes a foreign page same-origin. Only a key or a known host name tells the two apart.
    (isSameOrigin(request) && (!auth.keys.isOpen || isKnown()))
  if (origin !== undefined && !isAllowedOrigin(origin)) {
    return Result.fail({
      status: 403,
      code: "origin_not_allowed",
      message: `Pages of ${origin} may not call this gateway. To allow them, add the origin to server.allowedOrigins.`,
    })
  }
  if (!auth.keys.isOpen || auth.hosts === undefined || isKnown()) return Result.succeed(undefined)
  return Result.fail({
    status: 421,
    code: "host_not_allowed",
    message:
      host === ""
        ? "The request has no Host header. Send one, or set a key (UNDERSTUDY_API_KEY)."
        : `The host ${host} is not allowed. Add it to server.allowedHosts, or set a key (UNDERSTUDY_API_KEY).`,
  })
}

/** Whether pages of this origin may call and read the responses: the policy lists the origin, or it is on loopback. */
export const allows = ({ origins }: Pick<Policy, "origins">, origin: string): boolean =>
  origins.includes(origin) || isLoopback(hostOf(origin))

const checkKey = (auth: Auth, request: Request, now: number): Result.Result<Key | undefined, Rejection> => {
  const sent = credentials(request)
  const found = find(auth, sent) ?? session(auth, request, now)
  if (found !== undefined) return checkValid(found, now)
  if (auth.keys.isOpen) return Result.succeed(undefined)
  return Result.fail(
    sent.length === 0
      ? invalidKey("Missing key. Send `Authorization: Bearer <key>`.")
      : { ...invalidKey("Unknown key. Send a key of this gateway, not a provider's."), isUnknownKey: true },
  )
}

const invalidKey = (message: string): Rejection => ({ status: 401, code: "invalid_api_key", message })

/** The key, if it is accepted now. It counts as used. */
export const checkValid = (key: Key, now: number): Result.Result<Key, Rejection> => {
  const invalid = whyInvalid(key, now)
  if (invalid !== undefined) return Result.fail(invalidKey(invalid))
  key.usedAt = now
  return Result.succeed(key)
}

/** Why a known key is not accepted, if it is not. Only a client that has the key learns it. */
const whyInvalid = ({ until, virtualKey }: Key, now: number): string | undefined => {
  if (virtualKey === undefined) return undefined
  const { disabled, expiresAt, team } = virtualKey
  if (disabled === true) return `Key "${nameOf(virtualKey)}" is disabled.`
  if (team?.disabled === true) return `The team of key "${nameOf(virtualKey)}", "${team.name}", is disabled.`
  if (expiresAt !== undefined && expiresAt <= now) {
    return `Key "${nameOf(virtualKey)}" expired at ${new Date(expiresAt).toISOString()}.`
  }
  return until !== undefined && until <= now
    ? `Key "${nameOf(virtualKey)}" was rotated: its former secret expired at ${new Date(until).toISOString()}.`
    : undefined
}

/** The first of these texts that is a key. */
const find = ({ keys }: Auth, sent: ReadonlyArray<string>): Key | undefined => {
  for (const text of sent) {
    const found = keys.find(text)
    if (found !== undefined) return found
  }
  return undefined
}

/** The key of the browser's session. */
const session = ({ sessions }: Auth, request: Request, now: number): Key | undefined => {
  const token = sessions === undefined ? undefined : tokenOf(request)
  return token === undefined ? undefined : sessions?.keyOf(token, now)
}

/** The session token, if the request comes from the gateway's own page. */
export const tokenOf = (request: Request): string | undefined => {
  const { cookie } = request.headers
  return cookie === undefined || !isSameOrigin(request) ? undefined : parseHeader(cookie)[Session.cookie]
}

/**
 * Whether a request comes from the gateway's own page, or from no page. Browsers send cookies with requests from any page of
 * the same site, on any port, so only the origin headers tell those apart.
 */
const isSameOrigin = ({ headers }: Request): boolean => {
  const { host, origin } = headers
  const site = headers["sec-fetch-site"]
  if (site !== undefined) return site === "same-origin" || site === "none"
  return origin === undefined || origin.replace(scheme, "") === host
}

/** The keys of a request, from each place where clients of OpenAI, Anthropic and Gemini send one, browsers included. */
const credentials = ({ headers, url }: Request): ReadonlyArray<string> =>
  [
    bearer(headers["authorization"]),
    headers["x-api-key"],
    headers["x-goog-api-key"],
    url.includes("?") ? new URLSearchParams(url.slice(url.indexOf("?"))).get("key") : undefined,
    ...KeySubprotocol.keys(headers["sec-websocket-protocol"]),
  ].flatMap((credential) => credential ?? [])

const bearer = (authorization: string | undefined): string | undefined =>
  authorization !== undefined && /^bearer /i.test(authorization)
    ? authorization.slice("bearer ".length).trim()
    : undefined

/** `example.com:4000` -> `example.com`; `[::1]:4000` -> `[::1]`. */
const hostname = (host: string): string => host.replace(/:\d*$/, "").toLowerCase()

const scheme = /^[a-z][a-z0-9+.-]*:\/\//i

const hostOf = (origin: string): string => hostname(origin.replace(scheme, ""))

/** Whether a host name always resolves to this machine. */
export const isLoopback = (host: string): boolean =>
  host === "localhost" ||
  host.endsWith(".localhost") ||
  host === "[::1]" ||
  host === "::1" ||
  /^127(\.\d{1,3}){3}$/.test(host)
