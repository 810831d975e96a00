/**
 * Flags of the command line as fields of the API.
 */
import * as SchemaErrors from "@understudy/providers/internal/config/SchemaErrors"
import * as Effect from "effect/Effect"
import * as Result from "effect/Result"
import type * as Schema from "effect/Schema"
import type * as Fields from "../../api/admin/Fields.ts"
import { CommandFailed } from "./AdminClient.ts"

/** A merge patch: fields to set, and null for those to clear. */
export type Patch<Fields> = { readonly [Name in keyof Fields]?: Fields[Name] | null }

/** Limits and other fields that keys and teams have. */
export interface SharedFlags {
  readonly route: ReadonlyArray<string>
  readonly rpm: number | undefined
  readonly tpm: number | undefined
  readonly rpd: number | undefined
  readonly concurrency: number | undefined
  readonly cpm: number | undefined
  readonly queueMax: number | undefined
  readonly queueMaxWait: string | undefined
  readonly priority: string | undefined
  readonly metadata: Readonly<Record<string, string>>
  readonly disabled: boolean | undefined
}

export interface KeyFlags extends SharedFlags {
  readonly team: string | undefined
  readonly role: string | undefined
  readonly tag: ReadonlyArray<string>
  readonly expiresAt: string | undefined
}

/** The fields that the flags set. */
export const shared = (flags: SharedFlags) => {
  const { concurrency, cpm, disabled, metadata, priority, queueMax, queueMaxWait, route, rpd, rpm, tpm } = flags
  const queue = defined({ max: queueMax, maxWait: queueMaxWait, priority })
  const limits = {
    ...defined({ rpm, tpm, rpd, concurrency, cpm }),
    ...(Object.keys(queue).length === 0 ? undefined : { queue }),
  }
  const [first, ...rest] = route
  return {
    ...(first === undefined ? undefined : { routes: [first, ...rest] as const }),
    ...(Object.keys(limits).length === 0 ? undefined : { limits }),
    ...(Object.keys(metadata).length === 0 ? undefined : { metadata }),
    ...defined({ disabled }),
  } satisfies Patch<typeof Fields.TeamChanged.Encoded>
}

export const key = (flags: KeyFlags) => {
  const { expiresAt, role, tag, team } = flags
  return {
    ...shared(flags),
    ...defined({ team, role, expiresAt }),
    ...(tag.length === 0 ? undefined : { tags: tag }),
  } satisfies Patch<typeof Fields.KeyChanged.Encoded>
}

/** The fields that have a value. */
export const defined = <Values extends object>(
  values: Values,
): { readonly [Name in keyof Values]?: Exclude<Values[Name], undefined> } =>
  Object.fromEntries(Object.entries(values).filter(([, value]) => value !== undefined)) as never

/** The fields to clear. */
export const cleared = <Name extends string>(names: ReadonlyArray<Name>): { readonly [Field in Name]?: null } =>
  Object.fromEntries(names.map((name) => [name, null])) as never

/** Fails for a change of nothing. */
export const requireSome = (payload: object): Effect.Effect<void, CommandFailed> =>
  Object.keys(payload).length > 0
    ? Effect.void
    : Effect.fail(new CommandFailed({ message: "Nothing to change: give the fields to change. See --help." }))

/** The row of metadata, if there is any. */
export const metadataRow = (metadata: Fields.Key["metadata"]): ReadonlyArray<ReadonlyArray<string>> => {
  const entries = Object.entries(metadata).map(
    ([name, value]) => `${name}=${typeof value === "string" ? value : JSON.stringify(value)}`,
  )
  return entries.length === 0 ? [] : [["metadata", entries.join(", ")]]
}

/** Decodes texts of the command line as the API decodes its query. */
export const decode = <A>(
  schema: Schema.ConstraintDecoder<A>,
  texts: Readonly<Record<string, unknown>>,
): Effect.Effect<A, CommandFailed> =>
  Effect.fromResult(
    Result.mapError(
      SchemaErrors.decode(schema, texts, { path: "", source: texts }),
      (problems) =>
        new CommandFailed({ message: problems.map(({ message, path }) => `--${path}: ${message}`).join("\n") }),
    ),
  )
