/**
 * The authentication policy of a gateway, decided before it listens. Listening beyond loopback requires a key, or
 * `server.allowUnauthenticated`.
 */
import * as Config from "effect/Config"
import * as Data from "effect/Data"
import * as Effect from "effect/Effect"
import * as Option from "effect/Option"
import * as Redacted from "effect/Redacted"
import { randomBytes } from "node:crypto"
import type { Configuration } from "../Config.ts"
import * as Auth from "../auth/Auth.ts"
import * as Keyring from "../auth/Keyring.ts"

/** The configured authentication is unsafe: no keys beyond loopback, or a weak session secret. */
export class UnauthenticatedListen extends Data.TaggedError("UnauthenticatedListen")<{ readonly message: string }> {}

/** A secret from the environment. An empty value counts as unset. */
const secret = (name: string) =>
  Effect.map(Config.option(Config.Redacted(name)), (value) =>
    Option.getOrUndefined(Option.filter(value, (secret) => Redacted.value(secret).trim() !== "")),
  )

/** The operator key, from the environment. */
export const operatorKey = secret("UNDERSTUDY_API_KEY")

/** The operator key, from the environment, and the virtual keys of a configuration. */
export const acceptedKeys = (keys: Configuration["keys"]) =>
  Effect.map(operatorKey, (operator) => [
    ...(operator === undefined ? [] : [Keyring.operator(operator)]),
    ...keys.map(Keyring.configured),
  ])

/** The policy with the operator key, from the environment, and the configured virtual keys. */
export const policy = Effect.fnUntraced(function* ({
  database,
  keys,
  server,
}: Pick<Configuration, "database" | "keys" | "server">) {
  const { allowedHosts, allowedOrigins, allowUnauthenticated, expose, host } = server
  const policy: Auth.Policy = {
    keys: new Keyring.Keyring(yield* acceptedKeys(keys), database !== undefined),
    hosts: allowUnauthenticated ? undefined : allowedHosts,
    origins: allowedOrigins,
    expose,
  }
  if (!policy.keys.isOpen || allowUnauthenticated || Auth.isLoopback(host)) return policy
  return yield* new UnauthenticatedListen({
    message:
      `Listening on ${host} without keys would let every client on the network use your providers' credentials.\n` +
      "Set a key (UNDERSTUDY_API_KEY, or `keys` in the configuration), or allow this with server: { allowUnauthenticated: true }.",
  })
})

/** The minimum length of the session secret, in characters. */
const minSecretLength = 32

/**
 * The policy with sessions for the page, if it has keys. `given`: the secret of the main process, in a worker. Without it and
 * without SESSION_SECRET, a random secret is used for this process.
 */
export const withSessions = Effect.fnUntraced(function* (policy: Auth.Policy, given?: string) {
  if (policy.keys.isOpen) return policy
  if (given !== undefined) return { ...policy, sessions: Redacted.make(given) }
  const secretText = yield* secret("SESSION_SECRET")
  if (secretText !== undefined) {
    if (Redacted.value(secretText).length >= minSecretLength) return { ...policy, sessions: secretText }
    return yield* new UnauthenticatedListen({
      message:
        `SESSION_SECRET has ${Redacted.value(secretText).length} characters, which is too short: an attacker who guesses it can sign in with any key.\n` +
        `Use at least ${minSecretLength} characters, such as the output of \`openssl rand -base64 32\`, or unset it to use a random secret.`,
    })
  }
  yield* Effect.logWarning(
    "SESSION_SECRET is not set: sign-ins to the page end at a restart, and are not valid at other gateways",
  )
  return { ...policy, sessions: Redacted.make(randomBytes(32).toString("base64url")) }
})
