/**
 * The error of a provider that cannot start: its SDK is not installed, or a setting is missing. The message says what to do.
 */
import * as Data from "effect/Data"
import * as Effect from "effect/Effect"

/** A provider could not start. */
export class ProviderStartError extends Data.TaggedError("ProviderStartError")<{
  /** The vendor, such as `"openai"`. */
  readonly provider: string
  readonly message: string
  readonly cause?: unknown
}> {}

/** Loads a vendor's SDK, an optional peer dependency. The error names the packages to install. */
export const sdk = <Module>(
  provider: string,
  packages: string,
  load: () => Promise<Module>,
): Effect.Effect<Module, ProviderStartError> =>
  Effect.tryPromise({
    try: load,
    catch: (cause) =>
      new ProviderStartError({
        provider,
        message: `the ${provider} provider needs ${packages}: run \`npm install ${packages}\``,
        cause,
      }),
  })
