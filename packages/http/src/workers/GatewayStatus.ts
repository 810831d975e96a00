/**
 * The status of each deployment for the whole gateway, where it has several workers: circuits and cooldowns are those of all,
 * calls in flight are added, and of latencies the mean is taken.
 */
import { Router } from "@understudy/core/Router"
import type { Health, Status } from "@understudy/core/Router"
import * as Effect from "effect/Effect"
import * as Option from "effect/Option"
import { MainProcess } from "./MainProcess.ts"

/** Answers other workers that ask for the status of this one, until the scope closes. */
export const answer = Effect.gen(function* () {
  const { status } = yield* Router
  const main = yield* Effect.serviceOption(MainProcess)
  if (Option.isSome(main)) yield* main.value.answer("providers", () => Effect.map(status, (all) => JSON.stringify(all)))
})

/** The status of each deployment at this moment, by all workers. */
export const make = Effect.gen(function* () {
  const { status } = yield* Router
  const main = yield* Effect.serviceOption(MainProcess)
  if (Option.isNone(main)) return status
  return Effect.map(
    Effect.all([status, main.value.ask("everyone", { topic: "providers", text: "" })]),
    ([own, answers]): ReadonlyArray<Status> => {
      const all = answers.flatMap((answer): ReadonlyArray<Status> => (answer === "" ? [] : JSON.parse(answer)))
      return own.map((status) =>
        combine(
          status,
          all.filter(({ deployment }) => deployment === status.deployment),
        ),
      )
    },
  )
})

const combine = (own: Status, all: ReadonlyArray<Status>): Status => ({
  ...combineHealth(own, all),
  ...(own.accounts === undefined
    ? undefined
    : {
        accounts: own.accounts.map((account) =>
          combineHealth(
            account,
            all.flatMap(({ accounts = [] }) => accounts.filter((each) => each.account === account.account)),
          ),
        ),
      }),
})

const combineHealth = <A extends Health>(own: A, all: ReadonlyArray<Health>): A => ({
  ...own,
  inFlight: all.reduce((sum, { inFlight }) => sum + inFlight, 0),
  latency: mean(all.map(({ latency }) => latency)),
  firstToken: mean(all.map(({ firstToken }) => firstToken)),
})

const mean = (values: ReadonlyArray<number | undefined>): number | undefined => {
  const known = values.filter((value) => value !== undefined)
  return known.length === 0 ? undefined : known.reduce((sum, value) => sum + value, 0) / known.length
}
