/**
 * The `server` section of a configuration: where the gateway listens, what it takes, and whom it lets in.
 */
import { DurationText, PositiveDuration } from "@understudy/providers/internal/config/DurationText"
import { SizeText } from "@understudy/providers/internal/config/SizeText"
import { count, flag, number, text, word, source } from "@understudy/providers/internal/config/Fields"
import { deepest } from "@understudy/providers/internal/protocols/JsonBounds"
import * as ByteSize from "effect/ByteSize"
import * as Schema from "effect/Schema"
import * as Drain from "../Drain.ts"
import * as Expose from "../auth/Expose.ts"
import * as ServerLimits from "../ServerLimits.ts"

const optional = Schema.optionalKey

/** A host as requests name it, without its port. */
const HostName = source({
  from: Schema.String,
  to: Schema.String,
  expected: "a host name without scheme or port, such as gateway.internal",
  notes: { quotable: true },
  parse: (host) => (/^([^\s/:]+|\[[\da-f:.]+\])$/i.test(host.trim()) ? host.trim().toLowerCase() : undefined),
  print: (host) => host,
})

/** An origin as browsers send it. */
const Origin = source({
  from: Schema.String,
  to: Schema.String,
  expected: "an origin without a path or a wildcard, such as https://chat.example.com",
  parse: (origin) => (/^[a-z][a-z\d+.-]*:\/\/[^\s/?#@*]+$/i.test(origin.trim()) ? asSent(origin.trim()) : undefined),
  print: (origin) => origin,
})

/** Browsers leave out the port that is the scheme's own, and write names of other alphabets in ASCII; other schemes are opaque to `URL`. */
const asSent = (origin: string): string | undefined => {
  if (!/^https?:/i.test(origin)) return origin.toLowerCase()
  return URL.canParse(origin) ? new URL(origin).origin : undefined
}

/** As deep as JavaScript can write again. */
const nesting = number(
  `a number of levels, 1 to ${deepest}`,
  (levels) => Number.isInteger(levels) && levels >= 1 && levels <= deepest,
)

export const ServerSection = Schema.Struct({
  port: optional(
    number("a port, 1 to 65535, or 0 for any free one", (port) => Number.isInteger(port) && port >= 0 && port < 65_536),
  ),
  host: optional(text("an address to listen on, such as 127.0.0.1")),
  maxBody: optional(SizeText),
  allowUnauthenticated: optional(flag),
  allowedHosts: optional(
    Schema.Array(HostName).annotate({ expected: "a list of host names, such as [gateway.internal]" }),
  ),
  allowedOrigins: optional(
    Schema.Array(Origin).annotate({ expected: "a list of origins, such as [https://chat.example.com]" }),
  ),
  expose: optional(word(Expose.levels)),
  drain: optional(
    Schema.Struct({ delay: optional(DurationText), timeout: optional(DurationText) }).annotate({
      expected: "a mapping such as { delay: 5s, timeout: 30s }",
    }),
  ),
  limits: optional(
    Schema.Struct({
      fields: optional(count),
      nesting: optional(nesting),
      values: optional(count),
      distinctFields: optional(count),
      messages: optional(count),
      parts: optional(count),
      tools: optional(count),
      inputs: optional(count),
      slowDecode: optional(PositiveDuration),
      expansion: optional(count),
      unfinishedBodies: optional(SizeText),
      connections: optional(count),
      headTimeout: optional(PositiveDuration),
      requestTimeout: optional(PositiveDuration),
      answer: optional(SizeText),
      error: optional(SizeText),
    } satisfies Record<keyof ServerLimits.Limits, unknown>),
  ),
})

/** The section with its defaults filled in. */
export interface ServerSettings {
  readonly port: number
  readonly host: string
  /** The largest body taken. */
  readonly maxBody: ByteSize.ByteSize
  /** Whether anybody may call who can reach it, though it listens wider than on loopback and asks for no key. */
  readonly allowUnauthenticated: boolean
  /** Host names answered to besides loopback's. */
  readonly allowedHosts: ReadonlyArray<string>
  /** Origins of web pages let in besides loopback's. */
  readonly allowedOrigins: ReadonlyArray<string>
  /** How much callers are told of who answers: see `Guard.Policy`. */
  readonly expose?: Expose.Level | undefined
  /** How long it may take to go down once the gateway is told to stop. */
  readonly drain: Drain.Policy
  /** What one caller may ask of the process that all share. */
  readonly limits: ServerLimits.Limits
}

export const defaults: ServerSettings = {
  port: 4000,
  host: "127.0.0.1",
  maxBody: ByteSize.megabytes(20),
  allowUnauthenticated: false,
  allowedHosts: [],
  allowedOrigins: [],
  drain: Drain.defaults,
  limits: ServerLimits.defaults,
}

/** The section with the defaults for what it does not say. */
export const settings = (section: typeof ServerSection.Type = {}): ServerSettings => ({
  ...defaults,
  ...section,
  drain: { ...Drain.defaults, ...section.drain },
  limits: { ...ServerLimits.defaults, ...section.limits },
})
