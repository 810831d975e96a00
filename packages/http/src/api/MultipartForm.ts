/**
 * The multipart body of a request, read as it arrives: fields in memory, files on disk (`Uploads`). Fails for another content type,
 * a body over its limits, and one that is broken.
 */
import type { Part } from "@understudy/core/Operation"
import * as Context from "effect/Context"
import * as Effect from "effect/Effect"
import { MaxBodySize } from "effect/http/HttpIncomingMessage"
import * as HttpServerRequest from "effect/http/HttpServerRequest"
import * as Multipart from "effect/http/Multipart"
import type * as Scope from "effect/Scope"
import * as Stream from "effect/Stream"
import type { Limits } from "../ServerLimits.ts"
import * as ApiError from "./ApiError.ts"
import * as BodyBudget from "./BodyBudget.ts"
import * as GatewayKeys from "./GatewayKeys.ts"
import * as Unavailable from "./Unavailable.ts"
import * as Uploads from "./Uploads.ts"

/** Whether the body is a form. */
export const isForm: Effect.Effect<boolean, never, HttpServerRequest.HttpServerRequest> = Effect.map(
  HttpServerRequest.HttpServerRequest,
  ({ headers }) => form.test(headers["content-type"] ?? ""),
)

const form = /^multipart\/form-data\b/i

/**
 * The file that a form must have, by the name of its part; one of `image[]` or `image[0]` is one of `image`. `references` are fields
 * that name the content in its place, as some vendors' do; with them, the field itself may have an address too.
 */
export interface RequiredFile {
  readonly name: string
  readonly references?: ReadonlyArray<string> | undefined
}

/**
 * The parts of the body, in their order. Its files are on disk until the scope of the request closes. Fails for a form without the
 * required file.
 */
export const read = (
  required: RequiredFile,
): Effect.Effect<ReadonlyArray<Part>, ApiError.ApiError, HttpServerRequest.HttpServerRequest | Scope.Scope> =>
  Effect.withFiber((fiber) => {
    const request = Context.getUnsafe(fiber.context, HttpServerRequest.HttpServerRequest)
    const { "content-encoding": encoding, "content-length": length, "content-type": type = "" } = request.headers
    const budget = fiber.getRef(BodyBudget.Current)
    const { limits } = budget
    if (!form.test(type)) return Effect.fail(otherType(type))
    if (encoding !== undefined && encoding !== "identity") return Effect.fail(compressed(encoding))
    if (Number(length ?? 0) > Number(limits.upload)) return Effect.fail(tooLarge(limits))
    const isKey = fiber.getRef(GatewayKeys.IsKey)
    const maxFields = Number(fiber.getRef(MaxBodySize) ?? Infinity)
    const parts: Array<Part> = []
    let held = 0
    let stored = 0
    const store = (bytes: number): Effect.Effect<void, ApiError.ApiError> => {
      stored += bytes
      return budget.store(bytes) ? Effect.void : Effect.fail(tooMany(limits))
    }
    const received = Stream.runForEach(request.multipartStream, (part) => {
      if (part._tag === "Field") {
        parts.push({ name: part.key, value: part.value })
        const bytes = part.value.length
        held += bytes
        if (held > maxFields) return Effect.fail(fieldsTooLarge(maxFields))
        return budget.acquire(bytes, held) ? Effect.void : Effect.fail(Unavailable.noRoom)
      }
      const description = { name: part.key, filename: part.name, mediaType: part.contentType }
      return Effect.map(Uploads.store(description, part.content, store), (file) => void parts.push(file))
    }).pipe(
      Effect.provideService(MaxBodySize, limits.upload),
      Effect.provideService(Multipart.MaxParts, limits.fields),
      // By default a file of type application/jsonl is a field, because its type contains application/json.
      Effect.provideService(Multipart.FieldMimeTypes, []),
      Effect.mapError((error) => errorOf(error, limits)),
      Effect.ensuring(Effect.sync(() => budget.release(held))),
    )
    const released = Effect.addFinalizer(() => Effect.sync(() => budget.store(-stored)))
    return Effect.andThen(
      released,
      Effect.flatMap(received, () => {
        const problem = ambiguous(parts) ?? missing(parts, required) ?? (isKey && leakIn(parts, isKey))
        return problem === undefined ? Effect.succeed(parts) : Effect.fail(problem)
      }),
    )
  })

/** The error of a form without its file: a vendor would be sent it for nothing, and each words its error in its own way. */
const missing = (
  parts: ReadonlyArray<Part>,
  { name, references = [] }: RequiredFile,
): ApiError.ApiError | undefined => {
  const own = parts.filter((part) => part.name === name || part.name.startsWith(`${name}[`))
  const isReferred = references.length > 0 && own.some((part) => "value" in part && address.test(part.value))
  if (
    isReferred ||
    own.some((part) => "open" in part) ||
    parts.some((part) => references.includes(part.name) && !isEmpty(part))
  ) {
    return undefined
  }
  return own.length === 0
    ? ApiError.invalid(`Missing required parameter: '${name}'. Send it as a file of the form.`, { param: name })
    : ApiError.invalid(
        `Invalid value for '${name}': it is a field of the form, and must be a file. With curl, write -F ${name}=@PATH.`,
        { param: name },
      )
}

const isEmpty = (part: Part): boolean => "value" in part && part.value === ""

const address = /^(?:https?:\/\/|data:)/i

/** The fields that limits, budgets and routes read: a vendor may read another of two. */
const single = ["model", "n", "stream", "purpose", "user"]

/** The error of such a field that is there twice, or is a file. */
const ambiguous = (parts: ReadonlyArray<Part>): ApiError.ApiError | undefined => {
  for (const name of single) {
    const [first, second] = parts.filter((part) => part.name === name)
    if (first === undefined || ("value" in first && second === undefined)) continue
    return ApiError.invalid(`Invalid value for '${name}': send it once, as a field and not as a file.`, { param: name })
  }
  return undefined
}

const leakIn = (parts: ReadonlyArray<Part>, isKey: GatewayKeys.IsKey): ApiError.ApiError | undefined => {
  const fields = Object.fromEntries(
    parts.flatMap((part) => ("value" in part ? [[part.name, part.value] as const] : [])),
  )
  return GatewayKeys.check(fields, fields["model"] ?? "", isKey)
}

const errorOf = (
  error: Multipart.MultipartError | Uploads.CannotStore | ApiError.ApiError,
  limits: Limits,
): ApiError.ApiError => {
  if (!("_tag" in error)) return error
  if (error._tag === "CannotStore") return cannotStore
  switch (error.reason._tag) {
    case "BodyTooLarge":
    case "FileTooLarge":
      return tooLarge(limits)
    case "FieldTooLarge":
      return ApiError.invalid("A field of the body is larger than 10 MiB: send it as a file.", {
        status: 413,
        code: "request_too_large",
      })
    case "TooManyParts":
      return ApiError.invalid(
        `The body has more than ${limits.fields} parts, the limit of this gateway (server.limits.fields).`,
        { status: 413, code: "request_too_large" },
      )
    default:
      return broken
  }
}

const fieldsTooLarge = (bytes: number): ApiError.ApiError =>
  ApiError.invalid(
    `The fields of the body are larger than ${bytes} bytes, the limit of this gateway (server.maxBody): send large ones as files.`,
    { status: 413, code: "request_too_large" },
  )

const otherType = (type: string): ApiError.ApiError =>
  ApiError.invalid(
    `The body must be a form with files: send the header "content-type: multipart/form-data"${type === "" ? "" : `, not "${type}"`}.`,
    { status: 415, code: "unsupported_media_type" },
  )

const compressed = (encoding: string): ApiError.ApiError =>
  ApiError.invalid(`A form with files must not be compressed: remove the header "content-encoding: ${encoding}".`, {
    status: 415,
    code: "unsupported_media_type",
  })

const tooLarge = ({ upload }: Limits): ApiError.ApiError =>
  ApiError.invalid(
    `The body is larger than ${Number(upload)} bytes, the limit of this gateway (server.limits.upload).`,
    { status: 413, code: "request_too_large" },
  )

const tooMany = ({ uploads }: Limits): ApiError.ApiError => ({
  status: 503,
  type: "server_error",
  code: "overloaded",
  message: `The files of all requests together are larger than ${Number(uploads)} bytes, the limit of this gateway (server.limits.uploads).`,
  retryAfter: 5000,
})

const cannotStore: ApiError.ApiError = {
  status: 503,
  type: "server_error",
  code: "upstream_unavailable",
  message:
    "The gateway cannot store the files of this request: its temporary directory is full, or cannot be written to.",
  retryAfter: 5000,
}

const broken = ApiError.invalid("The body is not a complete multipart form.", { code: "invalid_multipart" })
