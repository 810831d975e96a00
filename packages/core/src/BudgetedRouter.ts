/**
 * A router whose calls stay within budgets: a layer over the `Router`.
 *
 * A call reserves the most that one attempt of it may cost in the budgets of its caller, team, tags and route, and of
 * everything; in all of them or in none. Each attempt reserves in the budgets of its deployment and vendor, and adds to the
 * reservation of its call if earlier attempts were charged. When the call has ended, it is settled by what its attempts have
 * cost: a stream when its scope closes. A response from a cache costs nothing.
 *
 * ```ts
 * const BudgetedLive = BudgetedRouter.layer.pipe(
 *   Layer.provide([
 *     Router.layer({ deployments, routes }),
 *     Budgets.layerMemory([{ id: "all", scope: { type: "all" }, amount: 20, window: { unit: "day" }, atLimit: "refuse" }]),
 *   ]),
 * )
 * ```
 *
 * A call that a budget does not cover fails with kind `BudgetExceeded`, or calls the route that the budget names, once; its
 * receipt then names that route. A deployment whose budget does not cover an attempt is skipped with `OverBudget`.
 */
import type * as Clock from "effect/Clock"
import * as Effect from "effect/Effect"
import * as Layer from "effect/Layer"
import * as Scope from "effect/Scope"
import * as Errors from "./execution/RouterError.ts"
import type { RouterError } from "./execution/RouterError.ts"
import type { AnyRequest, CallOptions } from "./model/Call.ts"
import * as Outline from "./model/Outline.ts"
import { Rejected } from "./model/SkipReason.ts"
import type { AttemptSpending, PlannedAttempt, Spending } from "./model/Spending.ts"
import * as Wildcard from "./route/Wildcard.ts"
import { Router } from "./Router.ts"
import * as Budget from "./spend/Budget.ts"
import type { Nanos, Scope as BudgetScope } from "./spend/Budget.ts"
import { Budgets } from "./spend/Budgets.ts"
import type { Exceeded, Reservation } from "./spend/Budgets.ts"

/** The router in context, within the budgets in context. */
export const layer: Layer.Layer<Router, never, Router | Budgets> = Layer.effect(
  Router,
  Effect.gen(function* () {
    const router = yield* Router
    const budgets = yield* Budgets
    const open = opening(router, budgets)
    return Router.of({
      ...router,
      chat: (request, options) => complete(open, request, options, router.chat),
      embed: (request, options) => complete(open, request, options, router.embed),
      chatStream: (request, options) =>
        Effect.uninterruptibleMask((restore) =>
          Effect.flatMap(Effect.scope, (scope) =>
            Effect.flatMap(open(request, options), ({ options, request, settle }) =>
              Effect.andThen(
                Scope.addFinalizer(scope, settle),
                Effect.onError(restore(router.chatStream(request, options)), () => settle),
              ),
            ),
          ),
        ),
    })
  }),
)

/** A call within its budgets: `settle` must run when it has ended. Only the first time counts. */
interface OpenCall<Request extends AnyRequest> {
  readonly request: Request
  readonly options: CallOptions | undefined
  readonly settle: Effect.Effect<void>
}

type Open = <Request extends AnyRequest>(
  request: Request,
  options: CallOptions | undefined,
) => Effect.Effect<OpenCall<Request>, RouterError>

const complete = <Request extends AnyRequest, A>(
  open: Open,
  request: Request,
  options: CallOptions | undefined,
  run: (request: Request, options: CallOptions | undefined) => Effect.Effect<A, RouterError>,
): Effect.Effect<A, RouterError> =>
  Effect.uninterruptibleMask((restore) =>
    Effect.flatMap(open(request, options), (call) =>
      Effect.onExit(restore(run(call.request, call.options)), () => call.settle),
    ),
  )

const opening = (router: Router["Service"], budgets: Budgets["Service"]): Open => {
  const routeOf = Wildcard.among([...router.routes, ...router.deployments])
  const open = <Request extends AnyRequest>(
    request: Request,
    options: CallOptions | undefined,
    clock: Clock.Clock,
    redirected: boolean,
  ): Effect.Effect<OpenCall<Request>, RouterError> => {
    const most = router.maxCost(request)
    // A model that there is not fails in the router.
    if (most === undefined) return Effect.succeed({ request, options, settle: Effect.void })
    const nanos = Budget.toNanos(most)
    const scopes = scopesOf(routeOf(request.model), options)
    return Effect.matchEffect(budgets.reserve(scopes, nanos, clock.currentTimeMillisUnsafe()), {
      onSuccess: (reservation) => {
        const spending = new CallSpending(budgets, reservation, nanos, clock)
        return Effect.succeed({ request, options: withSpending(spending, options), settle: spending.settle })
      },
      onFailure: (exceeded) => {
        const { atLimit } = exceeded.budget
        return redirected || atLimit === "refuse"
          ? Effect.fail(Errors.budgetExceeded(exceeded))
          : open(withModel(request, atLimit.use), options, clock, true)
      },
    })
  }
  return (request, options) => Effect.clockWith((clock) => open(request, options, clock, false))
}

const withModel = <Request extends AnyRequest>(request: Request, model: string): Request =>
  Outline.set(request, { model })

const everything: BudgetScope = { type: "all" }

const scopesOf = (route: string, { caller, tags = [], team }: CallOptions = {}): ReadonlyArray<BudgetScope> => {
  const scopes: Array<BudgetScope> = [everything, { type: "route", name: route }]
  if (caller !== undefined) scopes.push({ type: "key", name: caller })
  if (team !== undefined) scopes.push({ type: "team", name: team })
  for (const tag of tags) scopes.push({ type: "tag", name: tag })
  return scopes
}

/** The options with their spending. Tags and headers stay lazy. */
const withSpending = (
  spending: Spending,
  options: CallOptions = {},
): { readonly [Option in keyof Required<CallOptions>]: CallOptions[Option] } => ({
  timeout: options.timeout,
  get tags() {
    return options.tags
  },
  get headers() {
    return options.headers
  },
  caller: options.caller,
  protocol: options.protocol,
  team: options.team,
  spending,
})

/** What one call has reserved, and what its attempts have cost so far. */
class CallSpending implements Spending {
  readonly #budgets: Budgets["Service"]
  readonly #reservation: Reservation
  readonly #clock: Clock.Clock
  #reserved: Nanos
  /** The most that the attempts under way may cost, and what those that have ended did. */
  #running: Nanos = 0
  #spent: Nanos = 0
  readonly settle: Effect.Effect<void>

  constructor(budgets: Budgets["Service"], reservation: Reservation, reserved: Nanos, clock: Clock.Clock) {
    this.#budgets = budgets
    this.#reservation = reservation
    this.#reserved = reserved
    this.#clock = clock
    this.settle = Effect.suspend(() => reservation.settle(this.#spent))
  }

  begin({ deployment, most, vendor }: PlannedAttempt): Effect.Effect<AttemptSpending, Rejected> {
    return Effect.suspend(() => {
      const nanos = Budget.toNanos(most)
      const now = this.#clock.currentTimeMillisUnsafe()
      const scopes: Array<BudgetScope> = [{ type: "deployment", name: deployment }]
      if (vendor !== undefined) scopes.push({ type: "vendor", name: vendor })
      return Effect.catch(
        Effect.flatMapEager(this.#budgets.reserve(scopes, nanos, now), (own) =>
          Effect.as(
            Effect.onError(this.#cover(nanos, now), () => own.settle(0)),
            this.#attempt(nanos, own),
          ),
        ),
        reject,
      )
    })
  }

  /** Has the call's reservation cover one more attempt besides those under way. */
  #cover(nanos: Nanos, now: number): Effect.Effect<void, Exceeded> {
    const missing = Math.max(0, this.#spent + this.#running + nanos - this.#reserved)
    this.#running += nanos
    if (missing === 0) return Effect.void
    // Counted at once: another attempt may begin before the budgets have answered.
    this.#reserved += missing
    return Effect.onError(this.#reservation.grow(missing, now), () =>
      Effect.sync(() => {
        this.#running -= nanos
        this.#reserved -= missing
      }),
    )
  }

  #attempt(nanos: Nanos, own: Reservation): AttemptSpending {
    return {
      end: (cost) =>
        Effect.suspend(() => {
          this.#running -= nanos
          this.#spent += Budget.toNanos(cost)
          return own.settle(Budget.toNanos(cost))
        }),
    }
  }
}

const reject = ({ budget, retryAfter }: Exceeded): Effect.Effect<never, Rejected> =>
  Effect.fail(new Rejected({ _tag: "OverBudget", budget: budget.id, retryAfter }))
