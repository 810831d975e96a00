/** A web service over providers by priority: one is down, the next answers, and the activity log shows why. */
import * as FaultServer from "@understudy/providers/testing"
import { Console, Effect } from "effect"
import { mkdtempSync, readFileSync, rmSync, writeFileSync } from "node:fs"
import { tmpdir } from "node:os"
import { join } from "node:path"
import { successor } from "./stage/models.ts"
import { serve } from "./stage/Serving.ts"
import { says } from "./stage/Stage.ts"

const keys = ["GROQ_API_KEY", "TOGETHER_LLAMA_API_KEY"]
const live = keys.every((key) => process.env[key])
const providers = readFileSync(join(import.meta.dirname, "web-service", "providers.yaml"), "utf8")

const program = Effect.gen(function* () {
  const vendors = yield* FaultServer.make()
  yield* vendors.script("llama-3.1-8b-instant", "503")
  yield* vendors.script("meta-llama/Llama-3-70b-chat-hf", [says("Virat Kohli is an Indian international cricketer.")])

  // With keys: the vendors, with the successors of the models. Without: local servers, with the models of the file.
  const yaml = live
    ? providers.replaceAll(/(?<=model: ")[^"]+/g, successor)
    : providers.replaceAll(/https:\/\/[^/]+(\/openai)?(?=\/v1)/g, vendors.url)
  const folder = yield* Effect.acquireRelease(
    Effect.sync(() => mkdtempSync(join(tmpdir(), "web-service-"))),
    (folder) => Effect.sync(() => rmSync(folder, { recursive: true })),
  )
  writeFileSync(join(folder, "providers.yaml"), yaml)

  const environment = live ? {} : Object.fromEntries(keys.map((key) => [key, "offline"]))
  const gateway = yield* Effect.acquireRelease(
    Effect.promise(() => serve(join(folder, "providers.yaml"), environment)),
    ({ stop }) => Effect.promise(stop),
  )
  const send = (path: string, init?: RequestInit) =>
    Effect.promise(async () => (await fetch(`${gateway.url}${path}`, init)).json() as Promise<Record<string, unknown>>)
  const generate = (prompt: string) =>
    send("/api/generate", {
      method: "POST",
      headers: { "content-type": "application/json" },
      body: JSON.stringify({ prompt }),
    })
  const print = (answer: unknown) => Console.log(JSON.stringify(answer, undefined, 2))

  yield* print(yield* generate("Who is Virat Kohli?"))
  // The provider that failed is skipped for a time.
  yield* print(yield* generate("And where does he play?"))
  yield* print(yield* send("/api/providers"))
  yield* Effect.promise(gateway.stop)
  yield* Console.log(readFileSync(join(folder, "logs", "usage.log"), "utf8"))
})

await Effect.runPromise(Effect.scoped(program))
