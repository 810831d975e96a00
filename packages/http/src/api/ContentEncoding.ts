/**
 * The encodings of a request's body that are undone here: gzip, br, deflate and zstd, one or a few of them, as
 * `content-encoding` names them. What comes out is held to the same limits as what comes in, of one body and of all together,
 * as it comes: a small body cannot grow into a large one.
 */
import * as Effect from "effect/Effect"
import type { Transform } from "node:stream"
import * as Zlib from "node:zlib"
import * as ApiError from "./ApiError.ts"

/** What undoes one encoding of these bytes, of which no more than `limit` are wanted. */
type Decoder = (bytes: Buffer, limit: number) => Transform

const gzip: Decoder = () => Zlib.createGunzip()

const decoders: ReadonlyMap<string, Decoder> = new Map<string, Decoder>([
  ["gzip", gzip],
  ["x-gzip", gzip],
  ["br", () => Zlib.createBrotliDecompress()],
  ["deflate", (bytes) => (isZlib(bytes) ? Zlib.createInflate() : Zlib.createInflateRaw())],
  [
    "zstd",
    (_, limit) => Zlib.createZstdDecompress({ params: { [Zlib.constants.ZSTD_d_windowLogMax]: windowLog(limit) } }),
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

/** What comes out, piece by piece. */
export interface Pieces {
  /** Takes one more; why no more is taken, if it is not. */
  readonly push: (piece: Uint8Array) => Effect.Effect<never, ApiError.ApiError> | undefined
  readonly whole: Buffer
  /** Lets go of them. */
  readonly release: () => void
}

/** A body with its encodings undone, which is held to its limits by what its pieces are pushed to: new ones for each encoding. */
export const undo = (
  encoded: Buffer,
  encodings: ReadonlyArray<Decoder>,
  limit: number,
  pieces: () => Pieces,
): Effect.Effect<Buffer, ApiError.ApiError> =>
  Effect.reduce(
    encodings,
    () => encoded,
    (bytes, decode) => undone(bytes, decode(bytes, limit), pieces()),
  )

const undone = (encoded: Buffer, decoder: Transform, pieces: Pieces): Effect.Effect<Buffer, ApiError.ApiError> =>
  Effect.callback((resume) => {
    const stop = () => {
      decoder.destroy()
      pieces.release()
    }
    const settle = (result: Effect.Effect<Buffer, ApiError.ApiError>) => {
      stop()
      resume(result)
    }
    decoder
      .on("data", (piece: Buffer) => {
        const refused = pieces.push(piece)
        if (refused !== undefined) settle(refused)
      })
      .on("end", () => settle(Effect.succeed(pieces.whole)))
      .on("error", () => settle(garbled))
      .end(encoded)
    return Effect.sync(stop)
  })

const garbled: Effect.Effect<never, ApiError.ApiError> = Effect.fail(
  ApiError.invalid("The body is not what its content-encoding says.", { code: "invalid_content_encoding" }),
)
