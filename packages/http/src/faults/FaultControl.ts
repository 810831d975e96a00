/**
 * Switches faults on and off for the whole gateway: with several workers, in all of them, in the order in which the main
 * process is asked.
 */
import { InvalidFaultInjection, Router } from "@understudy/core/Router"
import type { FaultInjection } from "@understudy/core/Router"
import * as Clock from "effect/Clock"
import * as Duration from "effect/Duration"
import * as Effect from "effect/Effect"
import * as Option from "effect/Option"
import type * as Scope from "effect/Scope"
import { MainProcess } from "../workers/MainProcess.ts"
import type { FaultsJson } from "./FaultJson.ts"
import * as FaultJson from "./FaultJson.ts"

export interface FaultControl {
  /** Every deployment and route with faults. */
  readonly status: Effect.Effect<ReadonlyArray<FaultsJson>>
  /** Switches faults on until `until`, in clock milliseconds. `faults`: the names of those; all by default. */
  readonly start: (start: Start) => Effect.Effect<FaultsJson, InvalidFaultInjection>
  /** Switches off what is on of a target, or of all. Returns the targets that were on. */
  readonly stop: (target: string | undefined) => Effect.Effect<ReadonlyArray<string>, InvalidFaultInjection>
}

export interface Start {
  readonly target: string
  readonly until: number
  readonly faults: ReadonlyArray<string> | undefined
}

/** What a worker is asked to do, and how often it was asked to change something. */
type Command =
  | ({ readonly type: "start" } & Start)
  | { readonly type: "stop"; readonly target: string | undefined }
  | { readonly type: "active" }

/** The result of a command, or why it failed, as JSON. */
type Answer =
  | { readonly value: unknown }
  | { readonly error: { readonly field: InvalidFaultInjection["field"]; readonly message: string } }

/** The control of this process, or of all workers if it is one of several. */
export const make: Effect.Effect<FaultControl, never, Router | Scope.Scope> = Effect.gen(function* () {
  const { faults } = yield* Router
  const own = ofProcess(faults)
  const main = yield* Effect.serviceOption(MainProcess)
  if (Option.isNone(main)) return own
  const { answer, ask } = main.value
  const scope = yield* Effect.scope
  let changes = 0

  const run = (command: Command): Effect.Effect<Answer> => {
    switch (command.type) {
      case "start":
        changes++
        return answered(own.start(command))
      case "stop":
        changes++
        return answered(own.stop(command.target))
      case "active":
        return answered(activeOf(faults))
    }
  }

  const askAll = (command: Command): Effect.Effect<ReadonlyArray<Answer>> =>
    Effect.map(ask("everyone", { topic: "faults", text: JSON.stringify(command) }), (answers) =>
      answers.flatMap((text): ReadonlyArray<Answer> => (text === "" ? [] : [JSON.parse(text)])),
    )

  /** The workers do one thing: the first answer is that of all. A worker without an answer does it when it can. */
  const everywhere = <A>(command: Command): Effect.Effect<A, InvalidFaultInjection> =>
    Effect.flatMap(askAll(command), ([first]) =>
      Effect.flatMap(first === undefined ? run(command) : Effect.succeed(first), (answer) =>
        "error" in answer ? Effect.fail(new InvalidFaultInjection(answer.error)) : Effect.succeed(answer.value as A),
      ),
    )

  /** Switches on what is on in the other workers, of a worker that has started after them. */
  const catchUp: Effect.Effect<void> = Effect.suspend(() => {
    const before = changes
    return Effect.flatMap(askAll({ type: "active" }), (answers) => {
      // What it was asked meanwhile came before or after the answers: they are read again.
      if (changes !== before) return catchUp
      const active = answers.flatMap((answer) => ("error" in answer ? [] : (answer.value as ReadonlyArray<Start>)))
      const starts = new Map(active.map((start) => [start.target, start]))
      return Effect.forEach(starts.values(), (start) => Effect.ignore(own.start(start)), { discard: true })
    })
  })

  yield* answer("faults", (text) =>
    text === ""
      ? Effect.as(Effect.forkIn(catchUp, scope), "")
      : Effect.map(run(JSON.parse(text)), (answer) => JSON.stringify(answer)),
  )
  return {
    status: own.status,
    start: (start) => everywhere({ type: "start", ...start }),
    stop: (target) => everywhere({ type: "stop", target }),
  }
})

/** The control of one process. */
const ofProcess = ({ start, status, stop }: FaultInjection): FaultControl => ({
  status: Effect.map(status, (all) => all.map(FaultJson.of)),
  start: ({ faults, target, until }) =>
    Effect.flatMap(Clock.currentTimeMillis, (now) =>
      Effect.map(start(target, { for: Duration.millis(until - now), faults }), FaultJson.of),
    ),
  stop,
})

/** What is on, as it would be switched on. */
const activeOf = ({ status }: FaultInjection): Effect.Effect<ReadonlyArray<Start>> =>
  Effect.map(status, (all) =>
    all
      .map(FaultJson.of)
      .flatMap(({ active, target }) =>
        active === null ? [] : [{ target, until: Date.parse(active.until), faults: active.faults }],
      ),
  )

const answered = <A>(result: Effect.Effect<A, InvalidFaultInjection>): Effect.Effect<Answer> =>
  Effect.match(result, {
    onSuccess: (value): Answer => ({ value }),
    onFailure: ({ field, message }): Answer => ({ error: { field, message } }),
  })
