/** A case: a request as its bytes, mutated or right, and what may come of it. All of it follows from seed, dialect and number. */
import { gzipSync } from "node:zlib"
import { protects } from "@understudy/core/Policies"
import * as Dialect from "../Dialect.ts"
import { parsed } from "../Json.ts"
import { secret, vendors } from "../Vendor.ts"
import type { Received } from "./Caller.ts"
import { Draw } from "./Draw.ts"
import * as Ending from "./Ending.ts"
import * as Mutation from "./Mutation.ts"
import { seeds } from "./Requests.ts"
import type { Seed } from "./Requests.ts"
import { mark } from "./Upstream.ts"

export interface Case {
  readonly dialect: Dialect.Name
  readonly index: number
  /** What is mutated: what its caller sends, or what every vendor that is asked answers. */
  readonly kind: "request" | "answer"
  readonly bytes: Buffer
  /** Whether its path is still the dialect's, which then has a word on how errors and answers look. */
  readonly known: boolean
  readonly answers: boolean
  /** Whether the caller may have said that it would not wait. */
  readonly timed: boolean
}

const any = "any"

/**
 * The routes of the fuzz: for mutated requests one a vendor, and one whose models are whatever the caller names; for mutated
 * answers one a vendor and setting.
 */
export const routes = {
  request: vendors.flatMap((vendor) => [vendor, `${vendor}/${any}`]),
  answer: vendors.flatMap((vendor) => protects.map((protect) => `${vendor}-${protect}` as const)),
}

const oneOf = <A>(all: ReadonlyArray<A>, draw: Draw): A => all[draw.below(all.length)] as A

export const make = (seed: string, dialect: Dialect.Name, index: number): Case => {
  const draw = new Draw(`${seed}/${dialect}/${index}`)
  const kind = draw.chance(0.6) ? "request" : "answer"
  const shape = oneOf(seeds[dialect], draw)
  const route = oneOf(routes[kind], draw)
  const stream = draw.chance(0.5)
  if (kind === "request") return mutated(shape, route, stream, draw, { dialect, index })
  const body = JSON.stringify(shape.body(route, mark(seed, dialect, index), stream))
  const bytes = written("POST", shape.path(route), [...usual, ...(shape.headers ?? [])], Buffer.from(body))
  return { dialect, index, kind, bytes, known: true, answers: shape.answers, timed: false }
}

const usual = ["content-type: application/json", "authorization: Bearer anything"]

const written = (method: string, path: string, headers: ReadonlyArray<string>, body: Buffer): Buffer =>
  Buffer.concat([
    Buffer.from(
      [`${method} ${path} HTTP/1.1`, "host: 127.0.0.1", ...headers, `content-length: ${body.length}`, "", ""].join(
        "\r\n",
      ),
      "latin1",
    ),
    body,
  ])

// ---------------------------------------------------------------------------------------------------------------------
// Mutated requests
// ---------------------------------------------------------------------------------------------------------------------

const mutated = (
  shape: Seed,
  route: string,
  stream: boolean,
  draw: Draw,
  { dialect, index }: Pick<Case, "dialect" | "index">,
): Case => {
  // A route for any name is asked for odd ones.
  const name = route.endsWith(any) && draw.chance(0.3) ? route.slice(0, -any.length) + draw.one(Mutation.texts) : route
  const value = shape.body(name, "Who speaks?", stream)
  const text = Buffer.from(draw.chance(0.9) ? Mutation.json(value, draw) : JSON.stringify(value))
  const body = draw.chance(0.15) ? Mutation.bytes(text, draw) : text
  const headers = [...usual, ...(shape.headers ?? [])]
  const odd = draw.chance(0.15) ? oneOf(oddHeaders, draw) : undefined
  if (odd !== undefined) {
    if (draw.chance(0.3)) headers.splice(draw.below(headers.length), 1)
    headers.push(odd)
  }
  const path = draw.chance(0.08) ? oddPath(shape.path(route), draw) : shape.path(route)
  const method = draw.chance(0.01) ? oneOf(["GET", "PUT", "DELETE", "OPTIONS", "PATCH", "get"], draw) : "POST"
  const packed = odd === "content-encoding: gzip" && draw.chance(0.5) ? gzipSync(body) : body
  return {
    dialect,
    index,
    kind: "request",
    bytes: written(method, path, headers, packed),
    known: path === shape.path(route) && method === "POST",
    answers: shape.answers,
    timed: odd?.startsWith("x-request-timeout-ms") === true,
  }
}

const oddHeaders = [
  "content-type: text/plain",
  "content-type: application/json; charset=utf-16",
  "content-type: application/json;;;=",
  "content-type:",
  "content-encoding: gzip",
  "content-encoding: br",
  "content-encoding: zstd",
  "content-encoding: gzip, gzip, gzip",
  "content-encoding: odd",
  "accept: text/event-stream",
  "accept-encoding: gzip;q=nan",
  "authorization: Bearer",
  "authorization: Basic \u00ff",
  "x-api-key: \u00e9",
  "cookie: understudy=%; =; understudy_session=a.b.c",
  "x-request-timeout-ms: 0",
  "x-request-timeout-ms: -1",
  "x-request-timeout-ms: 1e999",
  "x-request-timeout-ms: 5",
  "x-request-timeout-ms: 99999999999999999999",
  "x-understudy-tags: ,,,",
  "x-understudy-tags: \u00ff",
  "x-stainless-timeout: NaN",
  "anthropic-beta: ,",
  "anthropic-version: \u00ff",
  "openai-beta: \u00ff",
  "openai-organization: %00",
  "origin: http://[",
  "origin: null",
  "origin: http://localhost",
  "sec-fetch-site: odd",
  "expect: 100-continue",
  "connection: close",
  "x-forwarded-for: ]",
  "traceparent: 00-0-0-0",
  "traceparent: \u00ff",
  `x-long: ${"x".repeat(8000)}`,
]

const oddPath = (path: string, draw: Draw): string => {
  switch (draw.below(6)) {
    case 0:
      return `${path}${path.includes("?") ? "&" : "?"}${oneOf(queries, draw)}`
    case 1:
      return `${path}/${oneOf(segments, draw)}`
    case 2:
      return path.replace(/[^/:]+(?=:|$)/, oneOf(segments, draw))
    case 3:
      return path.replaceAll("/", "//")
    case 4: {
      const place = draw.below(path.length)
      return path.slice(0, place) + oneOf(segments, draw) + path.slice(place)
    }
    default:
      return oneOf(targets, draw)
  }
}

const queries = [
  "key=%",
  "alt=sse&alt=json",
  "alt=%ud800",
  "=&&=",
  "a[]=1&a[]=2",
  "key=%FF",
  `q=${"x".repeat(3000)}`,
  "?",
]

const segments = [
  "..",
  "%2e%2e",
  "%",
  "%00",
  "%ff",
  "%ED%A0%80",
  "a%2Fb",
  ".",
  "\u00e9",
  "__proto__",
  ":",
  "a:b:c",
  "*",
  "x".repeat(3000),
]

/** Whole request targets: of servers, proxies, and of nothing. */
const targets = [
  "http://[/",
  "http://127.0.0.1/v1/chat/completions",
  "https://[::1/v1/messages",
  "*",
  "//",
  "//v1/messages",
  "/v1/models/%",
  "/v1/models/%ED%A0%80",
  "/v1beta/models/:generateContent",
  "/v1beta/models/openai:",
  "/simulated/%",
  "/admin/deployments/%/reset",
  "/login",
  "?",
]

// ---------------------------------------------------------------------------------------------------------------------
// Judged
// ---------------------------------------------------------------------------------------------------------------------

/** What a trace of calls looks like, whoever prints it. */
const stack = /\n\s+at .+[:(]\d+:\d+|node_modules|file:\/\/\/[\w/.-]+\.[jt]s|\/packages\/\w+\/src\//

/** Statuses that a vendor's fault explains, in a dialect's words. */
const upstreamStatuses: ReadonlySet<number> = new Set([502, 503, 504, 529])

/** What there is against what came; nothing if all is well. */
export const against = (one: Case, { body, end, headers, status }: Received): string | undefined => {
  const text = body.toString()
  const dialect = Dialect.dialects[one.dialect]
  if (end === "stuck") return `stuck, after the status ${status}`
  if (end === "cut") return status === 0 ? "no answer" : `cut, after the status ${status}`
  if (stack.test(text)) return `${status} with a stack`
  if (text.includes(secret)) return `${status} with a secret`
  if (status >= 500) {
    const explained =
      one.kind === "answer"
        ? upstreamStatuses.has(status)
        : (one.timed && status === 504) || text.includes("the tool was not called")
    if (!explained || text.includes("internal_error")) return `${status} of our own`
  }
  if (status >= 400)
    return !one.known || !one.answers || dialect.isError(text) ? undefined : `${status} in another shape`
  if (!one.known || !one.answers || status !== 200) return undefined
  const isStream = headers.get("content-type")?.startsWith("text/event-stream") === true
  if (!isStream && parsed(text) === undefined) return "a 200 that is not JSON"
  return isStream ? Ending.against(one.dialect, text) : undefined
}
