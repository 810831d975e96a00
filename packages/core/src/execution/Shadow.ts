/**
 * Shadow calls: a share of the calls of a route is sent to another route too, and the answers are discarded.
 *
 * A shadow call starts when its call does, in a fibre of its own, and goes on when the caller disconnects. It has a receipt of
 * its own, without a caller, a team or tags. It uses the limits and circuits of the deployments that it is sent to, and the
 * budgets of its route, of those deployments and of everything, never those of the caller. It is retried only if its route sets
 * retries itself.
 */
import * as Cause from "effect/Cause"
import * as Effect from "effect/Effect"
import * as Exit from "effect/Exit"
import * as Option from "effect/Option"
import * as Scope from "effect/Scope"
import type { AnyRequest, CallOptions } from "../model/Call.ts"
import * as Outline from "../model/Outline.ts"
import type { EventBus, ShadowOf } from "../receipt/RouteEvent.ts"
import type { BoundRoute, BoundShadow } from "../route/BoundRoute.ts"
import type { Random } from "../route/Plan.ts"
import * as Wildcard from "../route/Wildcard.ts"
import type { Execution } from "./CallExecutor.ts"
import type { RouterError } from "./RouterError.ts"

/** What all shadow calls of one router share. They end when `scope` closes. */
export interface Shadows {
  readonly scope: Scope.Closeable
  readonly bus: EventBus
  readonly random: Random
}

/** What a shadow call is made of. */
export interface ShadowCall<Request extends AnyRequest> {
  readonly request: Request
  readonly options: CallOptions
  readonly route: BoundRoute
  readonly of: ShadowOf
}

/** What is in use while calls run, such as providers: `leave` follows each `enter` once. */
export interface InUse {
  readonly enter: () => void
  readonly leave: () => void
}

/** Starts the shadow of a call, if its route has one and the call is among its share. Does not wait for it. */
export const start = <Request extends AnyRequest>(
  shadows: Shadows,
  inUse: InUse,
  { call, recorder: { receipt }, route }: Execution<Request>,
  run: (call: ShadowCall<Request>) => Effect.Effect<unknown, RouterError>,
): Effect.Effect<void> => {
  const { shadow } = route
  if (shadow === undefined || shadows.random() >= shadow.share) return Effect.void
  const of: ShadowOf = { call: receipt.id, route: route.name }
  if (shadow.running.calls >= shadow.concurrency) {
    skip(shadows, of, shadow, "concurrency")
    return Effect.void
  }
  const request = Outline.set(call.request, {
    model: Wildcard.substitute(shadow.route.name, route.name, call.request.model),
  })
  const running = run({ request, options: optionsOf(call.options), route: shadow.route, of })
  const shadowed = Effect.map(Effect.exit(running), (exit) => {
    if (isNotCovered(exit)) skip(shadows, of, shadow, "budget")
  })
  return Effect.uninterruptible(
    Effect.suspend(() => {
      shadow.running.calls++
      inUse.enter()
      return Effect.map(Effect.forkIn(shadowed, shadows.scope), (fiber) => {
        // An observer, because a fibre that is interrupted before it begins runs no finalizer.
        fiber.addObserver(() => {
          shadow.running.calls--
          inUse.leave()
        })
      })
    }),
  )
}

/** Ends all shadow calls. No more start. */
export const stop = ({ scope }: Shadows): Effect.Effect<void> => Scope.close(scope, Exit.void)

/** Whether a budget refused the call before it was tried. */
const isNotCovered = (exit: Exit.Exit<unknown, RouterError>): boolean => {
  const error = Exit.isFailure(exit) ? Cause.findErrorOption(exit.cause) : Option.none()
  return Option.isSome(error) && error.value.kind === "BudgetExceeded" && error.value.receipt === undefined
}

const skip = ({ bus }: Shadows, of: ShadowOf, shadow: BoundShadow, reason: "concurrency" | "budget"): void =>
  bus.publish({ _tag: "ShadowSkipped", ...of, to: shadow.route.name, reason })

/** The options of the call, which its conditions read. The receipt of a shadow call has no caller, team or tags. */
const optionsOf = ({ caller, headers, protocol, spending, tags }: CallOptions): CallOptions => ({
  caller,
  headers,
  protocol,
  tags,
  spending,
})
