/** The store of conversations: on which deployment each is kept. In memory, or shared by several gateways. */
import * as Clock from "effect/Clock"
import * as Context from "effect/Context"
import * as Effect from "effect/Effect"
import * as Layer from "effect/Layer"

/** The store of conversations. One that cannot be reached knows none. */
export class AffinityStore extends Context.Service<
  AffinityStore,
  {
    /**
     * The deployment under the first of the keys that has one. With `ttl`, it is kept that many milliseconds from now on;
     * without it, nothing changes.
     */
    readonly find: (keys: ReadonlyArray<string>, ttl: number | undefined) => Effect.Effect<string | undefined>
    /** Keeps a deployment under all of these keys, for `ttl` milliseconds. */
    readonly set: (keys: ReadonlyArray<string>, deployment: string, ttl: number) => Effect.Effect<void>
  }
>()("@understudy/core/AffinityStore") {}

interface Entry {
  deployment: string
  /** In clock milliseconds. */
  until: number
}

/**
 * Conversations in memory, at most `max`. Those used least recently are forgotten first, in halves: an entry that is used moves
 * to the young half, and when that is full, it becomes the old half in place of the one before. No entry is ever deleted
 * alone, which would leave the tables full of gaps.
 */
export class MemoryConversations {
  readonly #half: number
  #young = new Map<string, Entry>()
  #old = new Map<string, Entry>()

  constructor(max = maxConversations) {
    this.#half = Math.ceil(max / 2)
  }

  find(keys: ReadonlyArray<string>, ttl: number | undefined, now: number): string | undefined {
    for (const key of keys) {
      const entry = this.#young.get(key) ?? this.#old.get(key)
      if (entry === undefined || entry.until <= now) continue
      if (ttl !== undefined) {
        entry.until = now + ttl
        this.#put(key, entry)
      }
      return entry.deployment
    }
    return undefined
  }

  set(keys: ReadonlyArray<string>, deployment: string, ttl: number, now: number): void {
    for (const key of keys) this.#put(key, { deployment, until: now + ttl })
  }

  #put(key: string, entry: Entry): void {
    if (this.#young.size >= this.#half && !this.#young.has(key)) {
      this.#old = this.#young
      this.#young = new Map()
    }
    this.#young.set(key, entry)
  }
}

/** Some 20 MB of keys: a conversation by session has one, by prefix two for each of its turns. */
const maxConversations = 100_000

/** Conversations in the memory of one process. */
export const makeMemory = (): AffinityStore["Service"] => {
  const conversations = new MemoryConversations()
  return {
    find: (keys, ttl) => Effect.map(Clock.currentTimeMillis, (now) => conversations.find(keys, ttl, now)),
    set: (keys, deployment, ttl) =>
      Effect.map(Clock.currentTimeMillis, (now) => conversations.set(keys, deployment, ttl, now)),
  }
}

export const layerMemory: Layer.Layer<AffinityStore> = Layer.sync(AffinityStore, makeMemory)
