/**
 * What happens to calls, as it happens: for callbacks, activity logs and metrics. Listening is lossy and never slows a
 * call: whoever falls behind misses the oldest events.
 */
import * as Effect from "effect/Effect"
import * as PubSub from "effect/PubSub"
import * as Stream from "effect/Stream"
import type { ReasonTag } from "./ProviderError.ts"
import type { Attempt, PassedOver, Receipt } from "./Receipt.ts"

/** Every event names its call by the receipt's `id` and the route the caller named. */
export type RouteEvent = { readonly call: string; readonly route: string } & (
  | { readonly _tag: "AttemptStarted"; readonly deployment: string }
  | { readonly _tag: "AttemptEnded"; readonly attempt: Attempt }
  | ({ readonly _tag: "PassedOver" } & PassedOver)
  /** One deployment could not answer (`reason`: of its failure, or what refused it) and another is asked instead. */
  | { readonly _tag: "Failover"; readonly from: string; readonly to: string; readonly reason: FailoverReason }
  /** A stream's first real output: from here on this answer is the one. */
  | { readonly _tag: "Committed"; readonly deployment: string; readonly millis: number }
  | { readonly _tag: "Ended"; readonly receipt: Receipt }
)

export type FailoverReason = ReasonTag | PassedOver["verdict"]["_tag"]

export type Failover = Extract<RouteEvent, { readonly _tag: "Failover" }>

/** Where events are published. `publish` costs next to nothing while nobody listens. */
export interface Bus {
  readonly publish: (event: RouteEvent) => void
  readonly stream: Stream.Stream<RouteEvent>
}

/** How many events a slow listener may lag behind. */
const capacity = 4096

export const makeBus: Effect.Effect<Bus> = Effect.map(PubSub.sliding<RouteEvent>(capacity), (pubsub) => ({
  publish: (event) => {
    PubSub.publishUnsafe(pubsub, event)
  },
  stream: Stream.fromPubSub(pubsub),
}))
