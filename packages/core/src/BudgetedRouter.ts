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
import * as Exit from "effect/Exit"
import * as Layer from "effect/Layer"
import type { CallOptions } from "./model/Call.ts"
import * as LayeredOptions from "./model/LayeredOptions.ts"
import { Rejected } from "./model/SkipReason.ts"
import type { AttemptSpending, PlannedAttempt, PlannedCall, Spender, Spending } from "./model/Spending.ts"
import { Router } from "./Router.ts"
import * as Budget from "./spend/Budget.ts"
import type { Nanos, Scope as BudgetScope } from "./spend/Budget.ts"
import { Budgets } from "./spend/Budgets.ts"
import type { Exceeded, MatchingBudgets, Reservation } from "./spend/Budgets.ts"

/** The router in context, within the budgets in context. */
export const layer: Layer.Layer<Router, never, Router | Budgets> = Layer.effect(
  Router,
  Effect.gen(function* () {
    const router = yield* Router
    const budgets = yield* Budgets
    const books: Books = {
      ofCall: matchingCalls(budgets),
      ofAttempt: matchingAttempts(budgets),
    }
    const spender: Spender = { open: (clock) => new CallSpending(books, clock) }
    const within = (options: CallOptions = noOptions) => LayeredOptions.withSpending(options, spender)
    return Router.of({
      ...router,
      chat: (request, options) => router.chat(request, within(options)),
      embed: (request, options) => router.embed(request, within(options)),
      chatStream: (request, options) => router.chatStream(request, within(options)),
      operate: (request, options) => router.operate(request, within(options)),
    })
  }),
)

const noOptions: CallOptions = {}

/** What all calls of one router share. */
interface Books {
  readonly ofCall: (call: PlannedCall) => MatchingBudgets
  readonly ofAttempt: (attempt: PlannedAttempt) => MatchingBudgets
}

const everything: BudgetScope = { type: "all" }

const scopesOfCall = ({ payer: { caller, tags, team }, route }: PlannedCall): ReadonlyArray<BudgetScope> => {
  const scopes: Array<BudgetScope> = [everything, { type: "route", name: route }]
  if (caller !== undefined) scopes.push({ type: "key", name: caller })
  if (team !== undefined) scopes.push({ type: "team", name: team })
  if (tags !== undefined) for (const tag of tags) scopes.push({ type: "tag", name: tag })
  return scopes
}

/** Routes, and callers of one, whose budgets are kept, at most. Then it begins anew. */
const mostKept = 10_000

/** The budgets of calls, found once for each route and caller, unless a call has tags. */
const matchingCalls = (budgets: Budgets["Service"]): Books["ofCall"] => {
  type Found = { readonly team: string | undefined; readonly budgets: MatchingBudgets }
  const found = new Map<string, Map<string | undefined, Found>>()
  return (call) => {
    const { payer, route } = call
    const { caller, tags, team } = payer
    if (tags !== undefined && tags.length > 0) return budgets.matching(scopesOfCall(call))
    let callers = found.get(route)
    if (callers === undefined) {
      if (found.size >= mostKept) found.clear()
      found.set(route, (callers = new Map()))
    }
    const known = callers.get(caller)
    if (known !== undefined && known.team === team) return known.budgets
    if (callers.size >= mostKept) callers.clear()
    const matching = budgets.matching(scopesOfCall(call))
    callers.set(caller, { team, budgets: matching })
    return matching
  }
}

/** The budgets of attempts, found once for each deployment, and again when a reload gives it to another vendor. */
const matchingAttempts = (budgets: Budgets["Service"]): Books["ofAttempt"] => {
  type Found = { readonly vendor: string | undefined; readonly budgets: MatchingBudgets }
  const found = new Map<string, Found>()
  return ({ deployment, vendor }) => {
    const known = found.get(deployment)
    if (known !== undefined && known.vendor === vendor) return known.budgets
    const scopes: Array<BudgetScope> = [{ type: "deployment", name: deployment }]
    if (vendor !== undefined) scopes.push({ type: "vendor", name: vendor })
    const matching = budgets.matching(scopes)
    found.set(deployment, { vendor, budgets: matching })
    return matching
  }
}

/** What was reserved, if it was at once. */
const reservationOf = (reserved: Effect.Effect<Reservation, Exceeded>): Reservation | undefined =>
  isExit(reserved) && Exit.isSuccess(reserved) ? reserved.value : undefined

/** `Exit.isExit`, whose type forgets those of the effect. */
const isExit = <A, E>(effect: Effect.Effect<A, E>): effect is Exit.Exit<A, E> => Exit.isExit(effect)

/** What one call has reserved, and what its attempts have cost so far. */
class CallSpending implements Spending {
  readonly #books: Books
  readonly #clock: Clock.Clock
  /** `undefined` if no budget limits the call, or none was asked yet. */
  #reservation: Reservation | undefined = undefined
  #reserved: Nanos = 0
  /** The number of attempts under way, the most that these may cost, and what those that have ended did. */
  #attempts = 0
  #running: Nanos = 0
  #spent: Nanos = 0
  #hasEnded = false

  constructor(books: Books, clock: Clock.Clock) {
    this.#books = books
    this.#clock = clock
  }

  start(call: PlannedCall): Effect.Effect<string | undefined, Exceeded> {
    const budgets = this.#books.ofCall(call)
    if (!budgets.isLimited) return covered
    const nanos = Budget.toNanos(call.most())
    const reserved = budgets.reserve(nanos, this.#clock.currentTimeMillisUnsafe())
    // As it nearly always is: nothing is made to go on with.
    const own = reservationOf(reserved)
    if (own !== undefined) {
      this.#hold(own, nanos)
      return covered
    }
    return Effect.flatMapEager(this.#reserve(reserved, nanos), (exceeded) => {
      if (exceeded === undefined) return covered
      const { atLimit } = exceeded.budget
      return call.mayUseAnother && atLimit !== "refuse" ? Effect.succeed(atLimit.use) : Effect.fail(exceeded)
    })
  }

  #hold(reservation: Reservation, nanos: Nanos): void {
    this.#reservation = reservation
    this.#reserved = nanos
  }

  end(): Effect.Effect<void> {
    this.#hasEnded = true
    return this.#settled()
  }

  /** Settles the call once it has ended, and its attempts. */
  #settled(): Effect.Effect<void> {
    const reservation = this.#reservation
    if (reservation === undefined || !this.#hasEnded || this.#attempts > 0) return Effect.void
    return reservation.settle(this.#spent)
  }

  /** Waits for a reservation. Succeeds with the budget that does not cover it, if one does not. */
  #reserve(reserved: Effect.Effect<Reservation, Exceeded>, nanos: Nanos): Effect.Effect<Exceeded | undefined> {
    const held = Effect.mapEager(reserved, (reservation) => {
      this.#hold(reservation, nanos)
      return undefined
    })
    const outcome = Effect.catchEager(held, succeed)
    return Exit.isExit(outcome) ? outcome : Effect.uninterruptible(outcome)
  }

  begin(attempt: PlannedAttempt): Effect.Effect<AttemptSpending, Rejected> {
    const budgets = this.#books.ofAttempt(attempt)
    const { isLimited } = budgets
    if (!isLimited && this.#reservation === undefined) return unlimited
    const nanos = Budget.toNanos(attempt.most())
    const now = this.#clock.currentTimeMillisUnsafe()
    const reserved = isLimited ? budgets.reserve(nanos, now) : nothing
    const own = reservationOf(reserved)
    if (own !== undefined && this.#covers(nanos)) {
      this.#running += nanos
      return Effect.succeed(this.#attempt(nanos, own))
    }
    const begun = Effect.flatMapEager(reserved, (own) =>
      Effect.flatMapEager(this.#cover(nanos, now), (exceeded) =>
        exceeded === undefined
          ? Effect.succeed(this.#attempt(nanos, own))
          : Effect.flatMapEager(own.settle(0), () => Effect.fail(exceeded)),
      ),
    )
    return Effect.catchEager(begun, reject)
  }

  #attempt(nanos: Nanos, own: Reservation): BudgetedAttempt {
    this.#attempts++
    return new BudgetedAttempt(this, nanos, own)
  }

  /** Whether what the call has reserved covers one more attempt, besides those under way. */
  #covers(nanos: Nanos): boolean {
    return this.#reservation === undefined || this.#spent + this.#running + nanos <= this.#reserved
  }

  /** Has the call's reservation cover one more attempt besides those under way. Succeeds with the budget that does not. */
  #cover(nanos: Nanos, now: number): Effect.Effect<Exceeded | undefined> {
    const missing = this.#spent + this.#running + nanos - this.#reserved
    const isCovered = this.#covers(nanos)
    this.#running += nanos
    if (isCovered || this.#reservation === undefined) return covered
    // Counted at once: another attempt may begin before the budgets have answered.
    this.#reserved += missing
    return Effect.catchEager(
      Effect.mapEager(this.#reservation.grow(missing, now), () => undefined),
      (exceeded) => {
        this.#running -= nanos
        this.#reserved -= missing
        return Effect.succeed(exceeded)
      },
    )
  }

  /** An attempt that was to cost `nanos` at most has cost so much. */
  ended(nanos: Nanos, cost: Nanos): Effect.Effect<void> {
    this.#attempts--
    this.#running -= nanos
    this.#spent += cost
    return this.#settled()
  }
}

class BudgetedAttempt implements AttemptSpending {
  readonly #call: CallSpending
  readonly #nanos: Nanos
  readonly #own: Reservation

  constructor(call: CallSpending, nanos: Nanos, own: Reservation) {
    this.#call = call
    this.#nanos = nanos
    this.#own = own
  }

  end(cost: number): Effect.Effect<void> {
    const nanos = Budget.toNanos(cost)
    const own = this.#own.settle(nanos)
    return Effect.flatMapEager(own, () => this.#call.ended(this.#nanos, nanos))
  }
}

/** An attempt that no budget limits, of a call that none limits. */
const unlimited: Effect.Effect<AttemptSpending> = Effect.succeed({ end: () => Effect.void })

const nothing: Effect.Effect<Reservation> = Effect.succeed({ grow: () => Effect.void, settle: () => Effect.void })

const covered: Effect.Effect<undefined> = Effect.succeed(undefined)

const succeed = (exceeded: Exceeded): Effect.Effect<Exceeded> => Effect.succeed(exceeded)

const reject = ({ budget, retryAfter }: Exceeded): Effect.Effect<never, Rejected> =>
  Effect.fail(new Rejected({ _tag: "OverBudget", budget: budget.id, retryAfter }))
