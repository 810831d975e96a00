/** The status of a deployment: whether it can be tried now, and how it has answered so far. */
import * as Duration from "effect/Duration"
import * as Effect from "effect/Effect"
import * as Admission from "./Admission.ts"
import type { Operation } from "../model/Call.ts"
import { operations } from "../model/Call.ts"
import * as Operations from "../model/Operation.ts"
import * as Candidate from "../deployment/Candidate.ts"
import type { Health } from "../deployment/Health.ts"

/** The status of one operation of a deployment. */
export interface CircuitStatus {
  readonly circuit: "closed" | "half-open" | "open"
  /** Milliseconds until its circuit and its cooldown admit a call; 0 if they do now. */
  readonly retryAfter: number
  /** Milliseconds until its cooldown ends; 0 if it has none. */
  readonly cooldown: number
}

/**
 * The status of a deployment. Times are milliseconds; latencies are smoothed, and `undefined` before the first answer.
 * `circuit`, `retryAfter` and `cooldown` are the worst of its operations but token counts, of those that it has answered here, or of
 * all before its first answer: a chat model is not down because it makes no embeddings.
 */
export interface Status extends Health, CircuitStatus {
  readonly deployment: string
  /** Of each operation; those besides chat, embeddings and token counts if they are in use here. */
  readonly operations: OperationStatuses
  /** How many calls wait in the queue of its limits; `undefined` if it has none. */
  readonly waiting: number | undefined
  /** Of a deployment with several accounts: that of each. Its own `circuit`, `retryAfter` and `cooldown` are the best of them. */
  readonly accounts?: ReadonlyArray<AccountStatus> | undefined
}

export type OperationStatuses = Readonly<
  Record<Exclude<Operation, Operations.Name>, CircuitStatus> & Partial<Record<Operations.Name, CircuitStatus>>
>

/** The status of one account of a deployment. `account` is its place, from 1. */
export interface AccountStatus extends Omit<Status, "deployment" | "accounts"> {
  readonly account: number
}

/** The status at this moment, by the stores and by this process's calls. */
export const of = (stores: Admission.Stores, candidate: Candidate.Candidate): Effect.Effect<Status> => {
  const { accounts, health, name, queue } = candidate
  if (accounts === undefined) return Effect.map(ofAccount(stores, candidate), (own) => ({ deployment: name, ...own }))
  return Effect.map(
    Effect.forEach(accounts.all, (account) => ofAccount(stores, account)),
    (all): Status => ({
      deployment: name,
      ...all.map(circuitOf).reduce(better),
      operations: all.map(({ operations }) => operations).reduce(betterOfEach),
      accounts: all.map((status, index) => ({ account: index + 1, ...status })),
      inFlight: health.inFlight,
      waiting: queue.policy === undefined ? undefined : all.reduce((sum, { waiting = 0 }) => sum + waiting, 0),
      latency: health.latency,
      firstToken: health.firstToken,
    }),
  )
}

const circuitOf = ({ circuit, cooldown, retryAfter }: CircuitStatus): CircuitStatus => ({
  circuit,
  retryAfter,
  cooldown,
})

/** The one that can be tried sooner. */
const better = (one: CircuitStatus, other: CircuitStatus): CircuitStatus => {
  if (one.retryAfter !== other.retryAfter) return one.retryAfter < other.retryAfter ? one : other
  return severity[one.circuit] <= severity[other.circuit] ? one : other
}

const betterOfEach = (one: OperationStatuses, other: OperationStatuses): OperationStatuses => ({
  ...one,
  ...Object.fromEntries(
    operations.flatMap((operation) => {
      const [first, second] = [one[operation], other[operation]]
      // An account on which the operation is not in use has its circuit closed.
      return second === undefined ? [] : [[operation, first === undefined ? second : better(first, second)]]
    }),
  ),
})

/** That of one account. */
const ofAccount = (
  stores: Admission.Stores,
  candidate: Candidate.Candidate,
): Effect.Effect<Omit<AccountStatus, "account">> =>
  Effect.suspend(() => {
    const { health, keys, queue, repeated } = candidate
    const used = Operations.names.filter((operation) => repeated[operation].isUsed || health.permanent.has(operation))
    return Effect.map(
      Effect.all({
        chat: circuitStatus(stores, keys.chat),
        embeddings: circuitStatus(stores, keys.embeddings),
        count: circuitStatus(stores, keys.count),
        others: Effect.forEach(used, (operation) =>
          Effect.map(circuitStatus(stores, keys[operation]), (status) => [operation, status] as const),
        ),
      }),
      ({ chat, count, embeddings, others }) => {
        const each: OperationStatuses = { chat, embeddings, count, ...Object.fromEntries(others) }
        const shown: ReadonlyArray<readonly [Operation, CircuitStatus]> = [
          ["chat", chat],
          ["embeddings", embeddings],
          ...others,
        ]
        const answered = shown.filter(([operation]) => repeated[operation].isKnown)
        return {
          ...(answered.length === 0 ? shown : answered).map(([, status]) => status).reduce(worse),
          operations: each,
          inFlight: health.inFlight,
          waiting: queue.policy === undefined ? undefined : queue.waiting,
          latency: health.latency,
          firstToken: health.firstToken,
        }
      },
    )
  })

const circuitStatus = (stores: Admission.Stores, key: string): Effect.Effect<CircuitStatus> =>
  Effect.clockWith((clock) =>
    Effect.zipWith(
      Effect.orElseSucceed(stores.circuits.state(key), () => undefined),
      Admission.cooldownUntil(stores, key),
      (state, until): CircuitStatus => {
        const wait = state?._tag === "Open" ? Duration.toMillis(state.retryAfter) : 0
        const cooldown = Math.max(0, until - clock.currentTimeMillisUnsafe())
        return {
          circuit: state?._tag === "Open" ? "open" : state?._tag === "HalfOpen" ? "half-open" : "closed",
          retryAfter: Math.max(wait, cooldown),
          cooldown,
        }
      },
    ),
  )

const severity = { closed: 0, "half-open": 1, open: 2 }

const worse = (one: CircuitStatus, other: CircuitStatus): CircuitStatus => ({
  circuit: severity[one.circuit] >= severity[other.circuit] ? one.circuit : other.circuit,
  retryAfter: Math.max(one.retryAfter, other.retryAfter),
  cooldown: Math.max(one.cooldown, other.cooldown),
})

/** Ends the cooldowns of a deployment and closes its circuits, for all operations and of all its accounts. */
export const reset = ({ circuits, cooldowns }: Admission.Stores, candidate: Candidate.Candidate): Effect.Effect<void> =>
  Effect.forEach(
    Candidate.accountsOf(candidate),
    ({ health, keys }) =>
      Effect.forEach(
        operations,
        (operation) => {
          health.recordOutcome(operation, undefined)
          return Effect.andThen(cooldowns.end(keys[operation]), circuits.reset?.(keys[operation]) ?? Effect.void)
        },
        { discard: true },
      ),
    { discard: true },
  )
