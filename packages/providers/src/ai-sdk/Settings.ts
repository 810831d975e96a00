/**
 * The settings of one call that `ai` has no parameter for: `providerOptions.understudy`.
 *
 * ```ts
 * generateText({ model, prompt, providerOptions: { understudy: { tags: ["vip"], timeout: "20 seconds" } } })
 * ```
 */
import { InvalidArgumentError } from "@ai-sdk/provider"
import type { SharedV4ProviderOptions } from "@ai-sdk/provider"
import type { CallOptions } from "@understudy/core/Call"
import * as Chat from "@understudy/core/Chat"
import * as Duration from "effect/Duration"
import * as Option from "effect/Option"
import * as Result from "effect/Result"
import * as Schema from "effect/Schema"
import * as Metadata from "./Metadata.ts"

/** The settings under `providerOptions.understudy`. */
export class Settings extends Schema.Opaque<Settings>()(
  Schema.Struct({
    /** Of the whole call: milliseconds, or text such as `"20 seconds"`. */
    timeout: Schema.optionalKey(Schema.Union([Schema.Finite, Schema.String])),
    tags: Schema.optionalKey(Schema.Array(Schema.String)),
    caller: Schema.optionalKey(Schema.String),
    team: Schema.optionalKey(Schema.String),
    user: Schema.optionalKey(Schema.String),
    metadata: Schema.optionalKey(Schema.Record(Schema.String, Schema.String)),
    parallelToolCalls: Schema.optionalKey(Schema.Boolean),
    /** The maximum of reasoning tokens. `ai`'s own `reasoning` is the effort. */
    reasoningBudget: Schema.optionalKey(Schema.Finite),
    /** Fields of vendors, by protocol: see `Chat.Vendor`. */
    vendor: Schema.optionalKey(Chat.Vendor),
  }),
) {}

const decode = Schema.decodeUnknownResult(Settings, { onExcessProperty: "error", errors: "all" })

const none: Settings = {}

/** Reads the settings of a call. Fails with a message that names the field. */
export const read = (options: SharedV4ProviderOptions | undefined): Result.Result<Settings, InvalidArgumentError> => {
  const own = options?.[Metadata.namespace]
  if (own === undefined) return Result.succeed(none)
  return Result.flatMap(
    Result.mapError(decode(own), (cause) => invalid(cause.message, cause)),
    (settings) =>
      settings.timeout === undefined || Option.isSome(durationOf(settings.timeout))
        ? Result.succeed(settings)
        : Result.fail(invalid(`timeout: ${JSON.stringify(settings.timeout)} is not a duration, such as "20 seconds"`)),
  )
}

const invalid = (message: string, cause?: unknown): InvalidArgumentError =>
  new InvalidArgumentError({
    argument: `providerOptions.${Metadata.namespace}`,
    message: `providerOptions.${Metadata.namespace}: ${message}`,
    cause,
  })

const durationOf = (timeout: number | string): Option.Option<Duration.Duration> =>
  Duration.fromInput(timeout as Duration.Input)

/** A request to a route, with the options of its call. */
export interface Called<Request> {
  readonly request: Request
  readonly options: CallOptions
}

/** The options of a call with these settings. `headers` are for the conditions of routes: no vendor gets them. */
export const callOptions = (
  { caller, tags, team, timeout }: Settings,
  headers: Readonly<Record<string, string | undefined>> | undefined,
): CallOptions => ({
  protocol: "ai-sdk",
  ...(caller === undefined ? undefined : { caller }),
  ...(tags === undefined ? undefined : { tags }),
  ...(team === undefined ? undefined : { team }),
  ...(timeout === undefined ? undefined : { timeout: Option.getOrUndefined(durationOf(timeout)) }),
  ...(headers === undefined
    ? undefined
    : { headers: Object.fromEntries(Object.entries(headers).map(([name, value]) => [name.toLowerCase(), value])) }),
})
