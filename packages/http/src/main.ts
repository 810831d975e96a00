#!/usr/bin/env node
/**
 * The command `understudy`.
 */
import * as NodeRuntime from "@effect/platform-node/NodeRuntime"
import * as NodeServices from "@effect/platform-node/NodeServices"
import * as Command from "effect/cli/Command"
import * as Console from "effect/Console"
import * as Effect from "effect/Effect"
import * as Runtime from "effect/Runtime"
import "effect/schema/SchemaJITCompiler/enable"
import { readFileSync } from "node:fs"
import { setFlagsFromString } from "node:v8"
import { check } from "./cli/Check.ts"
import { demo } from "./cli/demo/Demo.ts"
import { draw } from "./cli/Draw.ts"
import { explain } from "./cli/Explain.ts"
import { importing } from "./cli/Import.ts"
import { serve } from "./cli/Serve.ts"

const { version }: { readonly version: string } = JSON.parse(
  readFileSync(new URL("../package.json", import.meta.url), "utf8"),
)

const understudy = Command.make("understudy").pipe(
  Command.withDescription("An LLM gateway with fallback between providers"),
  Command.withSubcommands([serve, check, explain, draw, importing, demo]),
)

// V8 takes objects of running calls for long-lived ones. Allocated in the old generation, each would keep its call in memory
// until a full collection.
setFlagsFromString("--no-allocation-site-pretenuring")

// The first signal drains, the second exits at once.
let signals = 0
const exitOnSecond = () => {
  if (++signals > 1) process.exit(130)
}
process.on("SIGINT", exitOnSecond)
process.on("SIGTERM", exitOnSecond)

/** Whether the command has already printed its error. */
const isReported = (error: object): boolean => Runtime.errorReported in error && error[Runtime.errorReported] === false

Command.run(understudy, { version }).pipe(
  Effect.tapError((error) => (isReported(error) ? Effect.void : Console.error(error.message))),
  Effect.provide(NodeServices.layer),
  NodeRuntime.runMain({ disableErrorReporting: true }),
)
