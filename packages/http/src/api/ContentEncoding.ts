/**
 * Decompression of request bodies by `content-encoding`: gzip, br, deflate and zstd, up to three of them. The output has
 * the limits of an uncompressed body, applied while it is decompressed, so that a small body cannot become a large one.
 */
import * as Effect from "effect/Effect"
import type { Transform } from "node:stream"
import * as Zlib from "node:zlib"
import * as ApiError from "./ApiError.ts"

/** A decompressor for these bytes, of which at most `limit` are read. */
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

/** Whether `deflate` data has the zlib wrapper of the standard (RFC 1950, 2.2). Some clients send it raw. */
const isZlib = (bytes: Buffer): boolean =>
  bytes.length >= 2 && (bytes[0]! & 0x0f) === 8 && bytes.readUInt16BE(0) % 31 === 0

/**
 * The log2 of the largest window of a zstd frame: 8 MiB, which every decoder must support (RFC 8878, 3.1.1.1.2), or the
 * limit.
 */
const windowLog = (limit: number): number => Math.min(27, Math.max(23, Math.ceil(Math.log2(limit))))

/** The number of encodings of one body. */
const maxEncodings = 3

/** The decoders of a `content-encoding` header, in the order they are applied. Fails for an unknown encoding. */
export const parse = (header: string): Effect.Effect<ReadonlyArray<Decoder>, ApiError.ApiError> => {
  const names = header
    .toLowerCase()
    .split(",")
    .map((name) => name.trim())
    .filter((name) => name !== "" && name !== "identity")
    .toReversed()
  const unknown = names.find((name) => !decoders.has(name))
  if (unknown !== undefined) return Effect.fail(unsupported(`does not support the content-encoding "${unknown}"`))
  if (names.length > maxEncodings)
    return Effect.fail(unsupported(`supports at most ${maxEncodings} content-encodings of one body`))
  return Effect.succeed(names.flatMap((name) => decoders.get(name) ?? []))
}

const unsupported = (problem: string): ApiError.ApiError =>
  ApiError.invalid(`This gateway ${problem}. Send gzip, br, deflate or zstd, or send the body uncompressed.`, {
    status: 415,
    code: "unsupported_content_encoding",
  })

/** A buffer for decompressed chunks. */
export interface Chunks {
  /** Adds a chunk. Returns a failure if the body is too large. */
  readonly push: (chunk: Uint8Array) => Effect.Effect<never, ApiError.ApiError> | undefined
  /** All chunks. */
  readonly complete: Buffer
  /** Releases the chunks from the body budget. */
  readonly release: () => void
}

/** The decompressed body. `chunks` makes the buffer that applies the limits, one for each encoding. */
export const decompress = (
  encoded: Buffer,
  encodings: ReadonlyArray<Decoder>,
  limit: number,
  chunks: () => Chunks,
): Effect.Effect<Buffer, ApiError.ApiError> =>
  Effect.reduce(
    encodings,
    () => encoded,
    (bytes, decode) => decompressOnce(bytes, decode(bytes, limit), chunks()),
  )

const decompressOnce = (
  encoded: Buffer,
  decoder: Transform,
  chunks: Chunks,
): Effect.Effect<Buffer, ApiError.ApiError> =>
  Effect.callback((resume) => {
    const stop = () => {
      decoder.destroy()
      chunks.release()
    }
    const settle = (result: Effect.Effect<Buffer, ApiError.ApiError>) => {
      stop()
      resume(result)
    }
    decoder
      .on("data", (chunk: Buffer) => {
        const failure = chunks.push(chunk)
        if (failure !== undefined) settle(failure)
      })
      .on("end", () => settle(Effect.succeed(chunks.complete)))
      .on("error", () => settle(corrupt))
      .end(encoded)
    return Effect.sync(stop)
  })

const corrupt: Effect.Effect<never, ApiError.ApiError> = Effect.fail(
  ApiError.invalid("The body does not match its content-encoding header.", { code: "invalid_content_encoding" }),
)
