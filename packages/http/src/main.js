#!/usr/bin/env node
/**
 * The command `understudy`: settings of Node, and the command itself, which is loaded under them.
 *
 * JavaScript, because what is loaded before the compile cache is on, is compiled at each start: for one file of TypeScript
 * Node loads its compiler, 12 MB.
 */
import { enableCompileCache } from "node:module"
import { fileURLToPath } from "node:url"
import { setFlagsFromString } from "node:v8"

// SIGHUP ends no server: not while the modules load, nor once `serve` has taken its own handler back.
if (process.argv.includes("serve")) process.on("SIGHUP", () => {})

// Rehearsals allocate so fast that V8 gives new objects 128 MB, and old ones four times what they need, before it collects
// them. The first can be bounded only when a process starts: it starts again, in place. Windows cannot.
const young = "--max-semi-space-size"
if (
  ["simulate", "replay", "tune"].includes(process.argv[2] ?? "") &&
  process.platform !== "win32" &&
  ![...process.execArgv, process.env.NODE_OPTIONS ?? ""].some((given) => given.includes(young))
) {
  const small = [`${young}=8`, "--heap-growing-percent=50"]
  process.execve(process.execPath, [process.execPath, ...small, ...process.execArgv, ...process.argv.slice(1)])
}

// V8 takes objects of running calls for long-lived ones. Allocated in the old generation, each would keep its call in memory
// until a full collection.
setFlagsFromString("--no-allocation-site-pretenuring")

// Beside the code, since who can write the cache decides what is run. A folder that cannot be written is left out.
enableCompileCache(fileURLToPath(new URL("../node_modules/.cache/understudy", import.meta.url)))

// Effect's fibres keep Node's asynchronous context at every wait, each time in a new `AsyncResource`: a tenth of a call's CPU
// time, for a context that nothing here reads. Effect looks for the class when it is loaded, and works without it.
const { getBuiltinModule } = process
process.getBuiltinModule = (id) => (id === "node:async_hooks" ? undefined : getBuiltinModule(id))
const { run } = await import("./cli/Understudy.ts")
process.getBuiltinModule = getBuiltinModule

run()
