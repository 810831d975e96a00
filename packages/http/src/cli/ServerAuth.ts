/**
 * Whom a gateway lets in, settled before it listens: wider than this machine takes a key, or the configuration's own word.
 */
import * as Config from "effect/Config"
import * as Data from "effect/Data"
import * as Effect from "effect/Effect"
import * as Option from "effect/Option"
import * as Redacted from "effect/Redacted"
import { randomBytes } from "node:crypto"
import type { Configuration } from "../Config.ts"
import * as Auth from "../auth/Auth.ts"

/** The gateway would let in more than its operator asked for. */
export class UnauthenticatedListen extends Data.TaggedError("Exposed")<{ readonly message: string }> {}

/** A secret of the environment's. One that is set to nothing is none: anybody could send that. */
const secret = (name: string) =>
  Effect.map(Config.option(Config.Redacted(name)), (said) =>
    Option.getOrUndefined(Option.filter(said, (secret) => Redacted.value(secret).trim() !== "")),
  )

/** The operator's key, from the environment, and those of the configuration. */
export const policy = Effect.fnUntraced(function* ({ keys, server }: Pick<Configuration, "keys" | "server">) {
  const { allowedHosts, allowedOrigins, allowUnauthenticated, expose, host } = server
  const operator = yield* secret("UNDERSTUDY_API_KEY")
  const policy: Auth.Policy = {
    keys: [...(operator === undefined ? [] : [Auth.key(operator)]), ...keys.map(Auth.virtualKey)],
    hosts: allowUnauthenticated ? undefined : allowedHosts,
    origins: allowedOrigins,
    expose,
  }
  if (policy.keys.length > 0 || allowUnauthenticated || Auth.isLoopback(host)) return policy
  return yield* new UnauthenticatedListen({
    message:
      `Listening on ${host} would let anybody who reaches this machine spend your money.\n` +
      "Set a key that callers must send (UNDERSTUDY_API_KEY, or `keys` in the configuration), or say there that you mean it: server: { allowUnauthenticated: true }.",
  })
})

/** The least length of a secret that sessions are signed with, in characters. */
const shortest = 32

/** The same with sessions for the page, where a key is asked for. A secret that is made here is known to this process alone. */
export const withSessions = Effect.fnUntraced(function* (policy: Auth.Policy) {
  if (policy.keys.length === 0) return policy
  const said = yield* secret("SESSION_SECRET")
  if (said !== undefined) {
    if (Redacted.value(said).length >= shortest) return { ...policy, sessions: said }
    return yield* new UnauthenticatedListen({
      message:
        `SESSION_SECRET has ${Redacted.value(said).length} characters: whoever guesses it can sign in as anybody.\n` +
        `Set one of at least ${shortest}, such as what \`openssl rand -base64 32\` prints, or none to have one made.`,
    })
  }
  yield* Effect.logWarning(
    "SESSION_SECRET is not set: whoever signs in to the page must do so again after a restart, and at every other gateway",
  )
  return { ...policy, sessions: Redacted.make(randomBytes(32).toString("base64url")) }
})
