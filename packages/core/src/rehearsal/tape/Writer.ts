/**
 * Writes a tape: receipts in, bytes out.
 */
import type { Attempt, CallOutcome, Receipt } from "../../receipt/Receipt.ts"
import { ByteReader, ByteWriter, crc32, whole } from "./Bytes.ts"
import * as Format from "./Format.ts"

/** What the header of every segment says of who recorded it. */
export interface Recorder {
  /** The version of the gateway or application. */
  readonly version: string
  /** An id that no other process has. */
  readonly instance: string
  /** When the process started, in clock milliseconds. */
  readonly startedAt: number
  /** The share of calls that are added: see `isSampled`. */
  readonly sample: number
}

/** A dictionary with fewer free places than these begins another segment: a call adds a few names. */
const spareNames = 256

/**
 * The writer of one tape. It keeps the bytes of the calls that were added since the last `take`, and the dictionary of a segment:
 * at most 4096 names.
 */
export class Writer {
  readonly #recorder: Recorder
  /** Whole frames; the records of the block; the fields of a call, and those of a name. */
  readonly #frames = new ByteWriter(Format.blockSize)
  readonly #block = new ByteWriter(Format.blockSize)
  readonly #fields = new ByteWriter()
  readonly #definition = new ByteWriter()
  readonly #names = new Map<string, number>()
  #hasSegment = false
  /** Bytes of the segment in earlier frames. */
  #segmentSize = 0
  /** The start of the last call. */
  #lastStart = 0
  #lost = 0
  #calls = 0

  constructor(recorder: Recorder) {
    this.#recorder = recorder
  }

  /** Calls that were added since the last `take`, and about how many bytes they are. */
  get calls(): number {
    return this.#calls
  }

  get size(): number {
    return this.#frames.length + this.#block.length
  }

  /** Adds a call that has ended. */
  add(receipt: Receipt): void {
    const isFull = this.#segmentSize > Format.segmentSize || this.#names.size > Format.maxNames - spareNames
    if (!this.#hasSegment || isFull) this.#begin(receipt)
    this.#call(receipt)
    this.#append(Format.recordKinds.call, this.#fields)
    this.#calls++
    if (this.#block.length >= Format.blockSize) this.#endBlock()
  }

  /** Takes the bytes that are to be appended to the tape: none if no call was added since. */
  take(): Uint8Array {
    this.#endBlock()
    const bytes = this.#frames.written.slice()
    this.#frames.clear()
    this.#calls = 0
    return bytes
  }

  /**
   * Has the next call begin another segment: in another file, or after bytes that could not be appended. `lost`: the calls that no
   * segment on the tape has as lost.
   */
  restart(lost = 0): void {
    this.#endBlock()
    this.#hasSegment = false
    this.#lost = lost
  }

  #begin({ millis = 0, startedAt }: Receipt): void {
    this.#endBlock()
    const { instance, sample, startedAt: processStart, version } = this.#recorder
    const at = time(startedAt + millis)
    const fields = this.#fields
    fields.text(clipped(version))
    fields.text(clipped(instance))
    fields.number(time(processStart))
    fields.number(at)
    fields.float(sample)
    fields.number(this.#lost)
    this.#frames.bytes(Format.signature)
    this.#frames.byte(Format.version)
    this.#frame(Format.frameKinds.header, fields)
    this.#names.clear()
    this.#hasSegment = true
    this.#segmentSize = 0
    this.#lastStart = at
    this.#lost = 0
  }

  #endBlock(): void {
    if (this.#block.length === 0) return
    this.#segmentSize += this.#block.length
    this.#frame(Format.frameKinds.block, this.#block)
  }

  #frame(kind: number, payload: ByteWriter): void {
    const frames = this.#frames
    frames.byte(kind)
    frames.number(payload.length)
    frames.uint32(crc32(kind, payload.written))
    frames.bytes(payload.written)
    payload.clear()
  }

  #append(kind: number, fields: ByteWriter): void {
    const block = this.#block
    block.byte(kind)
    block.number(fields.length)
    block.bytes(fields.written)
    fields.clear()
  }

  #call(receipt: Receipt): void {
    const { affinity, attempts, cache, caller, deployment, error, firstTokenMillis, id, millis = 0, model } = receipt
    const {
      needs,
      operation,
      outcome = "cancelled",
      protocol,
      route,
      shadowOf,
      skipped,
      split,
      streaming,
      tags,
      team,
    } = receipt
    const flags = Format.callFlags
    const fields = this.#fields
    const start = time(receipt.startedAt)
    fields.signed(start - this.#lastStart)
    this.#lastStart = start
    fields.number(whole(millis))
    fields.byte(outcomeOf(outcome))
    fields.byte(
      (streaming ? flags.streaming : 0) |
        (cache === "hit" ? flags.hit : cache === "miss" ? flags.miss : 0) |
        (needs === undefined ? 0 : flags.needs) |
        (shadowOf === undefined ? 0 : flags.shadow),
    )
    this.#id(id)
    this.#name(route)
    this.#name(model)
    this.#name(operation)
    this.#name(caller)
    this.#name(team)
    this.#name(protocol)
    this.#name(split)
    this.#name(affinity?.result)
    this.#name(deployment)
    this.#name(error)
    fields.optional(firstTokenMillis)
    const kept = Math.min(tags.length, Format.maxTags)
    fields.number(kept)
    for (let index = 0; index < kept; index++) this.#name(tags[index])
    if (needs !== undefined) {
      fields.number(needs.requires.size)
      for (const capability of needs.requires) this.#name(capability)
      fields.number(whole(needs.inputTokens))
      fields.number(whole(needs.maxOutputTokens))
    }
    fields.number(skipped.length)
    for (const { deployment, reason } of skipped) {
      this.#name(deployment)
      this.#name(reason._tag)
    }
    fields.number(attempts.length)
    for (const attempt of attempts) this.#attempt(attempt, start)
  }

  /** The router's ids are a prefix and a number, in base 36. */
  #id(id: string): void {
    const dash = id.lastIndexOf("-")
    const number = dash < 1 ? Number.NaN : Number.parseInt(id.slice(dash + 1), 36)
    const isRouters = number <= Number.MAX_SAFE_INTEGER && id === `${id.slice(0, dash)}-${number.toString(36)}`
    if (isRouters) {
      this.#name(id.slice(0, dash))
      this.#fields.number(number)
    } else {
      this.#name(undefined)
      this.#fields.text(clipped(id))
    }
  }

  #attempt(attempt: Attempt, callStart: number): void {
    const { account, cost, deployment, estimated, firstTokenMillis, injected, millis, model, outcome, reason } = attempt
    const { retryAfter, startedAt, status, type, usage } = attempt
    const flags = Format.attemptFlags
    const fields = this.#fields
    this.#name(deployment)
    this.#name(model)
    this.#name(type)
    fields.number(whole(startedAt - callStart))
    fields.number(whole(millis))
    fields.byte(outcomeOf(outcome))
    fields.byte(
      (usage === undefined ? 0 : flags.usage) |
        (estimated === true ? flags.estimated : 0) |
        (cost === undefined ? 0 : flags.cost) |
        (injected === undefined ? 0 : flags.injected),
    )
    this.#name(reason)
    fields.optional(status)
    fields.optional(retryAfter)
    fields.optional(firstTokenMillis)
    fields.optional(account)
    if (usage !== undefined) {
      fields.number(whole(usage.inputTokens))
      fields.number(whole(usage.outputTokens))
      fields.optional(usage.cachedInputTokens)
      fields.optional(usage.cacheWriteTokens)
      fields.optional(usage.reasoningTokens)
    }
    if (cost !== undefined) fields.number(whole(cost * Format.nanodollars))
    if (injected !== undefined) this.#name(injected)
  }

  /** The number of a name in the dictionary. */
  #name(name: string | undefined): void {
    this.#fields.number(name === undefined ? 0 : (this.#names.get(name) ?? this.#define(name)))
  }

  #define(name: string): number {
    const record = this.#definition
    record.clear()
    record.text(clipped(name))
    // Read back, so that the dictionary keeps nothing of a request that the name is a part of.
    const kept = new ByteReader(record.written).text()
    const known = this.#names.get(kept)
    if (known !== undefined) return known
    this.#append(Format.recordKinds.name, record)
    const number = this.#names.size + 1
    this.#names.set(kept, number)
    return number
  }
}

/** The latest time that is written: numbers of twice its size are exact. */
const latest = 2 ** 51

const time = (millis: number): number => Math.min(whole(millis), latest)

const clipped = (name: string): string =>
  name.length > Format.maxNameLength ? name.slice(0, Format.maxNameLength) : name

const outcomeOf = (outcome: CallOutcome): number => Format.outcomes.indexOf(outcome)
