/** The schema of a client's Embeddings request. */
import * as Schema from "effect/Schema"
import { modelName, optional } from "../WireSchema.ts"

const some = { expected: "at least one input" }

/** One text or several, or token ids of one or several. */
const Input = Schema.Union([
  Schema.String.check(Schema.isNonEmpty({ expected: "a text that is not empty" })),
  Schema.Array(Schema.String).check(Schema.isNonEmpty(some)),
  Schema.Array(Schema.Finite).check(Schema.isNonEmpty(some)),
  Schema.Array(Schema.Array(Schema.Finite)).check(Schema.isNonEmpty(some)),
]).annotate({ expected: "a string, an array of strings, or tokens as an array of numbers or of such arrays" })

/** `input_type` is not OpenAI's: Cohere, NVIDIA and others have it. */
export const Request = Schema.Struct({
  model: modelName,
  input: Input,
  dimensions: optional(Schema.Int.check(Schema.isGreaterThanOrEqualTo(1, { expected: "at least 1" }))),
  encoding_format: optional(Schema.Literals(["float", "base64"])),
  input_type: optional(Schema.String),
  user: optional(Schema.String),
})
export type Request = typeof Request.Type
