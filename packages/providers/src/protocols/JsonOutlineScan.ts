/**
 * The scan behind `JsonOutline`, in WebAssembly: it reads 16 bytes at a time, which JavaScript cannot.
 *
 * The module is assembled here, from one function over one memory. Every function below returns the code of an expression
 * or a statement; the names are those of WebAssembly's instructions.
 */

type Code = ReadonlyArray<number>

// ---------------------------------------------------------------------------------------------------------------------
// Instructions
// ---------------------------------------------------------------------------------------------------------------------

/** A signed LEB128 number. */
const signed = (value: bigint): Code => {
  const low = Number(BigInt.asUintN(7, value))
  const rest = value >> 7n
  return (rest === 0n && low < 64) || (rest === -1n && low >= 64) ? [low] : [low | 128, ...signed(rest)]
}

const unsigned = (value: number): Code => (value < 128 ? [value] : [(value & 127) | 128, ...unsigned(value >>> 7)])

const i32 = (value: number): Code => [0x41, ...signed(BigInt(value))]
const i64 = (value: bigint): Code => [0x42, ...signed(BigInt.asIntN(64, value))]

const get = (local: number): Code => [0x20, local]
const set = (local: number, value: Code): Code => [...value, 0x21, local]

const binary =
  (...opcode: Code) =>
  (left: Code, right: Code): Code => [...left, ...right, ...opcode]
const unary =
  (...opcode: Code) =>
  (value: Code): Code => [...value, ...opcode]

const add = binary(0x6a)
const sub = binary(0x6b)
const and = binary(0x71)
const or = binary(0x72)
const shl = binary(0x74)
const shrU = binary(0x76)
const eq = binary(0x46)
const ne = binary(0x47)
const ltU = binary(0x49)
const gtU = binary(0x4b)
const leU = binary(0x4d)
const geU = binary(0x4f)
const eqz = unary(0x45)
const ctz = unary(0x68)
const popcnt = unary(0x69)
const and64 = binary(0x83)
const eq64 = binary(0x51)
const shrU64 = binary(0x88)
const extend = unary(0xad)
const wrap = unary(0xa7)

const load8 = (address: Code, offset = 0): Code => [...address, 0x2d, 0, ...unsigned(offset)]
const load64 = (address: Code, offset = 0): Code => [...address, 0x29, 0, ...unsigned(offset)]
const store8 = (address: Code, value: Code): Code => [...address, ...value, 0x3a, 0, 0]
const store32 = (address: Code, value: Code, offset = 0): Code => [...address, ...value, 0x36, 0, ...unsigned(offset)]
const store64 = (address: Code, value: Code): Code => [...address, ...value, 0x37, 0, 0]

const load128 = (address: Code): Code => [...address, 0xfd, 0x00, 0, 0]
const store128 = (address: Code, value: Code): Code => [...address, ...value, 0xfd, 0x0b, 0, 0]
const splat = (byte: number): Code => [0xfd, 0x0c, ...Array.from({ length: 16 }, () => byte)]
const eq8 = binary(0xfd, 0x23)
const ltS8 = binary(0xfd, 0x25)
const ltU8 = binary(0xfd, 0x26)
const geU8 = binary(0xfd, 0x2c)
const or128 = binary(0xfd, 0x50)
const bitmask = unary(0xfd, 0x64)

const loop = (...body: ReadonlyArray<Code>): Code => [0x03, 0x40, ...body.flat(), 0x0b]
const block = (...body: ReadonlyArray<Code>): Code => [0x02, 0x40, ...body.flat(), 0x0b]
const when = (condition: Code, ...then: ReadonlyArray<Code>): Code => [...condition, 0x04, 0x40, ...then.flat(), 0x0b]
const either = (condition: Code, then: ReadonlyArray<Code>, otherwise: ReadonlyArray<Code>): Code => [
  ...condition,
  0x04,
  0x40,
  ...then.flat(),
  0x05,
  ...otherwise.flat(),
  0x0b,
]
/** Continues a loop, or leaves a block, so many levels further out. */
const br = (levels: number): Code => [0x0c, levels]
const brIf = (levels: number, condition: Code): Code => [...condition, 0x0d, levels]
const ret = (value: Code): Code => [...value, 0x0f]
const fail = ret(i32(-1))

// ---------------------------------------------------------------------------------------------------------------------
// The scan
// ---------------------------------------------------------------------------------------------------------------------

const quote = 34
const colon = 58
const backslash = 92
const space = 32
const letterU = 117

/** The length from which a string is shortened, and the most that is kept of it, in bytes. */
const long = 64
const kept = 16

/** What a shortened string ends with: an escape, and the number of the string in six digits to base 16, `a` to `p`. */
export const mark = "\\u0001"
export const digits = 6

/** The numbers kept for a shortened string: see `Scan.places`. */
export const stride = 4

const wordOf = (text: string): bigint => Buffer.alloc(8, text.padEnd(8, "\0"), "latin1").readBigUInt64LE()

/** Whether a byte below 128 is in the text. */
const isOneOf = (byte: Code, text: string): Code => {
  const bits = [0n, 0n]
  for (const code of Buffer.from(text)) bits[code >> 6]! |= 1n << BigInt(code & 63)
  const bitOf = (half: bigint): Code => wrap(and64(shrU64(i64(half), extend(and(byte, i32(63)))), i64(1n)))
  return or(
    and(ltU(byte, i32(64)), bitOf(bits[0]!)),
    and(and(geU(byte, i32(64)), ltU(byte, i32(128))), bitOf(bits[1]!)),
  )
}

const isHex = (byte: Code): Code => or(ltU(sub(byte, i32(48)), i32(10)), ltU(sub(or(byte, i32(32)), i32(97)), i32(6)))

/** Whether a byte begins a character outside ASCII that is certainly no space: spaces begin with 0xc2, 0xe1 to 0xe3, 0xef. */
const isVisible = (byte: Code): Code =>
  or(or(ltU(sub(byte, i32(0xc3)), i32(0xe0 - 0xc3)), ltU(sub(byte, i32(0xe4)), i32(0xef - 0xe4))), geU(byte, i32(0xf0)))

/** Whether the text at `address`, `length` bytes long, is one of the fields. */
const isField = (address: number, length: number, fields: ReadonlyArray<string>): Code =>
  fields
    .map((field) => {
      const maskOf = (size: number): bigint => (size >= 8 ? -1n : (1n << BigInt(size * 8)) - 1n)
      const word = (from: number): Code =>
        eq64(
          and64(load64(get(address), 1 + from), i64(maskOf(field.length - from))),
          i64(wordOf(field.slice(from, from + 8))),
        )
      const words = field.length > 8 ? and(word(0), word(8)) : word(0)
      return and(eq(get(length), i32(field.length + 1)), words)
    })
    .reduce(or)

const code = (fields: ReadonlyArray<string>): Code => {
  const [at, stop, to, place, start, length, extra, isLong, characters, bits, run, byte, next, isBlank, index, vector] =
    Array.from({ length: 16 }, (_, local) => local) as unknown as Locals
  const increase = (local: number, by: Code): Code => set(local, add(get(local), by))
  const target = add(get(to), sub(get(at), get(start)))

  /** Moves `at` to the closing quote, copies what it passes to `to`, and counts what is no code unit of its own. */
  const readString = loop(
    set(vector, load128(get(at))),
    store128(target, get(vector)),
    set(
      bits,
      bitmask(
        or128(
          or128(eq8(get(vector), splat(quote)), eq8(get(vector), splat(backslash))),
          ltU8(get(vector), splat(space)),
        ),
      ),
    ),
    set(run, ctz(or(get(bits), i32(1 << 16)))),
    // The bytes before `run` that are not ASCII. A continuation byte is no code unit, a first byte of four is two.
    when(
      and(bitmask(get(vector)), sub(shl(i32(1), get(run)), i32(1))),
      set(bits, sub(shl(i32(1), get(run)), i32(1))),
      increase(
        extra,
        sub(
          popcnt(and(bitmask(ltS8(get(vector), splat(0xc0))), get(bits))),
          popcnt(and(bitmask(geU8(get(vector), splat(0xf0))), get(bits))),
        ),
      ),
    ),
    increase(at, get(run)),
    when(eq(get(run), i32(16)), br(1)),
    set(byte, load8(get(at))),
    when(
      eq(get(byte), i32(backslash)),
      store64(target, load64(get(at))),
      set(byte, load8(get(at), 1)),
      either(
        eq(get(byte), i32(letterU)),
        [
          when(
            eqz(
              and(
                and(isHex(load8(get(at), 2)), isHex(load8(get(at), 3))),
                and(isHex(load8(get(at), 4)), isHex(load8(get(at), 5))),
              ),
            ),
            fail,
          ),
          increase(at, i32(6)),
          increase(extra, i32(5)),
        ],
        [when(eqz(isOneOf(get(byte), '"\\/bfnrt')), fail), increase(at, i32(2)), increase(extra, i32(1))],
      ),
      br(1),
    ),
    when(ne(get(byte), i32(quote)), fail),
  )

  /**
   * Moves `next` to the end of what is kept, and counts its escapes in `run`: ASCII characters, and `\\n`, `\\r` and `\\t` before
   * the first visible one. `isBlank` if there is none, and may be none in the whole string.
   */
  const readPrefix = [
    set(next, add(get(start), i32(1))),
    set(run, i32(0)),
    block(
      loop(
        brIf(1, gtU(sub(get(next), get(start)), i32(kept))),
        set(byte, load8(get(next))),
        when(
          eq(get(byte), i32(backslash)),
          set(byte, load8(get(next), 1)),
          when(isOneOf(get(byte), '"\\/'), set(isBlank, i32(0))),
          brIf(2, or(eqz(get(isBlank)), eqz(isOneOf(get(byte), "nrt")))),
          increase(next, i32(2)),
          increase(run, i32(1)),
          br(1),
        ),
        when(isVisible(get(byte)), set(isBlank, i32(0))),
        brIf(1, geU(get(byte), i32(128))),
        when(gtU(get(byte), i32(space)), set(isBlank, i32(0))),
        increase(next, i32(1)),
        br(0),
      ),
    ),
  ].flat()

  const shorten = [
    increase(to, sub(get(next), get(start))),
    store64(get(to), i64(wordOf(mark))),
    increase(to, i32(mark.length)),
    ...Array.from({ length: digits }, (_, digit) => [
      ...store8(get(to), add(i32(97), and(shrU(get(index), i32(4 * (digits - 1 - digit))), i32(15)))),
      ...increase(to, i32(1)),
    ]),
    increase(index, i32(1)),
    store32(get(place), get(to)),
    store32(get(place), get(start), 4),
    store32(get(place), get(at), 8),
    store32(get(place), sub(sub(get(next), get(start)), i32(1)), 12),
    increase(place, i32(stride * 4)),
    increase(
      characters,
      sub(sub(sub(add(get(length), get(run)), get(extra)), sub(get(next), get(start))), i32(digits + 1)),
    ),
  ].flat()

  return [
    ...loop(
      when(
        ltU(get(at), get(stop)),
        set(byte, load8(get(at))),
        either(
          ne(get(byte), i32(quote)),
          [
            when(and(gtU(get(byte), i32(space)), ne(get(byte), i32(colon))), set(isLong, i32(0))),
            store8(get(to), get(byte)),
            increase(to, i32(1)),
            increase(at, i32(1)),
          ],
          [
            set(start, get(at)),
            set(extra, i32(0)),
            increase(at, i32(1)),
            store8(get(to), i32(quote)),
            readString,
            when(geU(get(at), get(stop)), fail),
            set(length, sub(get(at), get(start))),
            set(isBlank, i32(1)),
            when(and(get(isLong), gtU(get(length), i32(long))), readPrefix),
            either(get(isBlank), [increase(to, get(length))], [shorten]),
            store8(get(to), i32(quote)),
            increase(to, i32(1)),
            increase(at, i32(1)),
            set(next, get(at)),
            loop(when(leU(load8(get(next)), i32(space)), increase(next, i32(1)), br(1))),
            set(isLong, and(and(eqz(get(isLong)), eq(load8(get(next)), i32(colon))), isField(start, length, fields))),
          ],
        ),
        br(1),
      ),
    ),
    ...store32(i32(0), get(index)),
    ...store32(i32(0), get(characters), 4),
    ...get(to),
  ]
}

type Locals = readonly [
  at: number,
  stop: number,
  to: number,
  place: number,
  start: number,
  length: number,
  extra: number,
  isLong: number,
  characters: number,
  bits: number,
  run: number,
  byte: number,
  next: number,
  isBlank: number,
  index: number,
  vector: number,
]

// ---------------------------------------------------------------------------------------------------------------------
// The module
// ---------------------------------------------------------------------------------------------------------------------

const section = (id: number, content: Code): Code => [id, ...unsigned(content.length), ...content]
const name = (text: string): Code => [text.length, ...Buffer.from(text)]

const assemble = (fields: ReadonlyArray<string>): Uint8Array<ArrayBuffer> => {
  // Besides the four parameters, eleven i32 and one v128.
  const body = [2, 11, 0x7f, 1, 0x7b, ...code(fields), 0x0b]
  return Uint8Array.from([
    0x00,
    0x61,
    0x73,
    0x6d,
    1,
    0,
    0,
    0,
    ...section(1, [1, 0x60, 4, 0x7f, 0x7f, 0x7f, 0x7f, 1, 0x7f]),
    ...section(3, [1, 0]),
    ...section(5, [1, 0, 1]),
    ...section(7, [2, ...name("memory"), 2, 0, ...name("scan"), 0, 0]),
    ...section(10, [1, ...unsigned(body.length), ...body]),
  ])
}

/** A scanned text. */
export interface Scan {
  /** The outline, in UTF-8. It is overwritten by the next scan. */
  readonly outline: Buffer
  /** The length of what was left out of the strings, in UTF-16 code units. */
  readonly characters: number
  /**
   * For each shortened string: the position of its closing quote in the outline, of its quotes in the text, and the length of
   * what is kept of it, in bytes.
   */
  readonly places: Int32Array
}

/** TypeScript's library declares these for browsers only. */
const { WebAssembly } = globalThis as unknown as {
  readonly WebAssembly: {
    readonly Module: new (bytes: Uint8Array) => object
    readonly Instance: new (module: object) => { readonly exports: unknown }
  }
}

interface Exports {
  readonly memory: { readonly buffer: ArrayBuffer; readonly grow: (pages: number) => number }
  readonly scan: (at: number, stop: number, to: number, place: number) => number
}

/** The scan reads some bytes past the end. */
const slack = 64
/** The start of the text in the memory, after the results. */
const origin = 16
const pageSize = 65_536

/** Makes a scan that shortens the strings of some fields. It returns `undefined` for a text with an invalid string. */
export const make = (fields: ReadonlyArray<string>): ((text: Buffer) => Scan | undefined) => {
  const { memory, scan } = new WebAssembly.Instance(new WebAssembly.Module(assemble(fields))).exports as Exports
  return (text) => {
    const stop = origin + text.length
    const out = stop + slack
    const places = (out + text.length + slack + 3) & ~3
    const end = places + Math.ceil(text.length / long) * stride * 4
    if (end > memory.buffer.byteLength) memory.grow(Math.ceil((end - memory.buffer.byteLength) / pageSize))
    const bytes = Buffer.from(memory.buffer)
    bytes.set(text, origin)
    bytes.fill(quote, stop, out)
    const to = scan(origin, stop, out, places)
    if (to < 0) return undefined
    const [count = 0, characters = 0] = new Int32Array(memory.buffer, 0, 2)
    return {
      outline: bytes.subarray(out, to),
      characters,
      places: new Int32Array(memory.buffer, places, count * stride).map((position, index) =>
        index % stride === 0 ? position - out : index % stride === 3 ? position : position - origin,
      ),
    }
  }
}
