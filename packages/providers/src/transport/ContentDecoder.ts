/**
 * Undoes the `content-encoding` of an answer as it arrives: gzip, br, deflate and zstd, one or a few of them. No encoding
 * is asked for, but servers and proxies send them all the same.
 */
import * as Predicate from "effect/Predicate"
import type { Transform } from "node:stream"
import * as Zlib from "node:zlib"
import { UnreadableAnswer } from "./AnswerLimits.ts"

/** Undoes one encoding of a body that begins with these bytes. */
type Make = (first: Buffer) => Transform

const gzip: Make = () => Zlib.createGunzip()

/** The largest window of zstd, as a power of two: 64 MiB. Every decoder must give 8 MiB (RFC 8878, 3.1.1.1.2). */
const windowLog = 26

const encodings: ReadonlyMap<string, Make> = new Map<string, Make>([
  ["gzip", gzip],
  ["x-gzip", gzip],
  ["br", () => Zlib.createBrotliDecompress()],
  ["deflate", (first) => (isZlib(first) ? Zlib.createInflate() : Zlib.createInflateRaw())],
  ["zstd", () => Zlib.createZstdDecompress({ params: { [Zlib.constants.ZSTD_d_windowLogMax]: windowLog } })],
])

/** `deflate` is in a zlib wrapper by the standard, and bare by some who send it (RFC 1950, 2.2). */
const isZlib = (first: Buffer): boolean =>
  (first[0]! & 0x0f) === 8 && (first.length < 2 || first.readUInt16BE(0) % 31 === 0)

/** The most encodings of one answer. */
const most = 3

/** What a decoder tells. `failed` is the last. */
export interface Reader {
  readonly data: (chunk: Buffer) => void
  readonly ended: () => void
  readonly failed: (cause: UnreadableAnswer) => void
  /** All that was pushed has been taken in. */
  readonly ready: () => void
}

export interface Decoder {
  /** False when nothing more should be pushed until `ready`. */
  readonly push: (chunk: Buffer) => boolean
  readonly end: () => void
  readonly pause: () => void
  readonly resume: () => void
  readonly stop: () => void
}

/** A decoder for a `content-encoding`; undefined where there is nothing to undo, a failure where nobody knows how. */
export const make = (
  header: string | ReadonlyArray<string> | undefined,
  reader: Reader,
): Decoder | UnreadableAnswer | undefined => {
  if (header === undefined) return undefined
  const names = String(header)
    .toLowerCase()
    .split(",")
    .map((name) => name.trim())
    .filter((name) => name !== "" && name !== "identity")
    .toReversed()
  if (names.length === 0) return undefined
  const makes = names.flatMap((name) => encodings.get(name) ?? [])
  return makes.length === names.length && makes.length <= most
    ? decoder(makes, reader)
    : new UnreadableAnswer({
        message: `the answer has an unknown content-encoding, ${JSON.stringify(names.join(", "))}`,
      })
}

const decoder = (makes: ReadonlyArray<Make>, reader: Reader): Decoder => {
  let chain: ReadonlyArray<Transform> = []
  let stopped = false
  const stop = () => {
    stopped = true
    for (const step of chain) step.destroy()
  }
  const fail = (error: unknown) => {
    if (stopped) return
    stop()
    reader.failed(
      new UnreadableAnswer({
        message: `the answer is not what its content-encoding says: ${Predicate.isError(error) ? error.message : "it does not decode"}`,
      }),
    )
  }
  /** Which kind of deflate it is stands in the first bytes of each step. */
  const build = (first: Buffer): Transform => {
    const [make = gzip, ...others] = makes
    const head = make(first).on("error", fail)
    chain = [head]
    const last = others.reduce<Transform>((from, make) => {
      const to = make(assumed).on("error", fail)
      chain = [...chain, to]
      return from.pipe(to)
    }, head)
    head.on("drain", reader.ready)
    last.on("data", (chunk: Buffer) => {
      if (!stopped) reader.data(chunk)
    })
    last.on("end", () => {
      if (!stopped) reader.ended()
    })
    return head
  }
  return {
    push: (chunk) => stopped || (chain[0] ?? build(chunk)).write(chunk),
    end: () => {
      const [head] = chain
      if (head === undefined) reader.ended()
      else head.end()
    },
    pause: () => void chain.at(-1)?.pause(),
    resume: () => void chain.at(-1)?.resume(),
    stop,
  }
}

/** Under another encoding, deflate is taken to be as the standard has it. */
const assumed = Buffer.from([0x78, 0x9c])
