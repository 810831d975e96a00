/**
 * A credential as options take it: redacted, or where in the configuration to find it. It is read once, when the
 * provider starts, and never logged.
 */
import * as Config from "effect/Config"
import * as Effect from "effect/Effect"
import * as Option from "effect/Option"
import * as Redacted from "effect/Redacted"

export type Secret = Config.Config<Redacted.Redacted> | Redacted.Redacted

/** The secret: the option's, else the environment variable's, else nothing. */
export const read = (
  secret: Secret | undefined,
  variable: string,
): Effect.Effect<Redacted.Redacted | undefined, Config.ConfigError> => {
  if (Redacted.isRedacted(secret)) return Effect.succeed(secret)
  return secret === undefined ? Effect.map(Config.option(Config.Redacted(variable)), Option.getOrUndefined) : secret
}
