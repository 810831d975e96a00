/** Prints the address of each module that is loaded. Loaded by `--import` before the program. */
import { registerHooks } from "node:module"

registerHooks({
  load: (url, context, next) => {
    process.stdout.write(`loaded ${url}\n`)
    return next(url, context)
  },
})
