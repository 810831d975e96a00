/**
 * The `server` section of a configuration: address, limits, authentication and shutdown.
 */
import { DurationText, PositiveDuration } from "@understudy/providers/internal/config/DurationText"
import { SizeText } from "@understudy/providers/internal/config/SizeText"
import { count, flag, number, text, word, source } from "@understudy/providers/internal/config/Fields"
import { deepest as maxDepth } from "@understudy/providers/internal/protocols/JsonBounds"
import * as ByteSize from "effect/ByteSize"
import * as Schema from "effect/Schema"
import * as Drain from "../Drain.ts"
import * as Expose from "../auth/Expose.ts"
import * as Overload from "../Overload.ts"
import * as RealtimeSettings from "../RealtimeSettings.ts"
import * as ServerLimits from "../ServerLimits.ts"

const optional = Schema.optionalKey

/** A host name of a `Host` header, without its port. */
const HostName = source({
  from: Schema.String,
  to: Schema.String,
  expected: "a host name without scheme or port, such as gateway.internal",
  notes: { quotable: true },
  parse: (host) => (/^([^\s/:]+|\[[\da-f:.]+\])$/i.test(host.trim()) ? host.trim().toLowerCase() : undefined),
  print: (host) => host,
})

/** An origin in the form that browsers send. */
const Origin = source({
  from: Schema.String,
  to: Schema.String,
  expected: "an origin without a path or a wildcard, such as https://chat.example.com",
  parse: (origin) => (/^[a-z][a-z\d+.-]*:\/\/[^\s/?#@*]+$/i.test(origin.trim()) ? normalize(origin.trim()) : undefined),
  print: (origin) => origin,
})

/** Browsers omit the scheme's default port and write host names in ASCII. `URL` normalizes HTTP schemes only. */
const normalize = (origin: string): string | undefined => {
  if (!/^https?:/i.test(origin)) return origin.toLowerCase()
  return URL.canParse(origin) ? new URL(origin).origin : undefined
}

/** `false`, which may be a text from an environment variable. */
const off = source<false, boolean | string>({
  from: Schema.Union([Schema.Boolean, Schema.String]),
  to: Schema.Literal(false),
  expected: "false, or a mapping such as { delay: 500ms, calls: 10000 }",
  parse: (input) => (String(input).trim().toLowerCase() === "false" ? false : undefined),
  print: (value) => value,
})

/** At most the depth that JavaScript can serialize. */
const nesting = number(
  `a number of levels, 1 to ${maxDepth}`,
  (levels) => Number.isInteger(levels) && levels >= 1 && levels <= maxDepth,
)

/** The most worker processes of a gateway. */
export const maxWorkers = 128

export const ServerSection = Schema.Struct({
  port: optional(
    number("a port, 1 to 65535, or 0 for any free one", (port) => Number.isInteger(port) && port >= 0 && port < 65_536),
  ),
  host: optional(text("an address to listen on, such as 127.0.0.1")),
  workers: optional(
    number(
      `a number of processes, 1 to ${maxWorkers}`,
      (workers) => Number.isInteger(workers) && workers >= 1 && workers <= maxWorkers,
    ),
  ),
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
  overload: optional(
    Schema.Union([
      off,
      Schema.Struct({ delay: optional(PositiveDuration), calls: optional(count) } satisfies Record<
        keyof Overload.Policy,
        unknown
      >),
    ]).annotate({ expected: "false, or a mapping such as { delay: 500ms, calls: 10000 }" }),
  ),
  realtime: optional(
    Schema.Union([
      off,
      Schema.Struct({
        idle: optional(PositiveDuration),
        maxDuration: optional(PositiveDuration),
        maxMessage: optional(SizeText),
      } satisfies Record<keyof RealtimeSettings.Settings, unknown>),
    ]).annotate({ expected: "false, or a mapping such as { idle: 10m, maxDuration: 1h, maxMessage: 16MB }" }),
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
      upload: optional(SizeText),
      uploads: optional(SizeText),
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
  /** The number of processes that serve. With more than one, a main process starts them. */
  readonly workers: number
  /** The largest accepted request body. */
  readonly maxBody: ByteSize.ByteSize
  /** Whether to serve beyond loopback without keys. */
  readonly allowUnauthenticated: boolean
  /** Host names accepted besides loopback's. */
  readonly allowedHosts: ReadonlyArray<string>
  /** Origins of web pages accepted besides loopback's. */
  readonly allowedOrigins: ReadonlyArray<string>
  /** How much of deployments callers see. See `Auth.Policy`. */
  readonly expose?: Expose.Level | undefined
  /** How long each step of a shutdown may take. */
  readonly drain: Drain.Policy
  /** The bounds at which new calls are rejected; `false` for none. */
  readonly overload: Overload.Policy | false
  /** The limits of realtime sessions; `false` if they are switched off. */
  readonly realtime: RealtimeSettings.Settings | false
  /** Limits on one caller's use of the process. */
  readonly limits: ServerLimits.Limits
}

export const defaults: ServerSettings = {
  port: 4000,
  host: "127.0.0.1",
  workers: 1,
  maxBody: ByteSize.megabytes(20),
  allowUnauthenticated: false,
  allowedHosts: [],
  allowedOrigins: [],
  drain: Drain.defaults,
  overload: Overload.defaults,
  realtime: RealtimeSettings.defaults,
  limits: ServerLimits.defaults,
}

/** The section with its defaults filled in. */
export const settings = (section: typeof ServerSection.Type = {}): ServerSettings => ({
  ...defaults,
  ...section,
  drain: { ...Drain.defaults, ...section.drain },
  overload: section.overload === false ? false : { ...Overload.defaults, ...section.overload },
  realtime: section.realtime === false ? false : { ...RealtimeSettings.defaults, ...section.realtime },
  limits: { ...ServerLimits.defaults, ...section.limits },
})
