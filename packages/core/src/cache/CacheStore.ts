/**
 * Answers kept for whoever asks exactly the same again: for how long, what of them, and where.
 */
import * as Context from "effect/Context"
import * as Effect from "effect/Effect"
import * as Layer from "effect/Layer"
import * as EffectCache from "effect/Cache"
import * as Option from "effect/Option"
import * as Predicate from "effect/Predicate"
import * as Result from "effect/Result"
import type * as Chat from "../model/Chat.ts"
import type { ResolvedCachePolicy } from "../policy/CachePolicy.ts"

/** A whole answer, or all frames of a streamed one; with what the receipt of its call said of who gave it. */
export interface Entry {
  readonly deployment: string | undefined
  readonly droppedParams: ReadonlyArray<string> | undefined
  readonly answer:
    | { readonly _tag: "Whole"; readonly response: Chat.Response }
    | { readonly _tag: "Streamed"; readonly frames: ReadonlyArray<Chat.Frame> }
}

/** Where one route's answers are kept. What cannot be found just now, for whatever reason, is not there. */
export interface RouteCacheStore {
  readonly get: (key: string) => Effect.Effect<Entry | undefined>
  readonly set: (key: string, entry: Entry) => Effect.Effect<void>
}

/** Where answers are kept: in memory, or shared by several gateways (see `SharedState`). */
export class CacheStore extends Context.Service<
  CacheStore,
  { readonly forRoute: (policy: ResolvedCachePolicy) => Effect.Effect<RouteCacheStore> }
>()("@understudy/core/CacheStore") {}

/** Keeps them in memory, for one process. */
export const layerMemory: Layer.Layer<CacheStore> = Layer.succeed(CacheStore, {
  forRoute: ({ max, ttl }) =>
    Effect.map(
      EffectCache.make<string, Entry | undefined>({ capacity: max, timeToLive: ttl, lookup: () => Effect.undefined }),
      (cache): RouteCacheStore => ({
        get: (key) => Effect.map(EffectCache.getOption(cache, key), Option.getOrUndefined),
        set: (key, entry) => EffectCache.set(cache, key, entry),
      }),
    ),
})

/** An entry as text, for a store outside of this process. */
export const print = (entry: Entry): string => JSON.stringify(entry)

/** The entry of a text that `print` made; of any other, none. */
export const parse = (text: string): Entry | undefined => {
  const parsed = Result.try((): unknown => JSON.parse(text))
  return Result.isSuccess(parsed) && isEntry(parsed.success) ? parsed.success : undefined
}

/** By its frame alone: what is inside, we wrote. */
const isEntry = (value: unknown): value is Entry =>
  Predicate.hasProperty(value, "answer") && Predicate.hasProperty(value.answer, "_tag")
