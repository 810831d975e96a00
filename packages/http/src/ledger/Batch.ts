/**
 * Calls on their way to the database. What many calls have in common is kept once, and their numbers in one array: objects of
 * each call that lived until they are written would cost the garbage collector more than writing them does.
 */
import { createHash } from "node:crypto"
import * as RollUps from "./RollUps.ts"
import type { SpendRow } from "./RollUps.ts"
import * as Rows from "./Rows.ts"
import type { AttemptRow, CallRow, Dimensions, Entry } from "./Rows.ts"
import * as Tables from "./Tables.ts"

/** Dimensions with their id in the database, which is the same in every gateway: a hash of them. */
export interface Identified {
  /** A 63-bit integer, in decimals. */
  readonly id: string
  readonly values: Dimensions
}

/** Dimensions that are kept in memory, at most. Then it begins anew: they are few, unless each call has tags of its own. */
const mostKept = 10_000

/** Those of the latest calls are compared one by one, which is faster than to look up a key made of all values. */
const mostRecent = 16

/** Finds the dimensions of calls, and has equal ones be one object. */
export class Dictionary {
  #known = new Map<string, Identified>()
  /** The latest first. */
  readonly #recent: Array<Identified> = []

  of(call: CallRow): Identified {
    for (const recent of this.#recent) if (areOf(recent.values, call)) return recent
    const found = this.#find(call)
    this.#recent.unshift(found)
    if (this.#recent.length > mostRecent) this.#recent.pop()
    return found
  }

  #find(call: CallRow): Identified {
    const key = keyOf(call)
    const known = this.#known.get(key)
    if (known !== undefined) return known
    if (this.#known.size >= mostKept) this.#known = new Map()
    const identified = identify(call, key)
    this.#known.set(key, identified)
    return identified
  }
}

const areOf = (dimensions: Dimensions, call: CallRow): boolean =>
  dimensions.key_id === call.key_id &&
  dimensions.route === call.route &&
  dimensions.streamed === call.streamed &&
  dimensions.outcome === call.outcome &&
  dimensions.deployment === call.deployment &&
  dimensions.attempts === call.attempts &&
  dimensions.estimated === call.estimated &&
  dimensions.status === call.status &&
  dimensions.cache === call.cache &&
  dimensions.team_id === call.team_id &&
  dimensions.protocol === call.protocol &&
  dimensions.vendor === call.vendor &&
  dimensions.price_version === call.price_version &&
  dimensions.reason === call.reason &&
  dimensions.split === call.split &&
  dimensions.tags === call.tags &&
  dimensions.model === call.model &&
  dimensions.served_model === call.served_model

const keyOf = (call: CallRow): string => JSON.stringify(valuesOf(call))

const valuesOf = (call: CallRow) => Tables.dimensions.map((column) => call[column] ?? null)
const identify = (call: CallRow, key: string): Identified => {
  const hash = createHash("sha256").update(key).digest().readBigUInt64BE()
  return { id: String(hash >> 1n), values: Tables.dimensionsOf(call) }
}

export class Batch {
  readonly #dictionary: Dictionary
  readonly #ids: Array<string> = []
  readonly #shadowOf: Array<string | null> = []
  readonly #dimensions: Array<Identified> = []
  /** The rows of the dimensions, by their ids. */
  readonly #rows = new Map<string, Tables.DimensionsRow>()
  readonly #numbers: Float64Array
  /** The attempts of calls whose rows are not also those of their only attempts, by the places of the calls. */
  readonly #attempts = new Map<number, ReadonlyArray<AttemptRow>>()
  readonly #hours = new RollUps.Hours()

  /** A batch of at most so many calls. */
  constructor(dictionary: Dictionary, most: number) {
    this.#dictionary = dictionary
    this.#numbers = new Float64Array(most * width)
  }

  static of(entries: ReadonlyArray<Entry>, dictionary = new Dictionary()): Batch {
    const batch = new Batch(dictionary, entries.length)
    for (const entry of entries) batch.add(entry)
    return batch
  }

  get size(): number {
    return this.#ids.length
  }

  add(entry: Entry): void {
    const { attempts, call } = entry
    const place = this.#ids.length
    const dimensions = this.#dictionary.of(call)
    this.#ids.push(call.id)
    this.#shadowOf.push(call.shadow_of)
    this.#dimensions.push(dimensions)
    this.#use(dimensions, call.at - (call.at % RollUps.day))
    Tables.writeNumbers(call, this.#numbers, place * width)
    if (call.attempt_millis === null) this.#attempts.set(place, attempts)
    this.#hours.add(dimensions.values, entry)
  }

  #use({ id, values }: Identified, used_at: number): void {
    const known = this.#rows.get(id)
    if (known === undefined || known.used_at < used_at) this.#rows.set(id, { id, used_at, ...values })
  }

  /** The calls as they were added. */
  get entries(): ReadonlyArray<Entry> {
    return this.#ids.map((id, place): Entry => {
      const numbers = this.numbers.subarray(place * width, (place + 1) * width)
      const facts = Tables.factsOf(id, this.#shadowOf[place] ?? null, numbers)
      const call: CallRow = { ...this.#dimensions[place]!.values, ...facts }
      return { call, attempts: this.#attempts.get(place) ?? [Rows.onlyAttempt(call)] }
    })
  }

  /** The texts of the facts, a list for each call, and their numbers one call after the other: `NaN` is none. */
  get texts(): ReadonlyArray<readonly [id: string, dimensions: string, shadowOf: string | null]> {
    return this.#ids.map((id, place) => [id, this.#dimensions[place]!.id, this.#shadowOf[place] ?? null])
  }

  get numbers(): Float64Array {
    return this.#numbers.subarray(0, this.size * width)
  }

  get ids(): ReadonlyArray<string> {
    return this.#ids
  }

  /** The dimensions of the calls, each once, in the order of their ids, with the start of the last day of a call of these. */
  get dimensions(): ReadonlyArray<Tables.DimensionsRow> {
    return [...this.#rows.values()].sort((one, other) => (one.id < other.id ? -1 : 1))
  }

  get attempts(): ReadonlyArray<AttemptRow> {
    return [...this.#attempts.values()].flat()
  }

  get hours(): ReadonlyArray<SpendRow> {
    return this.#hours.rows
  }
}

const width = Tables.factNumbers.length
