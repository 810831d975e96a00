/**
 * Texts as vectors: what is asked and answered where a model embeds. No conversation and no stream: a request holds any
 * number of inputs, and its response one vector for each, in their order.
 *
 * Plain data, as in `Chat`; nothing here knows a vendor or a wire format.
 */
import * as Schema from "effect/Schema"
import * as Chat from "./Chat.ts"

/** A text, or the same as the numbers that the model's own tokenizer makes of it. */
export const Input = Schema.Union([Schema.String, Schema.Array(Schema.Finite)])
export type Input = typeof Input.Type

/**
 * What the vectors are for. Models that tell a search's queries from the documents searched embed the two differently;
 * others have no word for it.
 */
export const Purpose = Schema.Literals(["query", "document", "similarity", "classification", "clustering"])
export type Purpose = typeof Purpose.Type

export class Request extends Schema.Opaque<Request>()(
  Schema.Struct({
    /** A route's or a deployment's name; towards a provider, the vendor's own model id. */
    model: Schema.String,
    input: Schema.Array(Input),
    /** How long the vectors should be, of models that have several lengths. */
    dimensions: Schema.optional(Schema.Finite),
    purpose: Schema.optional(Purpose),
    /** The form that the caller will have the vectors in. A hint: a provider may ask for what is cheapest to carry. */
    encoding: Schema.optional(Schema.Literals(["float", "base64"])),
    metadata: Schema.optional(Schema.Record(Schema.String, Schema.String)),
    user: Schema.optional(Schema.String),
    vendor: Schema.optional(Chat.Vendor),
    native: Schema.optional(Chat.Native),
    unsupportedParams: Schema.optional(Chat.UnsupportedParams),
  }),
) {}

/** An array of numbers, whichever kind the provider had cheapest. */
export type Vector = ReadonlyArray<number> | Float32Array

export interface Response {
  /** One for each input, in order. */
  readonly vectors: ReadonlyArray<Vector>
  /** The model it says it used, where it says so. */
  readonly model?: string | undefined
  /** Nothing is written: `outputTokens` is 0. */
  readonly usage?: Chat.Usage | undefined
  readonly native?: Chat.NativeResponse | undefined
  readonly droppedParams?: ReadonlyArray<string> | undefined
}
