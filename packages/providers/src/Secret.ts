/**
 * A credential in options: `Redacted`, or a `Config` that reads one. It is read once, when the provider starts, and never
 * logged.
 */
import * as Config from "effect/Config"
import * as Effect from "effect/Effect"
import * as Option from "effect/Option"
import * as Redacted from "effect/Redacted"

/** A redacted text, or a `Config` that reads one. */
export type Secret = Config.Config<Redacted.Redacted> | Redacted.Redacted

/** The secret of the option, else of the environment variable; `undefined` if neither is set. */
export const read = (
  secret: Secret | undefined,
  variable: string,
): Effect.Effect<Redacted.Redacted | undefined, Config.ConfigError> => {
  if (Redacted.isRedacted(secret)) return Effect.succeed(secret)
  return secret === undefined ? Effect.map(Config.option(Config.Redacted(variable)), Option.getOrUndefined) : secret
}
