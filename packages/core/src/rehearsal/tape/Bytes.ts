/**
 * The primitive values of a tape: whole numbers of variable length, texts, and the check sum of a frame.
 */

/** The largest number that is written: larger ones, and those that are no whole number, are brought into the range. */
const largest = Number.MAX_SAFE_INTEGER

/** The whole number from 0 on that is nearest to `value`. */
export const whole = (value: number): number => (value > 0 ? Math.min(Math.round(value), largest) : 0)

/** Room for the longest number. */
const longestNumber = 8

const encoder = new TextEncoder()
const decoder = new TextDecoder()

/** Bytes that grow as values are written. */
export class ByteWriter {
  #bytes: Uint8Array
  #length = 0

  constructor(capacity = 256) {
    this.#bytes = new Uint8Array(capacity)
  }

  get length(): number {
    return this.#length
  }

  /** What was written, until the next write. */
  get written(): Uint8Array {
    return this.#bytes.subarray(0, this.#length)
  }

  clear(): void {
    this.#length = 0
  }

  byte(value: number): void {
    this.#reserve(1)
    this.#bytes[this.#length++] = value
  }

  /** A whole number, in groups of seven bits with the lowest first: one byte up to 127. */
  number(value: number): void {
    this.#reserve(longestNumber)
    const bytes = this.#bytes
    let rest = value
    // Bitwise operators have 32 bits.
    while (rest > 0x7fff_ffff) {
      bytes[this.#length++] = (rest % 0x80) | 0x80
      rest = Math.floor(rest / 0x80)
    }
    while (rest > 0x7f) {
      bytes[this.#length++] = (rest & 0x7f) | 0x80
      rest >>>= 7
    }
    bytes[this.#length++] = rest
  }

  /** A number or nothing. */
  optional(value: number | undefined): void {
    this.number(value === undefined ? 0 : whole(value) + 1)
  }

  /** A whole number that may be negative. */
  signed(value: number): void {
    this.number(value < 0 ? -value * 2 - 1 : value * 2)
  }

  /** Four bytes, the lowest first. */
  uint32(value: number): void {
    this.#reserve(4)
    for (let shift = 0; shift < 32; shift += 8) this.#bytes[this.#length++] = (value >>> shift) & 0xff
  }

  /** Any number, in eight bytes. */
  float(value: number): void {
    this.#reserve(8)
    new DataView(this.#bytes.buffer).setFloat64(this.#length, value, true)
    this.#length += 8
  }

  /** A text with its length. */
  text(value: string): void {
    const bytes = encoder.encode(value)
    this.number(bytes.length)
    this.bytes(bytes)
  }

  bytes(value: Uint8Array): void {
    this.#reserve(value.length)
    this.#bytes.set(value, this.#length)
    this.#length += value.length
  }

  #reserve(bytes: number): void {
    const needed = this.#length + bytes
    if (needed <= this.#bytes.length) return
    const larger = new Uint8Array(Math.max(needed, this.#bytes.length * 2))
    larger.set(this.written)
    this.#bytes = larger
  }
}

/** Reads values from bytes. A read past the end gives 0, or an empty text, and sets `failed`. */
export class ByteReader {
  readonly #bytes: Uint8Array
  readonly #end: number
  at: number
  failed = false

  constructor(bytes: Uint8Array, at = 0, end = bytes.length) {
    this.#bytes = bytes
    this.at = at
    this.#end = end
  }

  get isAtEnd(): boolean {
    return this.at >= this.#end
  }

  number(): number {
    let value = 0
    let factor = 1
    while (this.at < this.#end) {
      const byte = this.#bytes[this.at++]!
      value += (byte & 0x7f) * factor
      if (byte < 0x80) {
        if (value > largest) this.failed = true
        return value
      }
      if (factor > largest) break
      factor *= 0x80
    }
    return this.#fail()
  }

  optional(): number | undefined {
    const value = this.number()
    return value === 0 ? undefined : value - 1
  }

  signed(): number {
    const value = this.number()
    return value % 2 === 0 ? value / 2 : -(value + 1) / 2
  }

  uint32(): number {
    let value = 0
    for (let index = 0; index < 4; index++) value += this.byte() * 2 ** (8 * index)
    return value
  }

  float(): number {
    if (this.at + 8 > this.#end) return this.#fail()
    const view = new DataView(this.#bytes.buffer, this.#bytes.byteOffset + this.at, 8)
    this.at += 8
    return view.getFloat64(0, true)
  }

  text(): string {
    const length = this.number()
    if (this.at + length > this.#end) {
      this.#fail()
      return ""
    }
    this.at += length
    return decoder.decode(this.#bytes.subarray(this.at - length, this.at))
  }

  /** A reader of the next bytes, which this one skips. */
  part(length: number): ByteReader {
    const start = this.at
    if (start + length > this.#end) {
      this.#fail()
      return new ByteReader(this.#bytes, this.#end, this.#end)
    }
    this.at += length
    return new ByteReader(this.#bytes, start, start + length)
  }

  byte(): number {
    return this.at < this.#end ? this.#bytes[this.at++]! : this.#fail()
  }

  #fail(): number {
    this.failed = true
    this.at = this.#end
    return 0
  }
}

const table = Uint32Array.from({ length: 256 }, (_, index) => {
  let value = index
  for (let bit = 0; bit < 8; bit++) value = value & 1 ? (value >>> 1) ^ 0xedb8_8320 : value >>> 1
  return value
})

/** The CRC-32, as gzip has it, of one byte and those after it. */
export const crc32 = (first: number, rest: Uint8Array): number => {
  let crc = added(0xffff_ffff, first)
  for (let index = 0; index < rest.length; index++) crc = added(crc, rest[index]!)
  return (crc ^ 0xffff_ffff) >>> 0
}

const added = (crc: number, byte: number): number => (crc >>> 8) ^ table[(crc ^ byte) & 0xff]!
