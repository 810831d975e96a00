/** LiteLLM's proxy, from PyPI: a fallback from one model to another. It does not start without a master key. */
import { writeFileSync } from "node:fs"
import { join } from "node:path"
import { freePort, startForeign } from "../children.ts"
import type { Spec } from "../target.ts"
import { install } from "./python.ts"

const key = "sk-understudy-benchmark"

export const litellm: Spec = {
  name: "litellm",
  title: "LiteLLM",
  optional: true,
  start: async ({ folder, upstream }) => {
    const programs = await install("litellm", "litellm[proxy]==1.108.7")
    const model = (name: string) => ({
      model_name: name,
      litellm_params: { model: "openai/stand-in", api_base: `http://127.0.0.1:${upstream.port}/v1`, api_key: "x" },
    })
    const config = join(folder, "litellm.yaml")
    const models = [model("bench"), model("backup")]
    writeFileSync(
      config,
      JSON.stringify({ model_list: models, router_settings: { fallbacks: [{ bench: ["backup"] }] } }),
    )
    const port = await freePort()
    const child = await startForeign({
      name: "LiteLLM",
      command: join(programs, "litellm"),
      args: ["--config", config, "--host", "127.0.0.1", "--port", `${port}`, "--num_workers", "1"],
      cwd: folder,
      // The table of prices comes with the package; without this it is fetched first.
      env: { LITELLM_MASTER_KEY: key, LITELLM_LOCAL_MODEL_COST_MAP: "True", LITELLM_LOG: "ERROR" },
      url: `http://127.0.0.1:${port}/health/liveliness`,
    })
    return { child, port, model: "bench", headers: { authorization: `Bearer ${key}` } }
  },
}
