/**
 * Schemas shared by the protocols' client requests.
 */
import * as Schema from "effect/Schema"

/** An optional field. It may be null, which means the same as leaving it out. */
export const optional = <S extends Schema.Constraint>(schema: S) => Schema.optional(Schema.NullOr(schema))

/** The annotation appears in error messages. */
const stringOr =
  (noun: string) =>
  <S extends Schema.Constraint>(items: Schema.$Array<S>) =>
    Schema.Union([Schema.String, items]).annotate({ expected: `a string or an array of content ${noun}` })

/** Content that is a string or an array of parts. */
export const stringOrParts = stringOr("parts")

/** Content that is a string or an array of blocks. */
export const stringOrBlocks = stringOr("blocks")

/** The name of a model. */
export const modelName = Schema.String.check(Schema.isNonEmpty({ expected: "the name of a model" }))
