/**
 * NVIDIA NeMo Switchyard, from PyPI: its server in Rust, which the package runs in a Python process, with a route that picks
 * one of two targets and falls back to the other.
 */
import { writeFileSync } from "node:fs"
import { join } from "node:path"
import { freePort, startForeign } from "../children.ts"
import type { Spec } from "../target.ts"
import { install } from "./python.ts"

/** Two targets need two models: of targets with one model and one client it keeps one. */
const routes = (upstream: number) => `schema_version = 1

[llm_clients.upstream]
format = "openai_chat"
base_url = "http://127.0.0.1:${upstream}/v1"
api_key_env = "UPSTREAM_KEY"

[targets.primary]
id = "stand-in"
llm_client = "upstream"

[targets.backup]
id = "stand-in-too"
llm_client = "upstream"

[routes.bench]
id = "bench"
type = "random"
targets = ["primary", "backup"]
`

const serve = `import signal, sys
from switchyard_rust.server import Server
server = Server(sys.argv[1], port=int(sys.argv[2]))
signal.pause()
`

export const switchyard: Spec = {
  name: "switchyard",
  title: "Switchyard",
  optional: true,
  start: async ({ folder, upstream }) => {
    const programs = await install("switchyard", "nemo-switchyard==0.3.0")
    const config = join(folder, "switchyard.toml")
    writeFileSync(config, routes(upstream.port))
    const port = await freePort()
    const child = await startForeign({
      name: "Switchyard",
      command: join(programs, "python"),
      args: ["-c", serve, config, `${port}`],
      cwd: folder,
      // It replaces the key wherever it occurs in an answer, so the key must be no text of an answer.
      env: { UPSTREAM_KEY: "understudy-benchmark", RUST_LOG: "warn" },
      url: `http://127.0.0.1:${port}/health`,
    })
    return { child, port, model: "bench", headers: {} }
  },
}
