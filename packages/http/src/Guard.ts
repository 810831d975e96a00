/**
 * Who may talk to the gateway: the one gate in front of every endpoint that answers or changes something.
 *
 * Without keys it listens on loopback for anybody there, and a browser is not just anybody: a page of another origin, or
 * one that has rebound its name to this address, is refused. With keys, the key decides.
 */
import * as Brand from "effect/Brand"
import * as Redacted from "effect/Redacted"
import { createHash, timingSafeEqual } from "node:crypto"

/** What is let in. Hosts are compared without their port, origins as a browser sends them. */
export interface Policy {
  /** The keys that open the gate (see `key`); none: no key is asked for. */
  readonly keys: ReadonlyArray<Key>
  /** Host names accepted besides loopback's own; `undefined` accepts any. */
  readonly hosts: ReadonlyArray<string> | undefined
  /** Origins of web pages accepted besides those served from loopback. */
  readonly origins: ReadonlyArray<string>
}

/** A key by its digest: digests are of one length, so that comparing takes the same time whatever was sent. */
export type Key = Brand.Branded<Uint8Array, "Key">

const Key = Brand.nominal<Key>()

const digest = (text: string): Key => Key(createHash("sha256").update(text).digest())

export const key = (secret: Redacted.Redacted): Key => digest(Redacted.value(secret))

/** The headers the gate looks at, by their lower-case names. */
export type Headers = Readonly<Record<string, string | undefined>>

/** Why a request is turned away: an HTTP status, and words for its sender. */
export interface Refusal {
  readonly status: 401 | 403 | 421
  readonly code: "invalid_api_key" | "foreign_origin" | "foreign_host"
  readonly message: string
}

/** The verdict on a request, by its headers alone; `undefined` lets it in. */
export const check = (policy: Policy, headers: Headers): Refusal | undefined => {
  const { origin } = headers
  if (origin !== undefined && !policy.origins.includes(origin) && !isLoopback(hostOf(origin))) {
    return {
      status: 403,
      code: "foreign_origin",
      message: `Pages of ${origin} may not call this gateway. Name the origin under server.allowedOrigins to let them.`,
    }
  }
  if (policy.keys.length > 0) return checkKey(policy.keys, headers)
  const host = hostname(headers["host"] ?? "")
  if (policy.hosts === undefined || isLoopback(host) || policy.hosts.includes(host)) return undefined
  return {
    status: 421,
    code: "foreign_host",
    message: `This gateway does not answer as ${host}. Name it under server.allowedHosts, or set a key (UNDERSTUDY_API_KEY).`,
  }
}

const checkKey = (keys: Policy["keys"], headers: Headers): Refusal | undefined => {
  const sent = headers["x-api-key"] ?? bearer(headers["authorization"])
  if (sent === undefined) {
    return {
      status: 401,
      code: "invalid_api_key",
      message: "This gateway asks for a key: send `Authorization: Bearer <key>`.",
    }
  }
  const given = digest(sent)
  return keys.some((known) => timingSafeEqual(known, given))
    ? undefined
    : { status: 401, code: "invalid_api_key", message: "This gateway does not know the key it was sent." }
}

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
