/**
 * The page at `/`: a prompt, its answer as it streams, and how it came about. It asks `/api/generate`, `/api/activity` and
 * `/api/providers` as anybody may, and knows nothing by itself. Where the gateway asks for a key, `POST /login` takes it
 * (`{ "key" }`) and gives the browser a session that stands for it; `POST /logout` ends that.
 */
import * as ChatCompletions from "@understudy/providers/protocols/chat-completions"
import * as Clock from "effect/Clock"
import * as Duration from "effect/Duration"
import * as Effect from "effect/Effect"
import * as HttpRouter from "effect/http/HttpRouter"
import * as HttpServerRequest from "effect/http/HttpServerRequest"
import * as HttpServerResponse from "effect/http/HttpServerResponse"
import type * as Layer from "effect/Layer"
import * as Predicate from "effect/Predicate"
import { createHash } from "node:crypto"
import { readFileSync } from "node:fs"
import * as HttpReply from "../api/HttpReply.ts"
import * as ApiError from "../api/ApiError.ts"
import * as JsonBody from "../api/JsonBody.ts"
import * as Auth from "../auth/Auth.ts"
import * as LoginThrottle from "../api/LoginThrottle.ts"
import * as Session from "../auth/Session.ts"

/** Adds the page, and the way in, to the `HttpRouter` in context. */
export const layer = (auth: Auth.Auth): Layer.Layer<never, never, HttpRouter.HttpRouter> =>
  HttpRouter.use((http) =>
    Effect.gen(function* () {
      yield* http.add("GET", "/", page())
      yield* http.add("POST", "/login", told(signIn(auth)))
      yield* http.add("POST", "/logout", told(signOut(auth)))
    }),
  )

// ---------------------------------------------------------------------------------------------------------------------
// The page
// ---------------------------------------------------------------------------------------------------------------------

/** The one file, which stands among the sources of what was built too. */
const file = new URL("./page.html", import.meta.url)

const page = (): HttpServerResponse.HttpServerResponse => {
  const html = readFileSync(file, "utf8")
  return HttpServerResponse.text(html, {
    contentType: "text/html; charset=utf-8",
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
    },
  })
}

/** What stands inside these tags, and nothing else, may run or be applied. */
const hashes = (html: string, tag: "script" | "style"): string =>
  [...html.matchAll(new RegExp(`<${tag}>([^]*?)</${tag}>`, "g"))]
    .map(([, text = ""]) => `'sha256-${createHash("sha256").update(text).digest("base64")}'`)
    .join(" ")

// ---------------------------------------------------------------------------------------------------------------------
// The way in and out
// ---------------------------------------------------------------------------------------------------------------------

type Reply<E> = Effect.Effect<HttpServerResponse.HttpServerResponse, E, HttpServerRequest.HttpServerRequest>

const told = (reply: Reply<ApiError.ApiError>): Reply<never> => HttpReply.catchErrors(reply, ChatCompletions)

const signIn = ({ keys, sessions, failedLogins }: Auth.Auth): Reply<ApiError.ApiError> =>
  Effect.gen(function* () {
    const { key } = yield* JsonBody.readUnknown
    if (!Predicate.isString(key)) return yield* Effect.fail(ApiError.invalid("key: is missing", { param: "key" }))
    const known = keys.find(key)
    if (known === undefined) {
      yield* LoginThrottle.throttle(failedLogins, yield* HttpServerRequest.HttpServerRequest)
      return yield* Effect.fail(unknown)
    }
    if (sessions === undefined) return yield* Effect.fail(unknown)
    yield* Effect.logInfo(`${holderOf(known)} signed in to the page`)
    const expires = (yield* Clock.currentTimeMillis) + Duration.toMillis(Session.lifetime)
    return yield* withCookie(sessions.issue(known, expires), Session.lifetime)
  })

const holderOf = ({ holder }: Auth.Key): string =>
  holder === undefined ? "The operator" : `The holder of the key "${holder.id}"`

const unknown: ApiError.ApiError = {
  status: 401,
  type: "authentication_error",
  code: "invalid_api_key",
  message: "This gateway does not know that key.",
}

/** The session is ended, not only forgotten: a copy of its cookie opens nothing any more. */
const signOut = ({ sessions }: Auth.Auth): Reply<ApiError.ApiError> =>
  Effect.gen(function* () {
    yield* JsonBody.readUnknown
    const token = Auth.tokenOf(yield* HttpServerRequest.HttpServerRequest)
    const ended = token === undefined ? undefined : sessions?.end(token, yield* Clock.currentTimeMillis)
    if (ended !== undefined) yield* Effect.logInfo(`${holderOf(ended)} signed out of the page`)
    return yield* withCookie("", Duration.zero)
  })

/** Kept from scripts and from other sites; from plain HTTP too, where the page did not come by it. */
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
