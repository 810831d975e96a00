/**
 * A call on a route that keeps its answers: given again where exactly the same was asked before, else asked for and, once
 * whole, kept. Failures are never kept, nor what was cut, left or given up.
 *
 * Calls that ask the same at the same time each ask for themselves: none waits for another's answer.
 */
import * as Arr from "effect/Array"
import * as Cause from "effect/Cause"
import * as Context from "effect/Context"
import * as Digest from "effect/crypto/Digest"
import * as Effect from "effect/Effect"
import * as Layer from "effect/Layer"
import type { StartedStream } from "../execution/Attempt.ts"
import { CacheStore } from "./CacheStore.ts"
import type { Entry, RouteCacheStore } from "./CacheStore.ts"
import type { Call } from "../model/Call.ts"
import type * as Chat from "../model/Chat.ts"
import * as BoundRoute from "../route/BoundRoute.ts"
import * as Plan from "../route/Plan.ts"
import type { ReceiptBuilder } from "../receipt/Receipt.ts"
import type { EventBus } from "../receipt/RouteEvent.ts"
import type { RouterError } from "../execution/RouterError.ts"
import * as Wildcard from "../route/Wildcard.ts"

/** A route's kept answers. `fresh` asks for one where there is none; the receipt says which it was. */
export interface ResponseCache {
  readonly complete: Options<Chat.Response>
  readonly stream: Options<StartedStream>
}

/** Gives an answer again, or has a fresh one made. */
export type Options<A> = (
  call: Call,
  receipt: ReceiptBuilder,
  fresh: () => Effect.Effect<A, RouterError>,
) => Effect.Effect<A, RouterError>

/** Of each route that keeps its answers. */
export const make = Effect.fnUntraced(function* (routes: ReadonlyMap<string, BoundRoute.BoundRoute>, bus: EventBus) {
  const store = yield* CacheStore
  const { digestHex } = Context.get(yield* Layer.build(Digest.layerWebCrypto), Digest.Digest)
  const recalls = new Map<string, ResponseCache>()
  for (const [name, route] of routes) {
    if (route.cache === undefined) continue
    const place = yield* store.forRoute(route.cache)
    const shelf: RouteCache = {
      place,
      keyOf: (call) => digestHex(Digest.sha256, new TextEncoder().encode(cacheKey(route, call))),
      models: new Map(BoundRoute.deployments(route.route)),
      bus,
    }
    recalls.set(name, { complete: cached(shelf, whole), stream: cached(shelf, streamed) })
  }
  return recalls
})

/** One route's answers, how they are found, and who is told. `models` are the vendors' ids, by deployment. */
interface RouteCache {
  readonly place: RouteCacheStore
  readonly keyOf: (call: Call) => Effect.Effect<string>
  readonly models: ReadonlyMap<string, string>
  readonly bus: EventBus
}

/** How one kind of answer is kept, and given again. */
interface CacheCodec<A> {
  readonly decode: (answer: Entry["answer"]) => A | undefined
  /** The fresh answer, which is kept once it is whole. */
  readonly record: (fresh: A, keep: (answer: Entry["answer"]) => Effect.Effect<void>) => Effect.Effect<A>
}

const cached =
  <A>({ bus, keyOf, models, place }: RouteCache, kind: CacheCodec<A>): Options<A> =>
  (call, receipt, fresh) =>
    Effect.flatMap(keyOf(call), (key) =>
      Effect.flatMap(place.get(key), (entry) => {
        const answer = entry && kind.decode(entry.answer)
        receipt.cacheHit(answer === undefined ? undefined : entry)
        if (answer !== undefined) {
          const { deployment = "", id, route } = receipt
          const model = Wildcard.substitute(models.get(deployment) ?? "", route, call.request.model)
          bus.publish({ _tag: "CacheHit", call: id, route, deployment, model })
          return Effect.succeed(answer)
        }
        const keep = (answer: Entry["answer"]) =>
          Effect.suspend(() =>
            place.set(key, { deployment: receipt.deployment, droppedParams: receipt.droppedParams, answer }),
          )
        return Effect.flatMap(fresh(), (answer) => kind.record(answer, keep))
      }),
    )

const whole: CacheCodec<Chat.Response> = {
  decode: (answer) => (answer._tag === "Whole" ? answer.response : undefined),
  record: (response, keep) => Effect.as(keep({ _tag: "Whole", response }), response),
}

const streamed: CacheCodec<StartedStream> = {
  decode: (answer) =>
    answer._tag === "Streamed" && Arr.isReadonlyArrayNonEmpty(answer.frames)
      ? { held: answer.frames, rest: Cause.done() }
      : undefined,
  record: (committed, keep) =>
    Effect.sync(() => {
      const frames: Array<Chat.Frame> = []
      const see = (chunk: StartedStream["held"]): void => {
        for (const frame of chunk) if (frame.parts.length > 0 || frame.native !== undefined) frames.push(frame)
      }
      see(committed.held)
      return {
        ...committed,
        rest: committed.rest.pipe(
          Effect.tap((chunk) => Effect.sync(() => see(chunk))),
          Effect.tapError((error) => (Cause.isDone(error) ? keep({ _tag: "Streamed", frames }) : Effect.void)),
        ),
      }
    }),
}

// ---------------------------------------------------------------------------------------------------------------------
// What is the same
// ---------------------------------------------------------------------------------------------------------------------

/** Raised whenever an `Entry` changes its form: what another version kept is not found. */
const version = 1

/**
 * All that an answer depends on, and whom it is for: who asks, the route with those on it and the way that the call takes
 * where ways part, and every word of the request but the name it called the route by.
 */
const cacheKey = (route: BoundRoute.BoundRoute, call: Call): string => {
  const { native, ...asked } = call.request
  return JSON.stringify([
    version,
    call.options.caller ?? null,
    route.name,
    BoundRoute.deployments(route.route).map(([name, model]) => [
      name,
      Wildcard.substitute(model, route.name, call.request.model),
    ]),
    Plan.casePath(route.route, call),
    call.streaming,
    { ...asked, model: undefined },
    native && { ...native, body: fields(native.body) },
  ])
}

/** A body's fields, in whatever order they were sent; inside them order may mean something, as in a schema. */
const fields = (body: Chat.Native["body"]) =>
  Object.entries(body)
    .filter(([name]) => name !== "model")
    .toSorted(([a], [b]) => (a < b ? -1 : 1))
