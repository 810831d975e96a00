/**
 * Reads a tape: bytes in, in pieces of any size, items out. What is damaged is skipped, and given as an item.
 */
import * as Result from "effect/Result"
import { ByteReader, crc32 } from "./Bytes.ts"
import * as Format from "./Format.ts"
import { InvalidTape } from "./Item.ts"
import type { Attempt, Call, Damage, Item, Needs, Segment, Skipped } from "./Item.ts"

/** The kind, the length and the check sum of a frame are no longer than this. */
const longestFrameHead = 13

const notATape = new InvalidTape({ message: "is not a tape", offset: 0 })

/**
 * The decoder of one tape, which arrives in pieces of any length. It keeps a frame that has not arrived yet and the dictionary
 * of a segment, and no more.
 */
export class Decoder {
  /** The bytes that are not read yet, and the place of the first in the tape. */
  #rest: Uint8Array = new Uint8Array()
  #offset = 0
  #segment: SegmentReader | undefined
  #hasSegments = false
  /** The damage whose end, the next signature, is not found yet. */
  #damage: Pick<Damage, "offset" | "cause"> | undefined

  /** The items that end in these bytes. */
  push(chunk: Uint8Array): Result.Result<ReadonlyArray<Item>, InvalidTape> {
    if (this.#rest.length === 0) this.#rest = chunk
    else {
      const joined = new Uint8Array(this.#rest.length + chunk.length)
      joined.set(this.#rest)
      joined.set(chunk, this.#rest.length)
      this.#rest = joined
    }
    return this.#read(false)
  }

  /** The items of what is left, after the last bytes of the tape. */
  end(): Result.Result<ReadonlyArray<Item>, InvalidTape> {
    return Result.flatMap(this.#read(true), (items) =>
      !this.#hasSegments && items.some((item) => item._tag === "Damage" && item.cause === "corrupt")
        ? Result.fail(notATape)
        : Result.succeed(items),
    )
  }

  #read(isEnd: boolean): Result.Result<ReadonlyArray<Item>, InvalidTape> {
    const items: Array<Item> = []
    for (;;) {
      if (this.#damage !== undefined) {
        if (!this.#passOver(this.#damage, isEnd, items)) return Result.succeed(items)
      } else if (this.#rest.length === 0) {
        return Result.succeed(items)
      } else if (this.#segment === undefined || this.#rest[0] === Format.signature[0]) {
        const started = this.#signature(isEnd, items)
        if (Result.isFailure(started)) return Result.fail(started.failure)
        if (!started.success) return Result.succeed(items)
      } else if (!this.#frame(this.#segment, isEnd, items)) {
        return Result.succeed(items)
      }
    }
  }

  #advance(bytes: number): void {
    this.#rest = this.#rest.subarray(bytes)
    this.#offset += bytes
  }

  /** Reads a signature. Succeeds with whether it has arrived. */
  #signature(isEnd: boolean, items: Array<Item>): Result.Result<boolean, InvalidTape> {
    const rest = this.#rest
    const { length } = Format.signature
    const arrived = Math.min(rest.length, length)
    for (let index = 0; index < arrived; index++) {
      if (rest[index] === Format.signature[index]) continue
      if (this.#offset === 0 && index === 0) return Result.fail(notATape)
      this.#damage = { offset: this.#offset, cause: "corrupt" }
      return Result.succeed(true)
    }
    if (rest.length <= length) {
      if (!isEnd) return Result.succeed(false)
      items.push({ _tag: "Damage", offset: this.#offset, bytes: rest.length, cause: "cut-off" })
      this.#advance(rest.length)
      return Result.succeed(true)
    }
    const version = rest[length]!
    if (version === Format.signature[0]) {
      this.#damage = { offset: this.#offset, cause: "cut-off" }
      this.#advance(length)
      return Result.succeed(true)
    }
    if (version !== Format.version)
      return Result.fail(
        new InvalidTape({
          message: `has format ${version}, and this version reads format ${Format.version}: read it with the version that recorded it, or a later one`,
          offset: this.#offset,
        }),
      )
    this.#hasSegments = true
    this.#segment = new SegmentReader(this.#offset)
    this.#advance(length + 1)
    return Result.succeed(true)
  }

  /** Reads a frame. Whether there was one to read. */
  #frame(segment: SegmentReader, isEnd: boolean, items: Array<Item>): boolean {
    const rest = this.#rest
    const head = new ByteReader(rest, 0, Math.min(rest.length, longestFrameHead))
    const kind = head.byte()
    const length = head.number()
    const sum = head.uint32()
    const isMisplaced = segment.hasHeader === (kind === Format.frameKinds.header)
    if (isMisplaced || (head.failed ? rest.length >= longestFrameHead : length > Format.maxPayload)) {
      this.#damage = { offset: this.#offset, cause: "corrupt" }
      return true
    }
    const end = head.at + length
    if (head.failed || rest.length < end) {
      if (!isEnd) return false
      this.#cutOff(segment, kind, head, find(rest, 1, rest.length) ?? rest.length, items)
      return true
    }
    const payload = rest.subarray(head.at, end)
    if (crc32(kind, payload) !== sum) {
      const next = find(rest, 1, end + Format.signature.length - 1)
      if (next === undefined) this.#damage = { offset: this.#offset, cause: "corrupt" }
      else this.#cutOff(segment, kind, head, next, items)
      return true
    }
    const failedAt = segment.read(kind, payload, items)
    if (failedAt === undefined) this.#advance(end)
    else this.#damage = { offset: this.#offset + head.at + failedAt, cause: "corrupt" }
    return true
  }

  /** Reads the whole records of a frame whose end is missing: of `rest`, the bytes before `end` are its own. */
  #cutOff(segment: SegmentReader, kind: number, head: ByteReader, end: number, items: Array<Item>): void {
    const isBlock = kind === Format.frameKinds.block && !head.failed && head.at < end
    const records = isBlock ? segment.readWhole(this.#rest.subarray(head.at, end), items) : 0
    this.#advance(records === 0 ? 0 : head.at + records)
    this.#segment = undefined
    this.#damage = { offset: this.#offset, cause: "cut-off" }
  }

  /** Goes on to the next signature. Whether there is one. */
  #passOver({ cause, offset }: Pick<Damage, "offset" | "cause">, isEnd: boolean, items: Array<Item>): boolean {
    this.#segment = undefined
    const from = this.#offset > offset || cause === "cut-off" ? 0 : 1
    const found = find(this.#rest, from, this.#rest.length)
    // The beginning of a signature may be there, and its end not yet.
    const kept = Format.signature.length - 1
    this.#advance(found ?? Math.max(0, this.#rest.length - (isEnd ? 0 : kept)))
    if (found === undefined && !isEnd) return false
    items.push({ _tag: "Damage", offset, bytes: this.#offset - offset, cause })
    this.#damage = undefined
    return found !== undefined
  }
}

/** The place of the first signature from `from` on that ends before `end`. */
const find = (bytes: Uint8Array, from: number, end: number): number | undefined => {
  const { signature } = Format
  const last = Math.min(end, bytes.length) - signature.length
  for (let at = from; at <= last; at++) {
    at = bytes.indexOf(signature[0]!, at)
    if (at < 0 || at > last) return undefined
    if (signature.every((byte, index) => bytes[at + index] === byte)) return at
  }
  return undefined
}

/** The frames of one segment. */
class SegmentReader {
  readonly #offset: number
  readonly #names: Array<string> = []
  /** The start of the last call; `undefined` before the header. */
  #lastStart: number | undefined

  constructor(offset: number) {
    this.#offset = offset
  }

  get hasHeader(): boolean {
    return this.#lastStart !== undefined
  }

  /** Reads a whole frame. Gives the place in it that cannot be read, if there is one. */
  read(kind: number, payload: Uint8Array, items: Array<Item>): number | undefined {
    if (kind === Format.frameKinds.header) return this.#header(payload, items)
    if (kind !== Format.frameKinds.block) return undefined
    const reader = new ByteReader(payload)
    while (!reader.isAtEnd) {
      const start = reader.at
      if (this.#record(reader, items) === "failed") return start
    }
    return undefined
  }

  /** Reads records up to the first that is not whole, or of an unknown kind. Gives the number of bytes read. */
  readWhole(records: Uint8Array, items: Array<Item>): number {
    const reader = new ByteReader(records)
    while (!reader.isAtEnd) {
      const start = reader.at
      if (this.#record(reader, items) !== "read") return start
    }
    return reader.at
  }

  #header(payload: Uint8Array, items: Array<Item>): number | undefined {
    const reader = new ByteReader(payload)
    const segment: Segment = {
      _tag: "Segment",
      offset: this.#offset,
      version: reader.text(),
      instance: reader.text(),
      startedAt: reader.number(),
      at: reader.number(),
      sample: reader.float(),
      lost: reader.number(),
    }
    if (reader.failed) return 0
    this.#lastStart = segment.at
    items.push(segment)
    return undefined
  }

  #record(reader: ByteReader, items: Array<Item>): "read" | "unknown" | "failed" {
    const kind = reader.number()
    const fields = reader.part(reader.number())
    if (reader.failed) return "failed"
    switch (kind) {
      case Format.recordKinds.name: {
        const name = fields.text()
        if (fields.failed) return "failed"
        this.#names.push(name)
        return "read"
      }
      case Format.recordKinds.call: {
        const call = new CallReader(fields, this.#names).read(this.#lastStart ?? 0)
        if (call === undefined) return "failed"
        this.#lastStart = call.startedAt
        items.push(call)
        return "read"
      }
      default:
        return "unknown"
    }
  }
}

/** The fields of one call. */
class CallReader {
  readonly #fields: ByteReader
  readonly #names: ReadonlyArray<string>

  constructor(fields: ByteReader, names: ReadonlyArray<string>) {
    this.#fields = fields
    this.#names = names
  }

  /** The call, or `undefined` if a field is missing or refers to nothing. */
  read(lastStart: number): Call | undefined {
    const fields = this.#fields
    const startedAt = lastStart + fields.signed()
    const millis = fields.number()
    const outcome = this.#outcome()
    const flags = fields.byte()
    const call: Call = {
      _tag: "Call",
      id: this.#id(),
      startedAt,
      millis,
      route: this.#required(),
      model: this.#required(),
      operation: this.#required(),
      streaming: (flags & Format.callFlags.streaming) !== 0,
      shadow: (flags & Format.callFlags.shadow) !== 0,
      caller: this.#name(),
      team: this.#name(),
      protocol: this.#name(),
      split: this.#name(),
      affinity: this.#name(),
      deployment: this.#name(),
      outcome,
      error: this.#name(),
      firstTokenMillis: fields.optional(),
      cache: (flags & Format.callFlags.hit) !== 0 ? "hit" : (flags & Format.callFlags.miss) !== 0 ? "miss" : undefined,
      tags: this.#list(() => this.#required()),
      needs: (flags & Format.callFlags.needs) === 0 ? undefined : this.#needs(),
      skipped: this.#list(() => this.#skipped()),
      attempts: this.#list(() => this.#attempt(startedAt)),
    }
    return fields.failed ? undefined : call
  }

  #needs(): Needs {
    return {
      requires: this.#list(() => this.#required()),
      inputTokens: this.#fields.number(),
      maxOutputTokens: this.#fields.number(),
    }
  }

  #skipped(): Skipped {
    return { deployment: this.#required(), reason: this.#required() }
  }

  #attempt(callStart: number): Attempt {
    const fields = this.#fields
    const deployment = this.#required()
    const model = this.#required()
    const type = this.#required()
    const startedAt = callStart + fields.number()
    const millis = fields.number()
    const outcome = this.#attemptOutcome()
    const flags = fields.byte()
    return {
      deployment,
      model,
      type,
      startedAt,
      millis,
      outcome,
      reason: this.#name(),
      status: fields.optional(),
      retryAfter: fields.optional(),
      firstTokenMillis: fields.optional(),
      account: fields.optional(),
      usage: (flags & Format.attemptFlags.usage) === 0 ? undefined : this.#usage(),
      estimated: (flags & Format.attemptFlags.estimated) === 0 ? undefined : true,
      cost: (flags & Format.attemptFlags.cost) === 0 ? undefined : fields.number() / Format.nanodollars,
      injected: (flags & Format.attemptFlags.injected) === 0 ? undefined : this.#required(),
    }
  }

  #usage(): NonNullable<Attempt["usage"]> {
    const fields = this.#fields
    return {
      inputTokens: fields.number(),
      outputTokens: fields.number(),
      cachedInputTokens: fields.optional(),
      cacheWriteTokens: fields.optional(),
      reasoningTokens: fields.optional(),
    }
  }

  #list<A>(element: () => A): ReadonlyArray<A> {
    const count = this.#fields.number()
    if (count === 0) return none
    const elements: Array<A> = []
    while (elements.length < count && !this.#fields.failed) elements.push(element())
    return elements
  }

  #id(): string {
    const prefix = this.#name()
    return prefix === undefined ? this.#fields.text() : `${prefix}-${this.#fields.number().toString(36)}`
  }

  #outcome(): Call["outcome"] {
    const outcome = Format.outcomes[this.#fields.byte()]
    if (outcome === undefined) this.#fields.failed = true
    return outcome ?? "failure"
  }

  #attemptOutcome(): Attempt["outcome"] {
    const outcome = this.#outcome()
    if (outcome !== "refused") return outcome
    this.#fields.failed = true
    return "failure"
  }

  #name(): string | undefined {
    const number = this.#fields.number()
    if (number > this.#names.length) this.#fields.failed = true
    return number === 0 ? undefined : this.#names[number - 1]
  }

  #required(): string {
    const name = this.#name()
    if (name === undefined) this.#fields.failed = true
    return name ?? ""
  }
}

const none: ReadonlyArray<never> = []
