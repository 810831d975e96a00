/**
 * Decodes the `content-encoding` of a response as it arrives: gzip, br, deflate and zstd, and up to three of them
 * combined. Requests do not ask for an encoding, but some servers and proxies send one anyway.
 */
import * as Predicate from "effect/Predicate"
import type { Transform } from "node:stream"
import * as Zlib from "node:zlib"
import { UnreadableAnswer } from "./AnswerLimits.ts"

/** Makes the decoder of one encoding, for a body that begins with these bytes. */
type Make = (first: Buffer) => Transform

const gzip: Make = () => Zlib.createGunzip()

/** The maximum zstd window, as a power of two: 64 MiB. RFC 8878, 3.1.1.1.2 recommends at least 8 MiB. */
const windowLog = 26

const encodings: ReadonlyMap<string, Make> = new Map<string, Make>([
  ["gzip", gzip],
  ["x-gzip", gzip],
  ["br", () => Zlib.createBrotliDecompress()],
  ["deflate", (first) => (isZlib(first) ? Zlib.createInflate() : Zlib.createInflateRaw())],
  ["zstd", () => Zlib.createZstdDecompress({ params: { [Zlib.constants.ZSTD_d_windowLogMax]: windowLog } })],
])

/** `deflate` means a zlib wrapper (RFC 1950, 2.2), but some servers send raw deflate. */
const isZlib = (first: Buffer): boolean =>
  (first[0]! & 0x0f) === 8 && (first.length < 2 || first.readUInt16BE(0) % 31 === 0)

/** The maximum number of encodings of one response. */
const maxEncodings = 3

/** Receives the decoded body. `failed` is called last. */
export interface Listener {
  readonly data: (chunk: Buffer) => void
  readonly ended: () => void
  readonly failed: (cause: UnreadableAnswer) => void
  /** Everything pushed so far has been consumed. */
  readonly ready: () => void
}

export interface Decoder {
  /** False if the caller should wait for `ready` before pushing more. */
  readonly push: (chunk: Buffer) => boolean
  readonly end: () => void
  readonly pause: () => void
  readonly resume: () => void
  readonly stop: () => void
}

/** A decoder for a `content-encoding` header; `undefined` if there is no encoding, an error if one is unknown. */
export const make = (
  header: string | ReadonlyArray<string> | undefined,
  listener: Listener,
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
  return makes.length === names.length && makes.length <= maxEncodings
    ? decoder(makes, listener)
    : new UnreadableAnswer({
        message: `the response has an unknown content-encoding, ${JSON.stringify(names.join(", "))}`,
      })
}

const decoder = (makes: ReadonlyArray<Make>, listener: Listener): Decoder => {
  let chain: ReadonlyArray<Transform> = []
  let stopped = false
  const stop = () => {
    stopped = true
    for (const step of chain) step.destroy()
  }
  const fail = (error: unknown) => {
    if (stopped) return
    stop()
    listener.failed(
      new UnreadableAnswer({
        message: `the response does not match its content-encoding: ${Predicate.isError(error) ? error.message : "it cannot be decoded"}`,
      }),
    )
  }
  /** Called with the first bytes of the body, which show the kind of deflate. */
  const build = (first: Buffer): Transform => {
    const [make = gzip, ...others] = makes
    const head = make(first).on("error", fail)
    chain = [head]
    const last = others.reduce<Transform>((from, make) => {
      const to = make(zlibHeader).on("error", fail)
      chain = [...chain, to]
      return from.pipe(to)
    }, head)
    head.on("drain", listener.ready)
    last.on("data", (chunk: Buffer) => {
      if (!stopped) listener.data(chunk)
    })
    last.on("end", () => {
      if (!stopped) listener.ended()
    })
    return head
  }
  return {
    push: (chunk) => stopped || (chain[0] ?? build(chunk)).write(chunk),
    end: () => {
      const [head] = chain
      if (head === undefined) listener.ended()
      else head.end()
    },
    pause: () => void chain.at(-1)?.pause(),
    resume: () => void chain.at(-1)?.resume(),
    stop,
  }
}

/** Below another encoding, deflate is assumed to have its zlib wrapper. */
const zlibHeader = Buffer.from([0x78, 0x9c])
