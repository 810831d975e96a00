/**
 * The command `understudy` with its subcommands.
 */
import * as NodeRuntime from "@effect/platform-node/NodeRuntime"
import * as NodeServices from "@effect/platform-node/NodeServices"
import * as Command from "effect/cli/Command"
import * as Console from "effect/Console"
import * as Effect from "effect/Effect"
import * as Runtime from "effect/Runtime"
import "effect/schema/SchemaJITCompiler/enable"
import { budgets, calls, faults, keys, record, reload, shadows, spend, splits, teams } from "./admin/Commands.ts"
import { check } from "./Check.ts"
import { demo } from "./demo/Demo.ts"
import { draw } from "./Draw.ts"
import { explain } from "./Explain.ts"
import { importing } from "./Import.ts"
import { replay, simulate, tape, tune } from "./rehearsal/Commands.ts"
import { serve } from "./Serve.ts"
import { version } from "../telemetry/Version.ts"
import * as Signals from "./Signals.ts"

const understudy = Command.make("understudy").pipe(
  Command.withDescription("An LLM gateway with fallback between providers"),
  Command.withSubcommands([
    serve,
    check,
    explain,
    draw,
    simulate,
    replay,
    tune,
    importing,
    tape,
    demo,
    keys,
    teams,
    budgets,
    spend,
    calls,
    shadows,
    splits,
    reload,
    faults,
    record,
  ]),
)

/** Whether the command has already printed its error. */
const isReported = (error: object): boolean => Runtime.errorReported in error && error[Runtime.errorReported] === false

/** Runs the process's arguments, and ends the process with the command's exit code. */
export const run = (): void => {
  const second = Signals.exitOnSecond()
  Command.run(understudy, { version }).pipe(
    Effect.tapError((error) => (isReported(error) ? Effect.void : Console.error(error.message))),
    Effect.tapDefect((defect) => Console.error(defect)),
    Effect.provideService(Signals.SecondSignal, second),
    Effect.provide(NodeServices.layer),
    NodeRuntime.runMain({ disableErrorReporting: true }),
  )
}
