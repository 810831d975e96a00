/**
 * The keys of a gateway, looked up by SHA-256 digest: those of its configuration, and those of its database, which change
 * while it serves. A lookup takes constant time in the number of keys, and its timing reveals nothing about a key, because
 * a caller cannot choose a digest.
 */
import * as Equal from "effect/Equal"
import * as Redacted from "effect/Redacted"
import { hash } from "node:crypto"
import type { ConfiguredKey, Team, VirtualKey } from "./VirtualKey.ts"

/** An accepted text: the operator's key, or a virtual key's. What changes of a key changes here, in place. */
export interface Key {
  /** The SHA-256 digest of the text, in Base64. */
  readonly digest: string
  /** The length of the text, in UTF-16 code units. */
  readonly length: number
  /** `undefined` for the operator key. */
  virtualKey: VirtualKey | undefined
  /** For the former text of a key that was rotated: until when it is accepted, in clock milliseconds. */
  until?: number | undefined
  /** When it was last used, in clock milliseconds. */
  usedAt?: number | undefined
}

/** A key of the database. `digest`: of its text; `previous`: of the text it had before it was rotated. */
export interface StoredKey {
  readonly virtualKey: Omit<VirtualKey, "team">
  readonly teamId: string | undefined
  readonly digest: string
  readonly length: number
  readonly previous: { readonly digest: string; readonly until: number } | undefined
}

/** The digest of a key's text, as it is kept. */
export const digestOf = (text: string): string => hash("sha256", text, "base64")

/** The operator key with this secret. */
export const operator = (secret: Redacted.Redacted): Key => entry(Redacted.value(secret), undefined)

/** A key of the configuration. */
export const configured = ({ key, ...virtualKey }: ConfiguredKey): Key => entry(Redacted.value(key), virtualKey)

const entry = (text: string, virtualKey: VirtualKey | undefined): Key => ({
  digest: digestOf(text),
  length: text.length,
  virtualKey,
})

/** Whether two keys of the configuration are the same. Their teams are compared by name: the database has the rest. */
const isSame = (one: Key, other: Key): boolean => {
  const [a, b] = [one.virtualKey, other.virtualKey]
  if (a === undefined || b === undefined) return a === b
  return Equal.equals({ ...a, team: a.team?.name }, { ...b, team: b.team?.name })
}

export class Keyring {
  /** Whether requests need no key: the configuration has none. */
  readonly isOpen: boolean
  /** Whether keys of a database are added. */
  readonly hasDatabase: boolean
  #configured: ReadonlyArray<Key> = []
  readonly #byDigest = new Map<string, Key>()
  readonly #byId = new Map<string, VirtualKey>()
  /** The keys of the database by id: the current text, then the former one. */
  readonly #stored = new Map<string, ReadonlyArray<Key>>()
  readonly #teams = new Map<string, Team>()
  /** The keys of the configuration by the team that they name. */
  #namingTeams: ReadonlyMap<string, ReadonlyArray<Key>> = new Map()
  readonly #lengths = new Set<number>()
  readonly #listeners = new Set<() => void>()
  #version = 0

  /** The first of two keys with the same text counts. `hasDatabase`: keys of a database are added to it. */
  constructor(configured: ReadonlyArray<Key>, hasDatabase = false) {
    this.hasDatabase = hasDatabase
    this.isOpen = configured.length === 0
    this.#setConfigured(configured)
  }

  /** Whether there is an operator key. */
  get hasOperator(): boolean {
    return this.#configured.some(({ virtualKey }) => virtualKey === undefined)
  }

  /** A number that changes when texts are added or removed. */
  get version(): number {
    return this.#version
  }

  /** Calls a function when a key or a team has changed, until the result is called. */
  onChange(listener: () => void): () => void {
    this.#listeners.add(listener)
    return () => void this.#listeners.delete(listener)
  }

  #changed(): void {
    for (const listener of this.#listeners) listener()
  }

  /** The number of virtual keys. */
  get size(): number {
    return this.#byId.size
  }

  /** The key with this text, if any. */
  readonly find = (text: string): Key | undefined =>
    this.#byDigest.size === 0 ? undefined : this.#byDigest.get(digestOf(text))

  /** Whether this text is a key. Fast for texts that are not; its timing may reveal the lengths of keys. */
  readonly has = (text: string): boolean => this.#lengths.has(text.length) && this.find(text) !== undefined

  /** The key that has the text of this one now. */
  readonly current = ({ digest }: Key): Key | undefined => this.#byDigest.get(digest)

  /** The virtual key with this id. */
  readonly byId = (id: string): VirtualKey | undefined => this.#byId.get(id)

  /** Every accepted text. */
  keys(): Iterable<Key> {
    return this.#byDigest.values()
  }

  /** Every virtual key. */
  virtualKeys(): Iterable<VirtualKey> {
    return this.#byId.values()
  }

  /** The virtual keys of the configuration, in its order. */
  configuredKeys(): ReadonlyArray<VirtualKey> {
    return this.#configured.flatMap(({ virtualKey }) => virtualKey ?? [])
  }

  /** When a key was last used at this gateway, in clock milliseconds. */
  usedAt(id: string): number | undefined {
    return this.#stored.get(id)?.reduce((last, { usedAt = 0 }) => Math.max(last, usedAt), 0) || undefined
  }

  /** The keys of the database, with when they were last used here, that were used after `since` (clock milliseconds). */
  usedSince(since: number): ReadonlyArray<readonly [id: string, usedAt: number]> {
    return [...this.#stored.keys()].flatMap((id) => {
      const at = this.usedAt(id)
      return at !== undefined && at > since ? [[id, at] as const] : []
    })
  }

  /** Adds or changes a key of the database. Its team must be there. */
  put({ digest, length, previous, teamId, virtualKey }: StoredKey): void {
    const key: VirtualKey = { ...virtualKey, team: teamId === undefined ? undefined : this.#teams.get(teamId) }
    const texts = [{ digest, until: undefined }, ...(previous === undefined ? [] : [previous])]
    const before = this.#stored.get(key.id) ?? []
    const now = texts.map(({ digest, until }): Key => {
      const known = before.find((each) => each.digest === digest) ?? { digest, length, virtualKey: key }
      known.virtualKey = key
      known.until = until
      return known
    })
    for (const each of before) if (!now.includes(each)) this.#delete(each)
    for (const each of now) this.#add(each)
    this.#stored.set(key.id, now)
    this.#changed()
  }

  /** Removes a key of the database. */
  remove(id: string): void {
    for (const key of this.#stored.get(id) ?? []) this.#delete(key)
    if (this.#stored.delete(id)) this.#byId.delete(id)
    this.#changed()
  }

  /** Adds or changes a team, for its keys of the database, and for those of the configuration that name it. */
  putTeam(team: Team): void {
    this.#teams.set(team.id, team)
    this.#updateTeams(team.id)
  }

  /** Removes a team. Keys of the configuration that name it keep the name. */
  removeTeam(id: string): void {
    this.#teams.delete(id)
    this.#updateTeams(id)
  }

  /**
   * Replaces the keys of the configuration. A key that is the same keeps its use, and its permits. A gateway whose
   * configuration had no keys stays open, and one that had keys stays closed, even if it has none any more: returns whether
   * it is as the configuration says.
   */
  replaceConfigured(configured: ReadonlyArray<Key>): boolean {
    if (this.isOpen) return configured.length === 0
    const known = new Map(this.#configured.map((key) => [key.digest, key]))
    const next = configured.map((key) => {
      const before = known.get(key.digest)
      return before !== undefined && isSame(before, key) ? before : key
    })
    for (const key of this.#configured) {
      if (next.includes(key)) continue
      this.#delete(key)
      if (key.virtualKey !== undefined) this.#byId.delete(key.virtualKey.id)
    }
    this.#setConfigured(next)
    // A key of the database may have the text or the id of one that is gone.
    for (const key of [...this.#stored.values()].flat()) this.#add(key)
    this.#changed()
    return configured.length > 0
  }

  #setConfigured(configured: ReadonlyArray<Key>): void {
    this.#configured = configured
    for (const key of configured) this.#add(key)
    this.#namingTeams = Map.groupBy(
      configured.filter(({ virtualKey }) => virtualKey?.team !== undefined),
      ({ virtualKey }) => virtualKey?.team?.name ?? "",
    )
    this.#nameTeams()
  }

  /** Gives the keys of the configuration that name a team the team of that name. */
  #nameTeams(): void {
    for (const [name, keys] of this.#namingTeams) {
      const team = [...this.#teams.values()].find((team) => team.name === name) ?? { id: name, name }
      for (const key of keys) this.#setTeam(key, team)
    }
  }

  #updateTeams(id: string): void {
    this.#nameTeams()
    for (const key of [...this.#stored.values()].flat()) {
      if (key.virtualKey?.team?.id === id) this.#setTeam(key, this.#teams.get(id))
    }
    this.#changed()
  }

  #setTeam(key: Key, team: Team | undefined): void {
    if (key.virtualKey === undefined || key.virtualKey.team === team) return
    key.virtualKey = { ...key.virtualKey, team }
    this.#byId.set(key.virtualKey.id, key.virtualKey)
  }

  /** A text that another key has stays that key's. */
  #add(key: Key): void {
    const { digest, length, virtualKey } = key
    if (virtualKey !== undefined) this.#byId.set(virtualKey.id, virtualKey)
    if (this.#byDigest.has(digest)) return
    this.#lengths.add(length)
    this.#byDigest.set(digest, key)
    this.#version++
  }

  #delete(key: Key): void {
    if (this.#byDigest.get(key.digest) !== key) return
    this.#byDigest.delete(key.digest)
    this.#version++
  }
}
