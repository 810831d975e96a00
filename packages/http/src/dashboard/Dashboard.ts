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
import * as Answer from "../api/Answer.ts"
import * as ApiError from "../api/ApiError.ts"
import * as JsonBody from "../api/JsonBody.ts"
import * as Guard from "../Guard.ts"
import * as Session from "./Session.ts"

/** Adds the page, and the way in, to the `HttpRouter` in context. */
export const layer = (policy: Guard.Policy): Layer.Layer<never, never, HttpRouter.HttpRouter> =>
  HttpRouter.use((http) =>
    Effect.gen(function* () {
      yield* http.add("GET", "/", page())
      yield* http.add("POST", "/login", told(signIn(policy)))
      yield* http.add("POST", "/logout", told(signOut))
    }),
  )

// ---------------------------------------------------------------------------------------------------------------------
// The page
// ---------------------------------------------------------------------------------------------------------------------

/** The one file, which stands among the sources of what was built too. */
const file = new URL("../../src/dashboard/page.html", import.meta.url)

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

const told = (reply: Reply<ApiError.ApiError>): Reply<never> => Answer.orError(reply, ChatCompletions)

const signIn = ({ keys, sessions }: Guard.Policy): Reply<ApiError.ApiError> =>
  Effect.gen(function* () {
    const { key } = yield* JsonBody.readUnknown
    if (!Predicate.isString(key)) return yield* Effect.fail(ApiError.invalid("key: is missing", { param: "key" }))
    const known = Guard.find(keys, [key])
    if (sessions === undefined || known === undefined) return yield* Effect.fail(unknown)
    const expires = (yield* Clock.currentTimeMillis) + Duration.toMillis(Session.lifetime)
    return yield* withCookie(Session.issue(sessions, known, expires), Session.lifetime)
  })

const unknown: ApiError.ApiError = {
  status: 401,
  type: "authentication_error",
  code: "invalid_api_key",
  message: "This gateway does not know that key.",
}

const signOut: Reply<ApiError.ApiError> = Effect.andThen(JsonBody.readUnknown, withCookie("", Duration.zero))

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
