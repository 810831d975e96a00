/** Sends SIGHUP to its own process when the command is loaded. Loaded by `--import` before the program. */
import { registerHooks } from "node:module"

registerHooks({
  load: (url, context, next) => {
    if (url.endsWith("/cli/Understudy.ts")) {
      process.stdout.write(`SIGHUP while ${url} is loaded\n`)
      process.kill(process.pid, "SIGHUP")
    }
    return next(url, context)
  },
})
