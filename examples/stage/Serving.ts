/** The gateway as a process, with a configuration file of the examples. */
import { spawn } from "node:child_process"
import { once } from "node:events"
import { dirname, resolve } from "node:path"
import { fileURLToPath } from "node:url"

const at = (path: string) => fileURLToPath(new URL(path, import.meta.url))

export interface Serving {
  /** Its address, such as `http://127.0.0.1:4000`. */
  readonly url: string
  readonly stop: () => Promise<void>
}

/** Runs `understudy serve --config FILE` on a free port, in the directory of the file. Default: the examples. */
export const serve = async (file: string, environment: Record<string, string> = {}): Promise<Serving> => {
  const config = resolve(at(".."), file)
  const args = [at("../../packages/http/src/main.js"), "serve", "--port", "0", "--config", config]
  const gateway = spawn(process.execPath, args, {
    cwd: dirname(config),
    stdio: ["ignore", "pipe", "inherit"],
    env: { ...process.env, ...environment },
  })
  const url = await new Promise<string>((resolve, reject) => {
    let printed = ""
    gateway.stdout.on("data", (text) => {
      printed += text
      const found = /serves (http:\S+)\/v1/.exec(printed)
      if (found?.[1] !== undefined) resolve(found[1])
    })
    gateway.once("exit", () => reject(new Error(`the gateway did not start:\n${printed}`)))
  })
  return {
    url,
    stop: async () => {
      if (gateway.exitCode !== null) return
      gateway.kill("SIGINT")
      await once(gateway, "exit")
    },
  }
}
