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
  Command.withDescription("An LLM gateway that answers from whichever provider can still speak"),
  Command.withSubcommands([serve, check, explain, draw, importing, demo]),
)

// Objects of calls under way look long-lived to V8: made in the old generation, each would keep its whole call in memory
// until a full collection.
setFlagsFromString("--no-allocation-site-pretenuring")

// The first signal drains, the second does not wait.
let signals = 0
const impatient = () => {
  if (++signals > 1) process.exit(130)
}
process.on("SIGINT", impatient)
process.on("SIGTERM", impatient)

/** A command that has said itself what was wrong leaves nothing to print. */
const isTold = (error: object): boolean => Runtime.errorReported in error && error[Runtime.errorReported] === false

Command.run(understudy, { version }).pipe(
  Effect.tapError((error) => (isTold(error) ? Effect.void : Console.error(error.message))),
  Effect.provide(NodeServices.layer),
  NodeRuntime.runMain({ disableErrorReporting: true }),
)
