/**
 * OpenAI's endpoints besides chat, responses and embeddings: a table with a line for each, and one handler for all. The model in the
 * body names a route; the rest goes to the vendor as the client sent it, and the vendor's response to the client.
 */
import type { Name, Part, Request } from "@understudy/core/Operation"
import * as Operation from "@understudy/core/Operation"
import { Router } from "@understudy/core/Router"
import { InvalidBody } from "@understudy/providers/internal/protocols/InvalidBody"
import * as ChatCompletions from "@understudy/providers/protocols/chat-completions"
import * as Effect from "effect/Effect"
import * as HttpRouter from "effect/http/HttpRouter"
import type { PathInput } from "effect/http/HttpRouter"
import * as Predicate from "effect/Predicate"
import * as Result from "effect/Result"
import * as ApiError from "./ApiError.ts"
import * as BodyLimits from "./BodyLimits.ts"
import * as Endpoint from "./Endpoint.ts"
import * as JsonBody from "./JsonBody.ts"
import * as MultipartForm from "./MultipartForm.ts"

interface Row {
  readonly path: PathInput
  readonly operation: Name
  /** The file of its form. Without one, the body is JSON. */
  readonly file?: MultipartForm.RequiredFile
  /** Whether the body may be JSON in place of a form. */
  readonly isJsonToo?: boolean
  /** Whether its response always is a stream, without `stream: true`. */
  readonly isStream?: boolean
}

const image: MultipartForm.RequiredFile = { name: "image", references: ["image_url"] }

/** Groq takes an address in `url`; Mistral one in `file_url`, or the id of a file. */
const audio: MultipartForm.RequiredFile = { name: "file", references: ["url", "file_url", "file_id"] }

/** The endpoints. */
export const rows: ReadonlyArray<Row> = [
  { path: "/v1/completions", operation: "completions" },
  { path: "/v1/moderations", operation: "moderations" },
  { path: "/v1/images/generations", operation: "images.generations" },
  { path: "/v1/images/edits", operation: "images.edits", file: image, isJsonToo: true },
  { path: "/v1/images/variations", operation: "images.variations", file: image },
  { path: "/v1/audio/speech", operation: "audio.speech", isStream: true },
  { path: "/v1/audio/transcriptions", operation: "audio.transcriptions", file: audio },
  { path: "/v1/audio/translations", operation: "audio.translations", file: audio },
  { path: "/v1/rerank", operation: "rerank" },
  { path: "/v2/rerank", operation: "rerank" },
]

/** The name of the protocol, in logs and receipts. */
export const protocol = "openai"

/** Adds the endpoints to the `HttpRouter` in context. */
export const layer = HttpRouter.use((http) =>
  Effect.flatMap(Router, (router) =>
    Effect.forEach(rows, (row) => http.add("POST", row.path, Endpoint.operate(router, ChatCompletions, bodyOf(row))), {
      discard: true,
    }),
  ),
)

const bodyOf = (row: Row): Endpoint.OperationBody => {
  const json = JsonBody.decodeCall(BodyLimits.inputs, (fields) => decodeJson(row, fields))
  const { file, isJsonToo } = row
  if (file === undefined) return json
  const multipart = Effect.flatMap(MultipartForm.read(file), (parts) =>
    Effect.fromResult(Result.mapError(decodeParts(row, parts), ApiError.fromBody)),
  )
  return isJsonToo === true
    ? Effect.flatMap(MultipartForm.isForm, (isForm): typeof multipart => (isForm ? multipart : json))
    : multipart
}

type Decoded = Result.Result<{ readonly request: Request }, InvalidBody>

const decodeJson = ({ isStream, operation }: Row, fields: Record<string, unknown>): Decoded =>
  Result.map(modelOf(fields["model"], operation), (model) => ({
    request: {
      operation,
      model,
      body: { type: "json", fields },
      streaming: isStream === true || fields["stream"] === true,
      user: Predicate.isString(fields["user"]) ? fields["user"] : undefined,
      native: { protocol, body: fields },
    },
  }))

const decodeParts = ({ isStream, operation }: Row, parts: ReadonlyArray<Part>): Decoded => {
  const body = { type: "multipart", parts } as const
  const field = (name: string) => Operation.field({ body }, name)
  const user = field("user")
  return Result.map(modelOf(field("model"), operation), (model) => ({
    request: {
      operation,
      model,
      body,
      streaming: isStream === true || field("stream") === "true",
      user: Predicate.isString(user) ? user : undefined,
      native: { protocol, body: {} },
    },
  }))
}

const modelOf = (model: unknown, operation: Name): Result.Result<string, InvalidBody> =>
  Predicate.isString(model) && model !== ""
    ? Result.succeed(model)
    : Result.fail(
        new InvalidBody({
          message: `Missing required parameter: 'model'. It names the route of this gateway that serves ${operation}.`,
          path: "model",
        }),
      )
