import { assert, describe, it } from "@effect/vitest"
import * as Result from "effect/Result"
import * as Portkey from "../../src/import/portkey/Portkey.ts"
import { portkey } from "./imports.ts"

const openai = (model: string, more: object = {}) => ({
  provider: "openai",
  api_key: "sk-1",
  override_params: { model },
  ...more,
})

const anthropic = (model: string, more: object = {}) => ({ ...openai(model, more), provider: "anthropic" })

const targets: ReadonlyArray<readonly [target: object, deployment: object, report?: ReadonlyArray<string>]> = [
  [openai("gpt-4o"), { provider: "openai", apiKey: "sk-1", model: "gpt-4o" }],
  [
    openai("gpt-4o", { custom_host: "http://gpu:8000/v1", openai_organization: "org-1" }),
    { provider: "openai", apiKey: "sk-1", baseUrl: "http://gpu:8000/v1", organization: "org-1", model: "gpt-4o" },
  ],
  [
    anthropic("claude", { anthropic_beta: "context-1m" }),
    { provider: "anthropic", apiKey: "sk-1", headers: { "anthropic-beta": "context-1m" }, model: "claude" },
  ],
  [
    {
      provider: "azure-openai",
      api_key: "k",
      resource_name: "r",
      deployment_id: "d",
      api_version: "2025-01-01-preview",
    },
    {
      provider: "azure",
      apiKey: "k",
      endpoint: "https://r.openai.azure.com",
      apiVersion: "2025-01-01-preview",
      model: "d",
    },
  ],
  [
    {
      provider: "bedrock",
      aws_region: "us-east-1",
      aws_access_key_id: "id",
      aws_secret_access_key: "secret",
      aws_session_token: "token",
      override_params: { model: "us.amazon.nova-pro-v1:0" },
    },
    {
      provider: "bedrock",
      region: "us-east-1",
      accessKeyId: "id",
      secretAccessKey: "secret",
      sessionToken: "token",
      model: "us.amazon.nova-pro-v1:0",
    },
  ],
  [
    { provider: "groq", override_params: { model: "llama-3" } },
    { provider: "groq", model: "llama-3" },
  ],
  [
    { provider: "google", api_key: "k", override_params: { model: "gemini-2.5-flash" } },
    { provider: "gemini", apiKey: "k", model: "gemini-2.5-flash" },
  ],
  [
    {
      provider: "vertex-ai",
      vertex_project_id: "p",
      vertex_region: "us-east5",
      vertex_service_account_json: { type: "service_account" },
      override_params: { model: "anthropic.claude-sonnet-4-5@20250929" },
    },
    {
      provider: "vertex",
      project: "p",
      location: "us-east5",
      credentials: '{"type":"service_account"}',
      model: "claude-sonnet-4-5@20250929",
    },
  ],
  [
    { virtual_key: "vertex-prod", override_params: { model: "meta.llama-3.3-70b-instruct-maas" } },
    { provider: "vertex", model: "meta/llama-3.3-70b-instruct-maas" },
    ["virtual_key: is stored by Portkey: Google's Application Default Credentials are used instead"],
  ],
  [
    { provider: "ollama", custom_host: "http://gpu:11434", override_params: { model: "llama3" } },
    { provider: "ollama", baseUrl: "http://gpu:11434/v1", model: "llama3" },
  ],
  [
    { virtual_key: "anthropic-prod", overrideParams: { model: "claude", temperature: 0 } },
    { provider: "anthropic", apiKey: "${ANTHROPIC_PROD_API_KEY}", model: "claude", force: { temperature: 0 } },
    ["virtual_key: is stored by Portkey: read as anthropic, with its API key in ANTHROPIC_PROD_API_KEY"],
  ],
  [
    { override_params: { model: "@my-openai/gpt-4o" } },
    { provider: "openai", apiKey: "${MY_OPENAI_API_KEY}", model: "gpt-4o" },
    ["virtual_key: is stored by Portkey: read as openai, with its API key in MY_OPENAI_API_KEY"],
  ],
  [
    { provider: "@team-1", override_params: { model: "claude-x" } },
    { provider: "anthropic", apiKey: "${TEAM_1_API_KEY}", model: "claude-x" },
    ["virtual_key: is stored by Portkey: read as anthropic, with its API key in TEAM_1_API_KEY"],
  ],
  [
    openai("gpt-4o", {
      requestTimeout: 2500,
      retry: { attempts: 1 },
      cache: { mode: "semantic" },
      forward_headers: ["x"],
    }),
    {
      provider: "openai",
      apiKey: "sk-1",
      model: "gpt-4o",
      retry: { times: 1 },
      timeout: { attempt: "2500ms", firstToken: "2500ms" },
    },
    [
      "cache.mode: only exact matches are cached: no response cache",
      "forward_headers: has no equivalent: not imported",
    ],
  ],
]

describe("Portkey: a target", () => {
  for (const [target, deployment, report = []] of targets) {
    it(JSON.stringify(target), () => {
      const imported = portkey(target)
      assert.deepStrictEqual(Object.values(imported.deployments), [deployment] as never)
      assert.deepStrictEqual(imported.routes, { "*": Object.keys(imported.deployments)[0] })
      assert.deepStrictEqual(imported.report, report)
    })
  }

  it("without a model uses the model of the call", () => {
    const { deployments, routes } = portkey({ provider: "openai", api_key: "sk-1" })
    assert.deepStrictEqual(deployments, { "openai/*": { provider: "openai", apiKey: "sk-1", model: "*" } })
    assert.deepStrictEqual(routes, { "*": "openai/*" })
  })

  it("of an unsupported provider is reported without its secrets", () => {
    const nothing = Portkey.read({ provider: "sagemaker", api_key: "sk-secret" })
    const problems = Result.isFailure(nothing) ? nothing.failure : []
    assert.deepStrictEqual(
      problems.map(({ message, path }) => ({ path, message })),
      [
        { path: "provider", message: "the provider sagemaker is not supported: not imported" },
        { path: "", message: "has no target that can be imported" },
      ],
    )
    assert.isTrue(Result.isFailure(Portkey.read({ virtual_key: "pc-1234" })))
    assert.isTrue(Result.isFailure(Portkey.read(["a list"])))
    for (const mode of ["fallback", "loadbalance", "conditional", "single", "any"]) {
      assert.isTrue(Result.isFailure(Portkey.read({ strategy: { mode }, targets: [{ provider: "sagemaker" }] })), mode)
    }
  })
})

/** One of `strategy.conditions`. */
const condition = (query: object, target: string): unknown =>
  JSON.parse(`{"query":${JSON.stringify(query)},"then":"${target}"}`)

describe("Portkey: strategies", () => {
  it("fallback falls back on every error, or on the listed statuses only", () => {
    const two = [openai("gpt-4o"), anthropic("claude")]
    assert.deepStrictEqual(portkey({ strategy: { mode: "fallback" }, targets: two }).routes, {
      "*": { fallback: ["openai", "anthropic"], fallbackOn: "any" },
    })
    const { report, routes } = portkey({
      strategy: { mode: "fallback", onStatusCodes: [429, 503, 246] },
      targets: [...two, openai("gpt-4o-mini")],
    })
    const reasons = ["RateLimited", "QuotaExhausted", "Overloaded", "ServerError", "Network", "Malformed"]
    assert.deepStrictEqual(routes, {
      "*": {
        fallback: ["openai"],
        onError: [{ reasons, use: { fallback: ["anthropic"], onError: [{ reasons, use: "openai-2" }] } }],
      },
    })
    assert.deepStrictEqual(report, ["strategy.on_status_codes: 246 matches no failure reason: not imported"])
  })

  it("loadbalance shuffles by weight, with the weight of a nested balance shared by its targets", () => {
    const { deployments, report, routes } = portkey({
      strategy: { mode: "loadbalance" },
      targets: [
        openai("gpt-4o", { weight: 3 }),
        {
          weight: 1,
          strategy: { mode: "loadbalance" },
          targets: [anthropic("claude", { weight: 0.25 }), anthropic("claude-2", { weight: 0.75 })],
        },
      ],
    })
    assert.deepStrictEqual(routes, { "*": { balance: "shuffle", across: ["openai", "anthropic", "anthropic-2"] } })
    assert.deepStrictEqual(
      Object.values(deployments).map(({ weight }) => weight),
      [3, 0.25, 0.75],
    )
    assert.deepStrictEqual(report, [])
    const even = portkey({ strategy: { mode: "loadbalance" }, targets: [openai("a"), openai("b")] })
    assert.deepStrictEqual(
      Object.values(even.deployments).map(({ weight }) => weight),
      [undefined, undefined],
    )
  })

  it("loadbalance over fallbacks balances their first targets, and reports it", () => {
    const { report, routes } = portkey({
      strategy: { mode: "loadbalance" },
      targets: [
        openai("gpt-4o", { weight: 2 }),
        { strategy: { mode: "fallback" }, targets: [anthropic("claude"), openai("gpt-4o-mini")] },
      ],
    })
    assert.deepStrictEqual(routes, {
      "*": { fallback: [{ balance: "shuffle", across: ["openai", "anthropic"] }, "openai-2"], fallbackOn: "any" },
    })
    assert.deepStrictEqual(report, [
      "targets: a balance takes only deployments: it gets the first target of each inner fallback, and the other targets follow the balance",
    ])
  })

  it("single uses the first target", () => {
    const { report, routes } = portkey({ strategy: { mode: "single" }, targets: [openai("a"), openai("b")] })
    assert.deepStrictEqual(routes, { "*": "openai" })
    assert.deepStrictEqual(report, ["targets: only the first target is used: the others are not imported"])
  })

  it("conditional selects by metadata, and makes a route for each model name", () => {
    const { deployments, report, routes } = portkey({
      strategy: {
        mode: "conditional",
        conditions: [
          condition({ "metadata.plan": { $eq: "paid" } }, "big"),
          condition({ $and: [{ "params.model": "fastest" }, { "metadata.eu": { $in: ["yes", "1"] } }] }, "any"),
          condition({ $or: [{ "params.model": { $in: ["fastest", "quick"] } }, { "metadata.x": true }] }, "small"),
          condition({ "params.temperature": { $gt: 0.7 } }, "big"),
          condition({ "metadata.y": "z" }, "nobody"),
        ],
        default: "small",
      },
      targets: [
        { name: "big", ...openai("gpt-4o") },
        { name: "small", ...openai("gpt-4o-mini") },
        { name: "any", provider: "anthropic", api_key: "sk-1" },
      ],
    })
    const paid = { if: { metadata: { plan: "paid" } }, use: "big" }
    assert.deepStrictEqual(routes, {
      fastest: {
        when: [paid, { if: { metadata: { eu: "yes" } }, use: "any" }, { if: { metadata: { eu: "1" } }, use: "any" }],
        else: "small",
      },
      quick: { when: [paid], else: "small" },
      "*": { when: [paid, { if: { metadata: { x: "true" } }, use: "small" }], else: "small" },
    })
    assert.strictEqual(deployments["any"]?.["model"], "fastest")
    assert.deepStrictEqual(report, [
      "strategy.conditions[3].query: only equality of the model or of metadata is supported: not imported",
      "strategy.conditions[4].then: names no target that is imported: not imported",
    ])
  })

  it("sets the response cache of the whole configuration", () => {
    const targets = [openai("gpt-4o"), anthropic("claude", { cache: { mode: "simple", max_age: 60 } })]
    const { report, routes } = portkey({
      cache: { mode: "simple", maxAge: 600 },
      strategy: { mode: "loadbalance" },
      targets,
    })
    assert.deepStrictEqual(routes, {
      "*": { balance: "shuffle", across: ["openai", "anthropic"], cache: { ttl: "10m" } },
    })
    assert.deepStrictEqual(report, [
      "targets[1].cache: the cache is set for the whole configuration, not for a target: not imported",
    ])
  })

  it("decode at any nesting", () => {
    let state = 11
    const below = (limit: number) => {
      state = (Math.imul(state, 1_664_525) + 1_013_904_223) >>> 0
      return Math.floor((state / 2 ** 32) * limit)
    }
    const models = ["gpt-4o", "fastest", undefined]
    const target = (depth: number): object => {
      const common = {
        name: `t${below(4)}`,
        ...(below(3) === 0 ? { weight: below(4) } : undefined),
        ...(below(4) === 0 ? { request_timeout: 1 + below(900_000) } : undefined),
        ...(below(4) === 0 ? { retry: { attempts: below(6) } } : undefined),
      }
      const model = models[below(3)]
      if (depth === 0 || below(4) === 0) {
        return { ...common, provider: "openai", api_key: "sk-1", ...(model && { override_params: { model } }) }
      }
      const mode = ["fallback", "loadbalance", "conditional", "single"][below(4)]
      const strategy = {
        mode,
        ...(below(2) === 0 ? { on_status_codes: [[429], [400, 500, 241], [503]][below(3)] } : undefined),
        ...(below(2) === 0 ? { default: `t${below(4)}` } : undefined),
        conditions: [
          condition({ "params.model": models[below(2)] }, `t${below(4)}`),
          condition({ $or: [{ "metadata.a": "1" }, { "metadata.b": { $in: ["x", "y"] } }] }, `t${below(4)}`),
        ],
      }
      return { ...common, strategy, targets: Array.from({ length: 1 + below(3) }, () => target(depth - 1)) }
    }
    // It throws where the import does not decode.
    for (let run = 0; run < 200; run++) portkey(target(3))
  })

  it("inherits settings from the nearest enclosing target", () => {
    const { defaults, deployments, report } = portkey({
      retry: { attempts: 3, on_status_codes: [429] },
      request_timeout: 400_000,
      override_params: { model: "gpt-4o" },
      strategy: { mode: "fallback" },
      targets: [
        { provider: "openai", api_key: "a" },
        {
          provider: "openai",
          api_key: "b",
          retry: { attempts: 0 },
          request_timeout: 1000,
          override_params: { model: "o3" },
        },
      ],
    })
    const far = { attempt: "400s", firstToken: "400s" }
    const near = { attempt: "1s", firstToken: "1s" }
    assert.deepStrictEqual(deployments, {
      openai: { provider: "openai", apiKey: "a", model: "gpt-4o", retry: { times: 3 }, timeout: far },
      "openai-2": { provider: "openai", apiKey: "b", model: "o3", retry: { times: 0 }, timeout: near },
    })
    assert.deepStrictEqual(defaults, { timeout: { total: "400s" } })
    assert.deepStrictEqual(report, [
      "retry.on_status_codes: the statuses that are retried are fixed, 429, 500, 502, 503, 504, 529: not imported",
    ])
  })
})
