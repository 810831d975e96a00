/**
 * The encodings of a request's body that are undone here: gzip, br, deflate and zstd, one or a few of them, as
 * `content-encoding` names them. What comes out is held to the same limit as what comes in, so that a small body cannot
 * grow into a large one.
 */
import * as Effect from "effect/Effect"
import * as Zlib from "node:zlib"
import * as ApiError from "./ApiError.ts"

/** Undoes one encoding; fails when more bytes come out than `limit`. */
type Decoder = (
  bytes: Buffer,
  limit: number,
  done: (error: NodeJS.ErrnoException | null, bytes: Buffer) => void,
) => void

const gzip: Decoder = (bytes, limit, done) => Zlib.gunzip(bytes, { maxOutputLength: limit }, done)

const decoders: ReadonlyMap<string, Decoder> = new Map<string, Decoder>([
  ["gzip", gzip],
  ["x-gzip", gzip],
  ["br", (bytes, limit, done) => Zlib.brotliDecompress(bytes, { maxOutputLength: limit }, done)],
  [
    "deflate",
    (bytes, limit, done) => (isZlib(bytes) ? Zlib.inflate : Zlib.inflateRaw)(bytes, { maxOutputLength: limit }, done),
  ],
  [
    "zstd",
    (bytes, limit, done) => {
      const params = { [Zlib.constants.ZSTD_d_windowLogMax]: windowLog(limit) }
      Zlib.zstdDecompress(bytes, { maxOutputLength: limit, params }, done)
    },
  ],
])

/** `deflate` is in a zlib wrapper by the standard, and bare by some who send it (RFC 1950, 2.2). */
const isZlib = (bytes: Buffer): boolean =>
  bytes.length >= 2 && (bytes[0]! & 0x0f) === 8 && bytes.readUInt16BE(0) % 31 === 0

/** How much memory a body may ask for beside its own: as much as each decoder must give (8 MiB, RFC 8878, 3.1.1.1.2), or its limit. */
const windowLog = (limit: number): number => Math.min(27, Math.max(23, Math.ceil(Math.log2(limit))))

/** The most encodings of one body: each costs time for as much as the limit allows. */
const most = 3

/** The encodings of a body in the order they are undone; an unknown one is refused by its name. */
export const parse = (header: string): Effect.Effect<ReadonlyArray<Decoder>, ApiError.ApiError> => {
  const names = header
    .toLowerCase()
    .split(",")
    .map((name) => name.trim())
    .filter((name) => name !== "" && name !== "identity")
    .toReversed()
  const unknown = names.find((name) => !decoders.has(name))
  if (unknown !== undefined) return Effect.fail(unsupported(`does not know the content-encoding "${unknown}"`))
  if (names.length > most) return Effect.fail(unsupported(`takes at most ${most} content-encodings of one body`))
  return Effect.succeed(names.flatMap((name) => decoders.get(name) ?? []))
}

const unsupported = (does: string): ApiError.ApiError =>
  ApiError.invalid(`This gateway ${does}: send gzip, br, deflate, zstd, or the body as it is.`, {
    status: 415,
    code: "unsupported_content_encoding",
  })

/** A body with its encodings undone; `tooLarge` is its failure where it is larger than `limit` bytes. */
export const undo = (
  encoded: Buffer,
  encodings: ReadonlyArray<Decoder>,
  limit: number,
  tooLarge: Effect.Effect<never, ApiError.ApiError>,
): Effect.Effect<Buffer, ApiError.ApiError> =>
  Effect.reduce(
    encodings,
    () => encoded,
    (bytes, decode) =>
      Effect.callback<Buffer, ApiError.ApiError>((resume) =>
        decode(bytes, Math.max(1, Math.min(limit, largest)), (error, decoded) =>
          resume(error === null ? Effect.succeed(decoded) : error.code === "ERR_BUFFER_TOO_LARGE" ? tooLarge : garbled),
        ),
      ),
  )

/** Node takes no larger limit. */
const largest = 2 ** 31 - 1

const garbled: Effect.Effect<never, ApiError.ApiError> = Effect.fail(
  ApiError.invalid("The body is not what its content-encoding says.", { code: "invalid_content_encoding" }),
)
