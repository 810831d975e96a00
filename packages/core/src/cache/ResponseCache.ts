/**
 * The response cache of a route: a call gets the kept response of an earlier, identical call, else a fresh one, which is
 * kept once it is complete. Failures are never kept, nor streams that broke or were cancelled.
 *
 * Identical calls at the same time each call a provider: none waits for the response of another.
 */
import * as Arr from "effect/Array"
import * as Cause from "effect/Cause"
import * as Digest from "effect/crypto/Digest"
import * as Effect from "effect/Effect"
import * as Equal from "effect/Equal"
import type { CallRecorder } from "../execution/CallRecorder.ts"
import type { RouterError } from "../execution/RouterError.ts"
import type { StartedStream } from "../execution/StreamAttempt.ts"
import type { Call } from "../model/Call.ts"
import type * as Chat from "../model/Chat.ts"
import type { ResolvedCachePolicy } from "../policy/CachePolicy.ts"
import * as BoundRoute from "../route/BoundRoute.ts"
import * as Plan from "../route/Plan.ts"
import * as Wildcard from "../route/Wildcard.ts"
import type { CacheStore } from "./CacheStore.ts"
import type { Entry, RouteCacheStore } from "./CacheStore.ts"

/** The cache of one route. */
export interface ResponseCache {
  readonly policy: ResolvedCachePolicy
  readonly entries: RouteCacheStore
  readonly complete: Lookup<Chat.Response>
  readonly stream: Lookup<StartedStream>
}

/** Gives the kept response to a call, or runs `fresh` and keeps what it gives. The call's record says which it was. */
export type Lookup<A> = (
  call: Call,
  recorder: CallRecorder,
  fresh: () => Effect.Effect<A, RouterError>,
) => Effect.Effect<A, RouterError>

/** The caches of the routes that have one, by name of the route. */
export type ResponseCaches = ReadonlyMap<string, ResponseCache>

/**
 * The caches of these routes. A route keeps its entries in `previous` if it has the same cache policy, and all of its
 * deployments are kept.
 */
export const make = Effect.fnUntraced(function* (
  store: CacheStore["Service"],
  routes: ReadonlyMap<string, BoundRoute.BoundRoute>,
  previous: ResponseCaches | undefined,
  isKept: (deployment: string) => boolean,
): Effect.fn.Return<ResponseCaches> {
  const digest = yield* Effect.provide(Digest.Digest, Digest.layerWebCrypto)
  const caches = new Map<string, ResponseCache>()
  for (const [name, route] of routes) {
    if (route.cache === undefined) continue
    const before = previous?.get(name)
    const keeps =
      before !== undefined &&
      Equal.equals(before.policy, route.cache) &&
      BoundRoute.deployments(route.route).every(([deployment]) => isKept(deployment))
    const entries = keeps ? before.entries : yield* store.forRoute(route.cache)
    const cache: RouteCache = {
      bound: route.route,
      isSplit: route.isSplit,
      entries,
      keyOf: keyOf(digest, route),
      models: new Map(BoundRoute.deployments(route.route)),
    }
    caches.set(name, {
      policy: route.cache,
      entries,
      complete: cached(cache, complete),
      stream: cached(cache, streamed),
    })
  }
  return caches
})

/** Where the responses of one route are kept, and by which keys. `models` are the vendors' ids, by deployment. */
interface RouteCache {
  readonly bound: BoundRoute.Bound
  readonly isSplit: boolean
  readonly entries: RouteCacheStore
  readonly keyOf: (call: Call) => Effect.Effect<string>
  readonly models: ReadonlyMap<string, string>
}

/** The order of a balance does not change the arm of a call. */
const undrawn: Plan.Random = () => 0

/** How one kind of response is kept, and given again. */
interface CacheCodec<A> {
  readonly decode: (answer: Entry["answer"]) => A | undefined
  /** Gives the fresh response, and runs `keep` once it is complete. */
  readonly record: (fresh: A, keep: (answer: Entry["answer"]) => Effect.Effect<void>) => Effect.Effect<A>
}

/** On its own, because it lives as long as the cache: within `make` it would keep the caches before, and theirs before them. */
const keyOf =
  ({ digestHex }: Digest.Digest["Service"], route: BoundRoute.BoundRoute): RouteCache["keyOf"] =>
  (call) =>
    digestHex(Digest.sha256, new TextEncoder().encode(cacheKey(route, call)))

const cached =
  <A>({ bound, entries, isSplit, keyOf, models }: RouteCache, codec: CacheCodec<A>): Lookup<A> =>
  (call, recorder, fresh) =>
    Effect.flatMap(keyOf(call), (key) =>
      Effect.flatMap(entries.get(key), (entry) => {
        const { receipt } = recorder
        const response = entry && codec.decode(entry.answer)
        if (entry !== undefined && response !== undefined) {
          const model = models.get(entry.deployment ?? "") ?? ""
          const arm = isSplit ? Plan.peek(bound, call, undrawn)?.arm : undefined
          if (arm !== undefined) recorder.takesArm(arm)
          recorder.cacheHit(entry, Wildcard.substitute(model, receipt.route, call.request.model))
          return Effect.succeed(response)
        }
        recorder.cacheMiss()
        const keep = (answer: Entry["answer"]) =>
          Effect.suspend(() =>
            // What was injected is not what the providers answer.
            receipt.attempts.some(({ injected }) => injected !== undefined)
              ? Effect.void
              : entries.set(key, { deployment: receipt.deployment, droppedParams: receipt.droppedParams, answer }),
          )
        return Effect.flatMap(fresh(), (response) => codec.record(response, keep))
      }),
    )

const complete: CacheCodec<Chat.Response> = {
  decode: (answer) => (answer._tag === "Complete" ? answer.response : undefined),
  record: (response, keep) => Effect.as(keep({ _tag: "Complete", response }), response),
}

const streamed: CacheCodec<StartedStream> = {
  decode: (answer) =>
    answer._tag === "Streamed" && Arr.isReadonlyArrayNonEmpty(answer.frames)
      ? { held: answer.frames, rest: Cause.done() }
      : undefined,
  record: (started, keep) =>
    Effect.sync(() => {
      const frames: Array<Chat.Frame> = []
      const collect = (chunk: StartedStream["held"]): void => {
        for (const frame of chunk) if (frame.parts.length > 0 || frame.native !== undefined) frames.push(frame)
      }
      collect(started.held)
      return {
        ...started,
        rest: started.rest.pipe(
          Effect.tap((chunk) => Effect.sync(() => collect(chunk))),
          Effect.tapError((error) => (Cause.isDone(error) ? keep({ _tag: "Streamed", frames }) : Effect.void)),
        ),
      }
    }),
}

// ---------------------------------------------------------------------------------------------------------------------
// Keys
// ---------------------------------------------------------------------------------------------------------------------

/** Raised whenever the form of an `Entry` changes: entries of other versions are not found. */
const version = 2

/**
 * Everything that a response depends on: the caller, the route with its deployments, their parameters and the cases that hold for the call,
 * and the request without the name it gives the route.
 */
const cacheKey = (route: BoundRoute.BoundRoute, call: Call): string => {
  const { native, ...request } = call.request
  return JSON.stringify([
    version,
    call.options.caller ?? null,
    route.name,
    BoundRoute.candidates(route.route).map(({ deployment: { force, model, params }, name }) => [
      name,
      Wildcard.substitute(model, route.name, call.request.model),
      ...(params === undefined && force === undefined ? [] : [params ?? null, force ?? null]),
    ]),
    Plan.casePath(route.route, call),
    call.streaming,
    { ...request, model: undefined },
    native && { ...native, body: fields(native.body) },
  ])
}

/** A body's fields, sorted by name. Within a field the order may matter, as in a JSON schema. */
const fields = (body: Chat.Native["body"]) =>
  Object.entries(body)
    .filter(([name]) => name !== "model")
    .toSorted(([a], [b]) => (a < b ? -1 : 1))
