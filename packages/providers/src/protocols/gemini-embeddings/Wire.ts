/** The schema of a Google client's embedding request. */
import * as Schema from "effect/Schema"
import { optional } from "../WireSchema.ts"

/** One content: its texts are one input. */
export const One = Schema.Struct({
  content: Schema.Struct({
    parts: Schema.Array(Schema.Struct({ text: Schema.String })).check(
      Schema.isNonEmpty({ expected: "at least one part" }),
    ),
  }),
  taskType: optional(Schema.String),
  outputDimensionality: optional(Schema.Int.check(Schema.isGreaterThanOrEqualTo(1, { expected: "at least 1" }))),
})
export type One = typeof One.Type

export const Many = Schema.Struct({
  requests: Schema.Array(One).check(Schema.isNonEmpty({ expected: "at least one request" })),
})
