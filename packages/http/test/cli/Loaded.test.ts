/** The modules that `serve` loads, by its configuration. */
import { afterAll, assert, describe, it } from "@effect/vitest"
import { fileURLToPath } from "node:url"
import { clean, start } from "./Process.ts"

afterAll(clean)

const preload = fileURLToPath(new URL("./loaded.js", import.meta.url))

const configuration = (deployment: string) => `deployments:\n  only: ${deployment}\n`

/** The loaded packages, and the loaded modules of ours by their path in `packages`. */
const loaded = async (deployment: string) => {
  const process = start(["--config", "only.yaml", "--port", "0"], {
    files: { "only.yaml": configuration(deployment) },
    node: ["--import", preload],
  })
  await process.says(/serves http/)
  const urls = [...process.printed().matchAll(/^loaded (file:.*)$/gm)].map(([, url = ""]) => url)
  return {
    packages: [
      ...new Set(urls.flatMap((url) => /.*\/node_modules\/((?:@[^/]+\/)?[^/]+)\//.exec(url)?.[1] ?? [])),
    ].sort(),
    ours: urls.flatMap((url) => /\/packages\/(\w+\/src\/.*)$/.exec(url)?.[1] ?? []),
    all: urls,
  }
}

const always = ["@effect/platform-node", "@effect/platform-node-shared", "effect", "ws"]

/** Modules of ours that only some configurations, or other commands, need. */
const optional =
  /^providers\/src\/(?:anthropic|bedrock|gemini|testing|import\/(?:litellm|portkey|priorities)|simulated\/(?:Answer|Simulated|Vectors)|openai\/(?:OpenAi|Azure)|vertex|protocols\/converse)\b|^http\/src\/(?:state|rehearsal|cli\/demo|cli\/admin|cli\/rehearsal)\/|^core\/src\/(?:rehearsal\/(?!tape\/)|Rehearsal)/

/** Of `optional`, what the grammar of the configuration and of the command line needs. */
const small = [
  "http/src/cli/admin/Commands.ts",
  "http/src/cli/demo/Demo.ts",
  "http/src/cli/rehearsal/Commands.ts",
  "providers/src/bedrock/Guardrail.ts",
  "providers/src/vertex/Api.ts",
]

const optionalOf = (ours: ReadonlyArray<string>) =>
  ours.filter((path) => optional.test(path) && !small.includes(path)).sort()

describe.concurrent("the modules of serve", () => {
  it("are those of one vendor for a deployment of OpenAI", async () => {
    const { all, ours, packages } = await loaded("{ provider: openai, model: gpt-4o, apiKey: x }")
    assert.deepStrictEqual(packages, [...always, "@pydantic/genai-prices", "openai", "undici"].sort())
    assert.deepStrictEqual(optionalOf(ours), ["providers/src/openai/OpenAi.ts"])
    assert.deepStrictEqual(
      all.filter((url) => /\/http-api\/|\/effect\/(?:dist|src)\/sql\//.test(url)),
      [],
    )
    assert.deepStrictEqual(
      all.filter((url) => /undici\/lib\/(?:web|mock|interceptor|cache)\//.test(url)),
      [],
    )
  })

  it("are those of one vendor for a deployment of Anthropic", async () => {
    const { ours, packages } = await loaded("{ provider: anthropic, model: claude-sonnet-4-5, apiKey: x }")
    assert.includeMembers([...packages], ["@anthropic-ai/sdk", ...always, "undici"])
    assert.deepStrictEqual(
      packages.filter((name) => /^(?:openai|@google\/|google-auth-library|@aws-sdk\/|@smithy\/|redis$)/.test(name)),
      [],
    )
    assert.deepStrictEqual(optionalOf(ours), [
      "providers/src/anthropic/Anthropic.ts",
      "providers/src/anthropic/Errors.ts",
    ])
  })

  it("are those of Claude's protocol for a deployment of Claude on Vertex AI", async () => {
    const { ours, packages } = await loaded(
      "{ provider: vertex, model: claude-sonnet-4-5@20250929, project: p, location: global }",
    )
    assert.includeMembers([...packages], ["@anthropic-ai/sdk", "google-auth-library", ...always, "undici"])
    assert.deepStrictEqual(
      packages.filter((name) => /^(?:openai|@google\/|@aws-sdk\/|@smithy\/|redis$)/.test(name)),
      [],
    )
    assert.deepStrictEqual(optionalOf(ours), [
      "providers/src/anthropic/Errors.ts",
      "providers/src/gemini/Errors.ts",
      ...["Access", "Claude", "Connection", "Credentials", "Errors", "Location", "TokenFetch", "Tokens", "Vertex"].map(
        (name) => `providers/src/vertex/${name}.ts`,
      ),
    ])
  })

  it("include no prices for a deployment with its own", async () => {
    const { packages } = await loaded(
      "{ provider: openai, model: gpt-4o, apiKey: x, price: { input: 2.5, output: 10 } }",
    )
    assert.deepStrictEqual(packages, [...always, "openai", "undici"].sort())
  })

  it("include no SDK for a simulated deployment", async () => {
    const { ours, packages } = await loaded("{ provider: simulated, model: any }")
    assert.deepStrictEqual(packages, always)
    assert.deepStrictEqual(optionalOf(ours), [
      "providers/src/simulated/Answer.ts",
      "providers/src/simulated/Simulated.ts",
      "providers/src/simulated/Vectors.ts",
    ])
  })
})
