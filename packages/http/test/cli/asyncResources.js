/** Counts the `AsyncResource`s of Effect's fibres, and prints their number at the end. Loaded by `--import`. */
import { createHook } from "node:async_hooks"

let fibres = 0
createHook({
  init: (_id, type) => {
    if (type === "effect/Fiber") fibres += 1
  },
}).enable()

process.on("exit", () => process.stdout.write(`resources of fibres: ${fibres}\n`))
