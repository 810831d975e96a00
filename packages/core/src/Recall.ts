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
import type { Committed } from "./Attempt.ts"
import { CacheStore } from "./Cache.ts"
import type { Entry, Place } from "./Cache.ts"
import type { Call } from "./Call.ts"
import type * as Chat from "./Chat.ts"
import * as Compiled from "./Compiled.ts"
import * as Plan from "./Plan.ts"
import type { Ledger } from "./Receipt.ts"
import type { Bus } from "./RouteEvent.ts"
import type { RouterError } from "./RouterError.ts"
import * as Wildcard from "./Wildcard.ts"

/** A route's kept answers. `fresh` asks for one where there is none; the receipt says which it was. */
export interface Recall {
  readonly whole: Recalling<Chat.Response>
  readonly stream: Recalling<Committed>
}

/** Gives an answer again, or has a fresh one made. */
export type Recalling<A> = (
  call: Call,
  ledger: Ledger,
  fresh: () => Effect.Effect<A, RouterError>,
) => Effect.Effect<A, RouterError>

/** Of each route that keeps its answers. */
export const make = Effect.fnUntraced(function* (routes: ReadonlyMap<string, Compiled.Compiled>, bus: Bus) {
  const store = yield* CacheStore
  const { digestHex } = Context.get(yield* Layer.build(Digest.layerWebCrypto), Digest.Digest)
  const recalls = new Map<string, Recall>()
  for (const [name, route] of routes) {
    if (route.cache === undefined) continue
    const place = yield* store.open(route.cache)
    const shelf: Shelf = {
      place,
      keyOf: (call) => digestHex(Digest.sha256, new TextEncoder().encode(identity(route, call))),
      models: new Map(Compiled.members(route.route)),
      bus,
    }
    recalls.set(name, { whole: recalling(shelf, whole), stream: recalling(shelf, streamed) })
  }
  return recalls
})

/** One route's answers, how they are found, and who is told. `models` are the vendors' ids, by deployment. */
interface Shelf {
  readonly place: Place
  readonly keyOf: (call: Call) => Effect.Effect<string>
  readonly models: ReadonlyMap<string, string>
  readonly bus: Bus
}

/** How one kind of answer is kept, and given again. */
interface Kind<A> {
  readonly again: (answer: Entry["answer"]) => A | undefined
  /** The fresh answer, which is kept once it is whole. */
  readonly keeping: (fresh: A, keep: (answer: Entry["answer"]) => Effect.Effect<void>) => Effect.Effect<A>
}

const recalling =
  <A>({ bus, keyOf, models, place }: Shelf, kind: Kind<A>): Recalling<A> =>
  (call, ledger, fresh) =>
    Effect.flatMap(keyOf(call), (key) =>
      Effect.flatMap(place.get(key), (entry) => {
        const answer = entry && kind.again(entry.answer)
        ledger.recalled(answer === undefined ? undefined : entry)
        if (answer !== undefined) {
          const { deployment = "", id, route } = ledger
          const model = Wildcard.fill(models.get(deployment) ?? "", route, call.request.model)
          bus.publish({ _tag: "Recalled", call: id, route, deployment, model })
          return Effect.succeed(answer)
        }
        const keep = (answer: Entry["answer"]) =>
          Effect.suspend(() => place.set(key, { deployment: ledger.deployment, unsaid: ledger.unsaid, answer }))
        return Effect.flatMap(fresh(), (answer) => kind.keeping(answer, keep))
      }),
    )

const whole: Kind<Chat.Response> = {
  again: (answer) => (answer._tag === "Whole" ? answer.response : undefined),
  keeping: (response, keep) => Effect.as(keep({ _tag: "Whole", response }), response),
}

const streamed: Kind<Committed> = {
  again: (answer) =>
    answer._tag === "Streamed" && Arr.isReadonlyArrayNonEmpty(answer.frames)
      ? { held: answer.frames, rest: Cause.done() }
      : undefined,
  keeping: (committed, keep) =>
    Effect.sync(() => {
      const frames: Array<Chat.Frame> = []
      const see = (chunk: Committed["held"]): void => {
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
const identity = (route: Compiled.Compiled, call: Call): string => {
  const { native, ...asked } = call.request
  return JSON.stringify([
    version,
    call.options.caller ?? null,
    route.name,
    Compiled.members(route.route).map(([name, model]) => [name, Wildcard.fill(model, route.name, call.request.model)]),
    Plan.way(route.route, call),
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
