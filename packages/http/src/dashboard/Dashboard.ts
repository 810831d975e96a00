/**
 * The page at `/`: a prompt and its answers; what the gateway does now and did in the last half hour; routes; spend, keys and
 * budgets. It uses `/api`, `/v1/models`, `/v1/route/explain`, `/simulated` and `/admin`, as other clients may. If the gateway requires a key, `POST /login`
 * takes it (`{ "key" }`) and sets a session cookie; `POST /logout` ends the session.
 */
import * as ChatCompletions from "@understudy/providers/protocols/chat-completions"
import * as Clock from "effect/Clock"
import * as Duration from "effect/Duration"
import * as Effect from "effect/Effect"
import * as HttpRouter from "effect/http/HttpRouter"
import * as HttpServerRequest from "effect/http/HttpServerRequest"
import * as HttpServerResponse from "effect/http/HttpServerResponse"
import type * as Layer from "effect/Layer"
import * as Option from "effect/Option"
import * as Predicate from "effect/Predicate"
import { createHash } from "node:crypto"
import { readFileSync } from "node:fs"
import { brotliCompressSync, constants, gzipSync } from "node:zlib"
import * as HttpReply from "../api/HttpReply.ts"
import * as ApiError from "../api/ApiError.ts"
import * as JsonBody from "../api/JsonBody.ts"
import * as Auth from "../auth/Auth.ts"
import type { Key } from "../auth/Keyring.ts"
import { nameOf } from "../auth/VirtualKey.ts"
import * as LoginThrottle from "../api/LoginThrottle.ts"
import * as Session from "../auth/Session.ts"
import { MainProcess } from "../workers/MainProcess.ts"

/** Adds the page, login and logout to the `HttpRouter` in context. */
export const layer = (auth: Auth.Auth): Layer.Layer<never, never, HttpRouter.HttpRouter> =>
  HttpRouter.use((http) =>
    Effect.gen(function* () {
      yield* http.add("GET", "/", page())
      yield* http.add("POST", "/login", withErrors(signIn(auth)))
      yield* http.add("POST", "/logout", withErrors(signOut(yield* revocation(auth))))
    }),
  )

// ---------------------------------------------------------------------------------------------------------------------
// The page
// ---------------------------------------------------------------------------------------------------------------------

/** The package includes `src`. The build and the bundle have this module as deep as the sources have it. */
const folder = new URL("../../src/dashboard/page/", import.meta.url)

const read = (name: string): string => readFileSync(new URL(name, folder), "utf8")

/** The page with its views, styles and scripts inline, so that it is one file. */
const assemble = (): string =>
  read("page.html")
    .replaceAll(/<!-- (\w+\.html) -->/g, (_, name: string) => read(name))
    .replaceAll(/<link rel="stylesheet" href="(\w+\.css)" \/>/g, (_, name: string) => `<style>\n${read(name)}</style>`)
    .replaceAll(/<script src="(\w+\.js)"><\/script>/g, (_, name: string) => `<script>\n${read(name)}</script>`)

/** The page as it is sent: its ETag, its headers, and its bytes by encoding. Made for the first request, and kept. */
interface Page {
  readonly etag: string
  readonly headers: Readonly<Record<string, string>>
  readonly bytes: (encoding: Encoding) => Uint8Array
}

type Encoding = "br" | "gzip" | "identity"

const encoders: Readonly<Record<Encoding, (bytes: Buffer) => Uint8Array>> = {
  br: (bytes) => brotliCompressSync(bytes, { params: { [constants.BROTLI_PARAM_QUALITY]: 7 } }),
  gzip: (bytes) => gzipSync(bytes),
  identity: (bytes) => bytes,
}

const makePage = (): Page => {
  const html = assemble()
  const bytes = Buffer.from(html)
  const encoded = new Map<Encoding, Uint8Array>()
  const etag = `W/"${createHash("sha256").update(bytes).digest("base64url").slice(0, 22)}"`
  return {
    etag,
    headers: {
      "content-security-policy": [
        "default-src 'none'",
        `script-src ${hashes(html, "script")}`,
        `style-src ${hashes(html, "style")}`,
        "img-src data:",
        "connect-src 'self'",
        "base-uri 'none'",
        "form-action 'none'",
        "frame-ancestors 'none'",
      ].join("; "),
      "x-content-type-options": "nosniff",
      "referrer-policy": "no-referrer",
      "cache-control": "no-cache",
      vary: "accept-encoding",
      etag,
    },
    bytes: (encoding) => {
      const known = encoded.get(encoding)
      if (known !== undefined) return known
      const made = encoders[encoding](bytes)
      encoded.set(encoding, made)
      return made
    },
  }
}

/** The page, or 304 if the client has it already. */
const page = (): Effect.Effect<HttpServerResponse.HttpServerResponse, never, HttpServerRequest.HttpServerRequest> => {
  let made: Page | undefined
  return Effect.map(HttpServerRequest.HttpServerRequest, (request) => {
    const { bytes, etag, headers } = (made ??= makePage())
    if (isKnown(request.headers["if-none-match"], etag)) return HttpServerResponse.empty({ status: 304, headers })
    const encoding = encodingFor(request.headers["accept-encoding"])
    return HttpServerResponse.uint8Array(bytes(encoding), {
      contentType: "text/html; charset=utf-8",
      headers: encoding === "identity" ? headers : { ...headers, "content-encoding": encoding },
    })
  })
}

/** Whether `if-none-match` has the page's ETag. Proxies may have made it a strong one (RFC 9110, 13.1.2). */
const isKnown = (header: string | undefined, etag: string): boolean =>
  header?.split(",").some((each) => each.trim().replace(/^W\//, "") === etag.slice(2)) === true

/** The best encoding that an `accept-encoding` header allows. */
const encodingFor = (header = ""): Encoding => {
  const accepted = header.split(",").flatMap((each) => {
    const [name = "", ...params] = each.split(";").map((part) => part.trim().toLowerCase())
    return params.some((param) => /^q=0(?:\.0*)?$/.test(param)) ? [] : name
  })
  return accepted.includes("br") ? "br" : accepted.includes("gzip") ? "gzip" : "identity"
}

/** The CSP hashes of the inline elements with this tag. */
const hashes = (html: string, tag: "script" | "style"): string =>
  [...html.matchAll(new RegExp(`<${tag}>([^]*?)</${tag}>`, "g"))]
    .map(([, text = ""]) => `'sha256-${createHash("sha256").update(text).digest("base64")}'`)
    .join(" ")

// ---------------------------------------------------------------------------------------------------------------------
// Login and logout
// ---------------------------------------------------------------------------------------------------------------------

type Reply<E> = Effect.Effect<HttpServerResponse.HttpServerResponse, E, HttpServerRequest.HttpServerRequest>

const withErrors = (reply: Reply<ApiError.ApiError>): Reply<never> => HttpReply.catchErrors(reply, ChatCompletions)

const signIn = ({ keys, sessions, failedLogins }: Auth.Auth): Reply<ApiError.ApiError> =>
  Effect.gen(function* () {
    const { key } = yield* JsonBody.readUnauthenticated
    if (!Predicate.isString(key)) return yield* Effect.fail(ApiError.invalid("key: is missing", { param: "key" }))
    const known = keys.find(key)
    if (known === undefined) {
      yield* LoginThrottle.throttle(failedLogins, yield* HttpServerRequest.HttpServerRequest)
      return yield* Effect.fail(unknown)
    }
    const now = yield* Clock.currentTimeMillis
    yield* Effect.mapError(Effect.fromResult(Auth.checkValid(known, now)), ({ message }) => ({ ...unknown, message }))
    if (sessions === undefined) return yield* Effect.fail(unknown)
    yield* Effect.logInfo(`${describe(known)} signed in to the page`)
    const expires = now + Duration.toMillis(Session.lifetime)
    return yield* withCookie(sessions.issue(known, expires), Session.lifetime)
  })

const describe = ({ virtualKey }: Key): string =>
  virtualKey === undefined ? "The operator" : `Key "${nameOf(virtualKey)}"`

const unknown: ApiError.ApiError = {
  status: 401,
  type: "authentication_error",
  code: "invalid_api_key",
  message: "Unknown key. Use a key of this gateway, not a provider's.",
}

/** Ends the session of a token, and gives its key: in this process, and in all workers if there are several. */
const revocation = Effect.fnUntraced(function* ({ sessions }: Auth.Auth) {
  const main = yield* Effect.serviceOption(MainProcess)
  const revoke = (token: string) => Effect.map(Clock.currentTimeMillis, (now) => sessions?.end(token, now))
  if (Option.isNone(main)) return revoke
  yield* main.value.answer("sign-out", (token) => Effect.as(revoke(token), ""))
  return (token: string) =>
    Effect.tap(revoke(token), (key) =>
      key === undefined ? Effect.void : main.value.ask("everyone", { topic: "sign-out", text: token }),
    )
})

/** Revokes the session, so that a copy of its cookie is rejected as well. */
const signOut = (revoke: (token: string) => Effect.Effect<Key | undefined>): Reply<ApiError.ApiError> =>
  Effect.gen(function* () {
    yield* JsonBody.readUnauthenticated
    const token = Auth.tokenOf(yield* HttpServerRequest.HttpServerRequest)
    const key = token === undefined ? undefined : yield* revoke(token)
    if (key !== undefined) yield* Effect.logInfo(`${describe(key)} signed out of the page`)
    return yield* withCookie("", Duration.zero)
  })

/** Sets the session cookie: HTTP-only, same-site, and secure if the page was loaded over HTTPS. */
function withCookie(value: string, maxAge: Duration.Duration): Reply<never> {
  return Effect.map(HttpServerRequest.HttpServerRequest, ({ headers }) =>
    HttpServerResponse.setCookieUnsafe(HttpServerResponse.empty(), Session.cookie, value, {
      httpOnly: true,
      sameSite: "strict",
      path: "/",
      maxAge,
      secure: headers["origin"]?.startsWith("https://") === true,
    }),
  )
}
