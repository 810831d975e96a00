/**
 * One step of a plan over a deployment with several accounts: they are tried in rotation, each call starting one further.
 *
 * An account that is not admitted is skipped. After a failure that the account is to blame for, such as a rate limit, the next
 * account that the call has not tried is tried at once. After any other failure no other account is tried: another key at the
 * same vendor does not mend an outage.
 *
 * A retry starts with the account that failed, or, if that was to blame, with the one after it. It tries one account again, and
 * those that the call has not tried yet. So a step has at most one attempt for each account, and one for each retry.
 */
import * as Effect from "effect/Effect"
import type { Accounts } from "../deployment/Candidate.ts"
import * as Candidate from "../deployment/Candidate.ts"
import type { ProviderError } from "../model/ProviderError.ts"
import { blamesAccount } from "../model/ProviderError.ts"
import type { Rejection } from "../model/SkipReason.ts"
import { meaning, Rejected } from "../model/SkipReason.ts"
import type { FailedStep, Step } from "../route/Plan.ts"
import * as Plan from "../route/Plan.ts"
import type { Failure } from "./Attempt.ts"
import type { CallRecorder } from "./CallRecorder.ts"
import * as RetryAfter from "./RetryAfter.ts"

/** One attempt of a step that is of one account. */
type Try<A> = (step: Step) => Effect.Effect<A, Failure>

/** The accounts of a step, for a call whose turn it is. */
export const begin = <A>(accounts: Accounts, step: Step, attempt: Try<A>, recorder: CallRecorder): AccountRotation<A> =>
  new AccountRotation({ all: accounts.all, turn: accounts.turn++ }, step, attempt, recorder)

/** The answer of the first account of a step that gives one, without retries. */
export const once = <A>(
  accounts: Accounts,
  step: Step,
  attempt: Try<A>,
  recorder: CallRecorder,
): Effect.Effect<A, FailedStep> => {
  const rotation = begin(accounts, step, attempt, recorder)
  return Effect.mapError(rotation.attempt, (error) => rotation.failedStep(error))
}

/** The accounts of a step as a call has tried them. */
export class AccountRotation<A> {
  readonly #steps: ReadonlyArray<Step>
  readonly #attempt: Try<A>
  readonly #recorder: CallRecorder | undefined
  readonly #tried = new Set<Step>()
  readonly #skipped = new Set<Step>()
  /** The index of the account that the next pass starts with. */
  #start = 0
  /** The failure of the last pass that had one, and the rejection of the last that had none. */
  #failed: { readonly step: Step; readonly error: ProviderError } | undefined = undefined
  #rejected: Refused | undefined = undefined
  /** Milliseconds until an account that the last pass skipped can be tried. */
  #retryAfter: number | undefined = undefined

  /** `recorder`: that of the call, if it has one. */
  constructor({ all, turn }: Readonly<Accounts>, step: Step, attempt: Try<A>, recorder: CallRecorder | undefined) {
    this.#steps = Candidate.inTurn(all, turn).map((candidate) => Plan.ofAccount(step, candidate))
    this.#attempt = attempt
    this.#recorder = recorder
  }

  /** The answer of the first account that gives one: the attempt of the step. Each run after the first is a retry. */
  get attempt(): Effect.Effect<A, Failure> {
    return Effect.suspend(() => {
      const pass = { mayRepeat: this.#tried.size > 0, failed: [], refused: [] }
      return this.#tryFrom(Candidate.inTurn(this.#steps, this.#start), 0, pass)
    })
  }

  /** What the step has come to after `attempt` failed with this error. */
  failedStep(error: Failure): FailedStep {
    const retryAfter = this.#retryAfter
    if (error._tag === "Refused") return { _tag: "Skipped", ...this.#rejected!, retryAfter }
    return { _tag: "Failed", step: this.#failed!.step, error, retryAfter }
  }

  #tryFrom(order: ReadonlyArray<Step>, index: number, pass: Pass): Effect.Effect<A, Failure> {
    const step = order[index]
    if (step === undefined) return Effect.suspend(() => Effect.fail(this.#ended(pass)))
    const isRepeated = this.#tried.has(step)
    if (isRepeated && !pass.mayRepeat) return this.#tryFrom(order, index + 1, pass)
    if (pass.failed.length > 0) this.#recorder?.goesOnWith("fallback")
    else if (this.#tried.size > 0) this.#recorder?.goesOnWith("retry")
    return Effect.catch(this.#attempt(step), (error) => {
      if (error._tag === "Refused") {
        this.#skip(step, error.reason)
        const refused = [...pass.refused, { step, reason: error.reason }]
        // Budgets are of the deployment: they refuse its other accounts too.
        const next = error.reason._tag === "OverBudget" ? order.length : index + 1
        return this.#tryFrom(order, next, { ...pass, refused })
      }
      this.#tried.add(step)
      const failed = [...pass.failed, { step, error }]
      const isBlamed = blamesAccount(error.reason)
      this.#start = this.#steps.indexOf(step) + (isBlamed ? 1 : 0)
      const mayRepeat = pass.mayRepeat && !isRepeated
      return isBlamed
        ? this.#tryFrom(order, index + 1, { ...pass, mayRepeat, failed })
        : Effect.fail(this.#ended({ ...pass, failed: failed.slice(-1) }))
    })
  }

  #skip(step: Step, reason: Rejection): void {
    if (this.#skipped.has(step)) return
    this.#skipped.add(step)
    this.#recorder?.skipped(step.leaf.candidate, reason)
  }

  /** The failure of a pass: of its failures, or else of its rejections, the one that ends soonest. */
  #ended({ failed, refused }: Pass): Failure {
    const waits = refused.flatMap(({ reason }) => meaning(reason).retryAfter ?? [])
    this.#retryAfter = waits.length === 0 ? undefined : Math.min(...waits)
    const failure = soonest(failed, (each) => RetryAfter.afterFailure(each) ?? 0)
    if (failure !== undefined) {
      this.#failed = failure
      return failure.error
    }
    // An open circuit comes first: when every deployment is refused, it is tried.
    const open = refused.filter(({ reason }) => isReopening(reason))
    this.#rejected = soonest(open.length > 0 ? open : refused, ({ reason }) => meaning(reason).retryAfter ?? 0)!
    return new Rejected(this.#rejected.reason)
  }
}

interface Refused {
  readonly step: Step
  readonly reason: Rejection
}

/** One run over the accounts. */
interface Pass {
  /** Whether one account that was tried before may be tried again. */
  readonly mayRepeat: boolean
  readonly failed: ReadonlyArray<{ readonly step: Step; readonly error: ProviderError }>
  readonly refused: ReadonlyArray<Refused>
}

/** The last of those with the shortest wait. */
const soonest = <Item>(items: ReadonlyArray<Item>, waitOf: (item: Item) => number): Item | undefined =>
  items.reduce<Item | undefined>(
    (best, item) => (best === undefined || waitOf(item) <= waitOf(best) ? item : best),
    undefined,
  )

/** Whether a circuit refuses that may have closed by now: not that of a rejected key, say. */
const isReopening = (reason: Rejection): boolean =>
  reason._tag === "CircuitHalfOpen" || (reason._tag === "CircuitOpen" && reason.permanent !== true)
