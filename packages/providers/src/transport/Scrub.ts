/**
 * Takes credentials out of words that a provider sent: vendors echo the key they refuse.
 */
import * as Redacted from "effect/Redacted"

/** A function that blots the given secrets out of a text. */
export const scrub = (secrets: ReadonlyArray<Redacted.Redacted | undefined>): ((text: string) => string) => {
  const known = secrets
    .flatMap((secret) => (secret === undefined ? [] : [Redacted.value(secret)]))
    .filter((text) => text !== "")
  return known.length === 0
    ? (text) => text
    : (text) => known.reduce((left, secret) => left.replaceAll(secret, "***"), text)
}
