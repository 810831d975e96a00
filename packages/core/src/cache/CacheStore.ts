/** Stores of cached responses, one for each route that has a cache. */
import * as Context from "effect/Context"
import * as Effect from "effect/Effect"
import * as Layer from "effect/Layer"
import * as EffectCache from "effect/Cache"
import * as Option from "effect/Option"
import * as Predicate from "effect/Predicate"
import * as Result from "effect/Result"
import type * as Chat from "../model/Chat.ts"
import type { ResolvedCachePolicy } from "../policy/CachePolicy.ts"

/** A complete response, or all frames of a streamed one, with the deployment and the dropped parameters of its call's receipt. */
export interface Entry {
  readonly deployment: string | undefined
  readonly droppedParams: ReadonlyArray<string> | undefined
  readonly answer:
    | { readonly _tag: "Complete"; readonly response: Chat.Response }
    | { readonly _tag: "Streamed"; readonly frames: ReadonlyArray<Chat.Frame> }
}

/** The cached responses of one route. A store that cannot be reached has none. */
export interface RouteCacheStore {
  readonly get: (key: string) => Effect.Effect<Entry | undefined>
  readonly set: (key: string, entry: Entry) => Effect.Effect<void>
}

/** The store of cached responses: in memory, or shared by several gateways (see `SharedState`). */
export class CacheStore extends Context.Service<
  CacheStore,
  { readonly forRoute: (policy: ResolvedCachePolicy) => Effect.Effect<RouteCacheStore> }
>()("@understudy/core/CacheStore") {}

/** Cached responses in the memory of one process. */
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

/** An entry as text, for a store outside of the process. */
export const print = (entry: Entry): string => JSON.stringify(entry)

/** The entry of a text that `print` made; `undefined` for any other text. */
export const parse = (text: string): Entry | undefined => {
  const parsed = Result.try((): unknown => JSON.parse(text))
  return Result.isSuccess(parsed) && isEntry(parsed.success) ? parsed.success : undefined
}

/** Only the outer shape is checked: `print` wrote the rest. */
const isEntry = (value: unknown): value is Entry =>
  Predicate.hasProperty(value, "answer") && Predicate.hasProperty(value.answer, "_tag")
