/**
 * The reasons of Vertex AI's errors. Every API of Vertex AI fails with Google's error (`google.rpc.Status`); Claude's and the
 * open models' also with those of their protocols, which the vendor of the protocol classifies.
 *
 * Sources: docs.cloud.google.com/vertex-ai, "API errors" and "Error code 429"; googleapis, `google.rpc.Code`.
 */
import type { Reason } from "@understudy/core/ProviderError"
import type * as Duration from "effect/Duration"
import * as Gemini from "../gemini/Errors.ts"
import type { WireError } from "../HttpProvider.ts"
import * as Wire from "../protocols/gemini/Errors.ts"

/** An error of a protocol, or Google's in its place. */
export type VertexError<Own extends WireError> = Own & { readonly google?: Wire.WireError }

type Table<Error extends WireError> = (
  error: Error,
  status: number | undefined,
  retryAfter: Duration.Duration | undefined,
) => Reason

/** The parser of a protocol's errors, which also knows Google's. */
export const parsing =
  <Own extends WireError>(own: (text: string) => Own) =>
  (text: string): VertexError<Own> => {
    const error = own(text)
    const google = Wire.parse(text)
    return isGoogle(google) ? { ...error, message: google.message, retryAfter: google.retryAfter, google } : error
  }

/** Google's category is a name such as `RESOURCE_EXHAUSTED`. */
const isGoogle = ({ type }: Wire.WireError): boolean => type !== undefined && /^[A-Z_]+$/.test(type)

/** The table of a protocol's errors, and Google's. */
export const table =
  <Own extends WireError>(own: Table<Own>): Table<VertexError<Own>> =>
  (error, status, retryAfter) =>
    error.google === undefined ? own(error, status, retryAfter) : reason(error.google, status, retryAfter)

/** A model that is not served in a location, or that the project has not enabled. */
const notServed =
  /not (?:servable|supported|available) in (?:the )?(?:region|location)|Publisher Model .*not (?:found|enabled)/i

/** The reason of one of Google's errors. */
export const reason: Table<Wire.WireError> = (error, status, retryAfter) =>
  notServed.test(error.message ?? "") && (status === undefined || status < 429)
    ? { _tag: "ModelNotFound" }
    : Gemini.reason(error, status, retryAfter)
