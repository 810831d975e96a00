/**
 * The wire shape of a Converse error.
 *
 * A response names it in the header `x-amzn-errortype` or in the body, `{ "__type", "message" }`; a stream in an
 * exception frame, `:exception-type: throttlingException` with `{ "message" }`, or in an error frame. The name
 * identifies the error.
 *
 * Vendors classify errors: see `bedrock/Errors.ts`.
 */
import * as Predicate from "effect/Predicate"
import * as Json from "../Json.ts"
import type { Event } from "./EventStreamCodec.ts"

/** The fields of an error; `undefined` if missing. */
export interface WireError {
  /** The exception's name, such as `"ThrottlingException"`, without a namespace. */
  readonly name: string | undefined
  readonly message: string | undefined
  /** The status of the response, or the one that the model's endpoint returned to Bedrock. */
  readonly status: number | undefined
  readonly requestId: string | undefined
}

/** Reads the error of an exception or error frame. */
export const fromEvent = ({ kind, event, data }: Event): WireError => {
  if (kind === "error") return { name: typeName(event), message: data, status: undefined, requestId: undefined }
  const body = parse(data)
  return { ...body, name: typeName(event) ?? body.name, message: body.message ?? (data === "" ? undefined : data) }
}

/** Reads the error in a body of any shape: a response's, or an exception of the SDK, which has the same fields. */
export const fromBody = (body: unknown): WireError => {
  const fields = Predicate.isObject(body) ? body : {}
  const status = fields["originalStatusCode"]
  return {
    name: typeName(fields["name"]) ?? typeName(fields["__type"]) ?? typeName(fields["code"]),
    message:
      Json.nonEmptyString(fields["message"]) ??
      Json.nonEmptyString(fields["Message"]) ??
      Json.nonEmptyString(fields["originalMessage"]),
    status: Predicate.isNumber(status) ? status : undefined,
    requestId: undefined,
  }
}

/** Reads the error in a body's text, which may not be JSON. */
export const parse = (text: string): WireError => fromBody(Json.parse(text))

/** `com.amazon.coral.availability#ThrottlingException:http://…` and `throttlingException` are both `ThrottlingException`. */
const typeName = (value: unknown): string | undefined => {
  const text = Json.nonEmptyString(value)
  if (text === undefined) return undefined
  const name = text.slice(text.indexOf("#") + 1).replace(/:.*$/s, "")
  return name === "" ? undefined : name[0]?.toUpperCase() + name.slice(1)
}
