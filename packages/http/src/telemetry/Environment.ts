/**
 * OpenTelemetry's environment variables (`OTEL_*`), and their `.env` files, as far as they apply. A variable with a value
 * that does not fit is ignored, with a warning, as the specification asks.
 */
import * as ConfigProvider from "effect/ConfigProvider"
import * as Effect from "effect/Effect"
import * as Result from "effect/Result"

/** The variables that are set, by name, and what is wrong with those that were read. */
export class Variables {
  readonly #values: ReadonlyMap<string, string>
  readonly warnings: Array<string> = []

  constructor(values: ReadonlyMap<string, string>) {
    this.#values = values
  }

  /** The value; `undefined` if it is not set, or empty. */
  text(name: string): string | undefined {
    const value = this.#values.get(name)?.trim()
    return value === "" ? undefined : value
  }

  /** The value that `parse` makes of it. `expected` completes the warning. */
  read<A>(name: string, expected: string, parse: (text: string) => A | undefined): A | undefined {
    const text = this.text(name)
    if (text === undefined) return undefined
    const value = parse(text)
    if (value === undefined) this.warnings.push(`${name} is ignored: expected ${expected}`)
    return value
  }

  flag(name: string): boolean {
    return this.text(name)?.toLowerCase() === "true"
  }

  oneOf<const A extends string>(name: string, values: ReadonlyArray<A>): A | undefined {
    return this.read(name, `one of ${values.join(", ")}`, (text) =>
      values.find((value) => value === text.toLowerCase()),
    )
  }

  /** A positive whole number. */
  count(name: string): number | undefined {
    return this.read(name, "a positive whole number", (text) =>
      /^[1-9]\d{0,8}$/.test(text) ? Number(text) : undefined,
    )
  }

  ratio(name: string): number | undefined {
    return this.read(name, "a number from 0 to 1", (text) => {
      const ratio = Number(text)
      return ratio >= 0 && ratio <= 1 ? ratio : undefined
    })
  }

  url(name: string): string | undefined {
    return this.read(name, "an http or https address, such as http://127.0.0.1:4318", (text) =>
      /^https?:\/\//i.test(text) && URL.canParse(text) ? text : undefined,
    )
  }

  /** `key=value` pairs, separated by commas; values are percent-encoded. */
  pairs(name: string): Readonly<Record<string, string>> | undefined {
    return this.read(name, "pairs such as key=value,other=value, percent-encoded", (text) => {
      const pairs: Record<string, string> = {}
      for (const pair of text.split(",")) {
        if (pair.trim() === "") continue
        const at = pair.indexOf("=")
        const decoded = Result.try(() => decodeURIComponent(pair.slice(at + 1).trim()))
        const key = pair.slice(0, Math.max(0, at)).trim()
        if (key === "" || Result.isFailure(decoded)) return undefined
        pairs[key] = decoded.success
      }
      return pairs
    })
  }
}

/** Reads these variables from the `ConfigProvider`. */
export const load = (names: ReadonlyArray<string>): Effect.Effect<Variables> =>
  Effect.gen(function* () {
    const provider = yield* ConfigProvider.ConfigProvider
    const values = new Map<string, string>()
    for (const name of names) {
      const node = yield* Effect.orElseSucceed(provider.load([name]), () => undefined)
      if (node?.value !== undefined) values.set(name, node.value)
    }
    return new Variables(values)
  })
