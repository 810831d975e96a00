/**
 * The session of a request: the id that a client gives to all requests of one conversation, for balances that keep
 * conversations (`affinity`). It is read from headers first, then from the body.
 */
import type { AnyRequest } from "@understudy/core/Call"
import type * as Chat from "@understudy/core/Chat"
import * as Outline from "@understudy/core/internal/model/Outline"
import type { Headers } from "effect/http/Headers"
import * as Option from "effect/Option"
import * as Predicate from "effect/Predicate"
import * as Schema from "effect/Schema"

/**
 * The headers with a session, the first that is set counts: the general one; that of opencode, Cloudflare and Fireworks; Claude
 * Code's; Codex', as it is now and as it was.
 */
export const headers: ReadonlyArray<string> = [
  "x-session-id",
  "x-session-affinity",
  "x-claude-code-session-id",
  "session-id",
  "session_id",
]

/** The session; `undefined` if the request names none. */
export const of = (sent: Headers, request: AnyRequest): string | undefined => {
  for (const name of headers) {
    const value = sent[name]?.trim()
    if (value !== undefined && value !== "") return value
  }
  return "messages" in request ? ofBody(Outline.settings(request)) : undefined
}

/** `prompt_cache_key`, by which OpenAI finds a prompt cache itself, or the session in the user id that Claude Code sends. */
const ofBody = ({ native, user }: Chat.Request): string | undefined => {
  const key = native?.body["prompt_cache_key"]
  if (Predicate.isString(key) && key !== "") return key
  return user === undefined ? undefined : ofClaudeCode(user)
}

/** Claude Code's user id is JSON, and was a text before: `user_…_account_…_session_…`. */
const ofClaudeCode = (user: string): string | undefined =>
  user.startsWith("{")
    ? Option.getOrUndefined(decodeUserId(user))?.session_id
    : /^user_[^_]*_account_[^_]*_session_(.+)$/.exec(user)?.[1]

const decodeUserId = Schema.decodeOption(
  Schema.fromJsonString(Schema.Struct({ session_id: Schema.optionalKey(Schema.String) })),
)
