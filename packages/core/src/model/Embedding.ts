/**
 * Embedding requests and responses. A request holds any number of inputs, and its response one vector for each, in the order
 * of the inputs. There is no stream.
 *
 * Values are plain data, as in `Chat`. Nothing here depends on a vendor or a wire format.
 */
import * as Schema from "effect/Schema"
import * as Chat from "./Chat.ts"

/** A text, or its token ids from the model's tokenizer. */
export const Input = Schema.Union([Schema.String, Schema.Array(Schema.Finite)])
export type Input = string | ReadonlyArray<number>

/**
 * The use of the vectors. Some models embed search queries and documents differently; for other models it is an unsupported
 * parameter.
 */
export const Purpose = Schema.Literals(["query", "document", "similarity", "classification", "clustering"])
export type Purpose = "query" | "document" | "similarity" | "classification" | "clustering"

export class Request extends Schema.Opaque<Request>()(
  Schema.Struct({
    /** The name of a route or a deployment; in a request to a provider, the vendor's model id. */
    model: Schema.String,
    input: Schema.Array(Input),
    /** The length of the vectors, for models that support several. */
    dimensions: Schema.optional(Schema.Finite),
    purpose: Schema.optional(Purpose),
    /** The encoding that the client gets. A provider may request another one from the vendor. */
    encoding: Schema.optional(Schema.Literals(["float", "base64"])),
    metadata: Schema.optional(Schema.Record(Schema.String, Schema.String)),
    user: Schema.optional(Schema.String),
    vendor: Schema.optional(Chat.Vendor),
    native: Schema.optional(Chat.Native),
    unsupportedParams: Schema.optional(Chat.UnsupportedParams),
    overrides: Schema.optional(Chat.Overrides),
  }),
) {}

/** A vector, in the kind of array that the provider decoded. */
export type Vector = ReadonlyArray<number> | Float32Array

export interface Response {
  /** One vector for each input, in the order of the inputs. */
  readonly vectors: ReadonlyArray<Vector>
  /** The model that the provider reports. */
  readonly model?: string | undefined
  /** `outputTokens` is 0. */
  readonly usage?: Chat.Usage | undefined
  readonly native?: Chat.NativeResponse | undefined
  /** As in `Chat.Response`. */
  readonly droppedParams?: ReadonlyArray<string> | undefined
}
