/**
 * Takes credentials out of words that a provider sent: vendors echo the key they refuse.
 */
import * as Redacted from "effect/Redacted"

/** A function that blots the given secrets out of a text. */
export const scrub = (secrets: ReadonlyArray<Redacted.Redacted | undefined>): ((text: string) => string) => {
  const known = secrets
    .flatMap((secret) => (secret === undefined ? [] : [Redacted.value(secret)]))
    .filter((text) => text !== "")
    .map((secret) => (secret.length < shortest ? alone(secret) : secret))
  return known.length === 0
    ? (text) => text
    : (text) => known.reduce<string>((left, secret) => left.replaceAll(secret, "***"), text)
}

/** The length from which a credential is blotted out inside words too: no vendor issues a shorter one. */
const shortest = 8

/** A placeholder such as `x`, which servers without keys are given, stands inside ordinary words: only the bare word is it. */
const alone = (secret: string): RegExp => new RegExp(`(?<![\\w-])${escape(secret)}(?![\\w-])`, "g")

const escape = (text: string): string => text.replaceAll(/[\\^$.*+?()[\]{}|/-]/g, String.raw`\$&`)
