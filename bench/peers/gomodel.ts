/** GoModel, by the Go module proxy: one provider, with retries and a circuit breaker. */
import { existsSync } from "node:fs"
import { join } from "node:path"
import { cache, run } from "../cache.ts"
import { freePort, startForeign } from "../children.ts"
import type { Spec } from "../target.ts"

const folder = join(cache, "gomodel")
const program = join(folder, "gomodel")

export const gomodel: Spec = {
  name: "gomodel",
  title: "GoModel",
  optional: true,
  start: async (setting) => {
    if (!existsSync(program)) {
      await run("go", ["install", "github.com/enterpilot/gomodel/cmd/gomodel@latest"], {
        env: { ...process.env, GOBIN: folder },
      })
    }
    const port = await freePort()
    const child = await startForeign({
      name: "GoModel",
      command: program,
      args: [],
      cwd: setting.folder,
      env: {
        PORT: `${port}`,
        OPENAI_API_KEY: "x",
        OPENAI_BASE_URL: `http://127.0.0.1:${setting.upstream.port}/v1`,
        OPENAI_MODELS: "stand-in",
        CONFIGURED_PROVIDER_MODELS_MODE: "allowlist",
        // As Understudy does: metrics, and no log of usage.
        METRICS_ENABLED: "true",
        USAGE_ENABLED: "false",
        LOG_LEVEL: "error",
      },
      url: `http://127.0.0.1:${port}/health`,
    })
    return { child, port, model: "stand-in", headers: {} }
  },
}
