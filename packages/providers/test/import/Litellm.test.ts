import { assert, describe, it } from "@effect/vitest"
import * as Yaml from "effect/encoding/Yaml"
import * as Result from "effect/Result"
import * as Litellm from "../../src/import/litellm/Litellm.ts"
import { litellm } from "./imports.ts"

/** One deployment with these parameters, what it becomes, and what is said of it. */
const vendors: ReadonlyArray<readonly [params: string, deployment: object, report?: ReadonlyArray<string>]> = [
  ["model: openai/gpt-4o, api_key: sk-1", { provider: "openai", model: "gpt-4o", apiKey: "sk-1" }],
  ["model: gpt-4o-mini", { provider: "openai", model: "gpt-4o-mini" }],
  ["model: o3", { provider: "openai", model: "o3" }],
  [
    "model: openai/llama, api_base: os.environ/MY_BASE, api_key: os.environ/MY_KEY, organization: org-1",
    { provider: "openai", model: "llama", apiKey: "${MY_KEY}", baseUrl: "${MY_BASE}", organization: "org-1" },
  ],
  [
    "model: my/model, custom_llm_provider: openai, api_base: 'http://127.0.0.1:1/v1'",
    { provider: "openai", model: "my/model", baseUrl: "http://127.0.0.1:1/v1" },
  ],
  [
    "model: azure/my-deployment, api_base: 'https://r.openai.azure.com/openai/deployments/my-deployment', api_version: preview",
    {
      provider: "azure",
      model: "my-deployment",
      apiKey: "${AZURE_API_KEY}",
      endpoint: "https://r.openai.azure.com",
    },
  ],
  [
    "model: azure/d, api_base: os.environ/MY_BASE, api_key: k, api_version: 2024-10-21, extra_headers: { x: '1' }",
    {
      provider: "azure",
      model: "d",
      apiKey: "k",
      endpoint: "${MY_BASE}",
      apiVersion: "2024-10-21",
      headers: { x: "1" },
    },
  ],
  [
    "model: azure/d, api_version: os.environ/AZURE_API_VERSION",
    {
      provider: "azure",
      model: "d",
      apiKey: "${AZURE_API_KEY}",
      endpoint: "${AZURE_API_BASE}",
      apiVersion: "${AZURE_API_VERSION}",
    },
  ],
  [
    "model: azure/d, api_base: 'https://r.example/', api_key: k, api_version: '2024-06-01'",
    { provider: "azure", model: "d", apiKey: "k", endpoint: "https://r.example" },
    [
      "model_list[0].litellm_params.api_version: does not know all that is sent: Azure is asked by its API that has no versions",
    ],
  ],
  [
    "model: anthropic/claude-sonnet-4-5, api_base: 'https://proxy.example/v1/messages', extra_headers: { anthropic-beta: x }",
    {
      provider: "anthropic",
      model: "claude-sonnet-4-5",
      baseUrl: "https://proxy.example",
      headers: { "anthropic-beta": "x" },
    },
  ],
  ["model: claude-haiku-4-5", { provider: "anthropic", model: "claude-haiku-4-5" }],
  [
    "model: 'bedrock/us.anthropic.claude-sonnet-4-5-20250929-v1:0', aws_region_name: us-east-1, aws_profile_name: main",
    {
      provider: "bedrock",
      model: "us.anthropic.claude-sonnet-4-5-20250929-v1:0",
      region: "us-east-1",
      profile: "main",
    },
  ],
  [
    "model: bedrock/converse/us.amazon.nova-pro-v1, aws_access_key_id: os.environ/ID, aws_secret_access_key: os.environ/SECRET, aws_session_token: os.environ/TOKEN",
    {
      provider: "bedrock",
      model: "us.amazon.nova-pro-v1",
      accessKeyId: "${ID}",
      secretAccessKey: "${SECRET}",
      sessionToken: "${TOKEN}",
    },
  ],
  [
    "model: bedrock/us-west-2/meta.llama3-70b, aws_bedrock_runtime_endpoint: 'https://vpce.example', aws_role_name: 'arn:aws:iam::1:role/x', aws_session_name: understudy",
    {
      provider: "bedrock",
      model: "meta.llama3-70b",
      region: "us-west-2",
      roleArn: "arn:aws:iam::1:role/x",
      roleSessionName: "understudy",
      endpoint: "https://vpce.example",
    },
  ],
  ["model: groq/llama-3.3-70b", { provider: "groq", model: "llama-3.3-70b" }],
  [
    "model: groq/llama-3.3-70b, api_base: 'http://proxy.example/v1', extra_headers: { x: '1' }",
    {
      provider: "groq",
      model: "llama-3.3-70b",
      apiKey: "${GROQ_API_KEY}",
      baseUrl: "http://proxy.example/v1",
      headers: { x: "1" },
    },
  ],
  [
    "model: together_ai/meta-llama/Llama-3-70b",
    { provider: "together", model: "meta-llama/Llama-3-70b", apiKey: "${TOGETHERAI_API_KEY}" },
  ],
  [
    "model: fireworks_ai/llama-v3, api_key: os.environ/FIREWORKS",
    { provider: "fireworks", model: "accounts/fireworks/models/llama-v3", apiKey: "${FIREWORKS}" },
  ],
  [
    "model: openrouter/anthropic/claude, api_key: k",
    { provider: "openrouter", model: "anthropic/claude", apiKey: "k" },
  ],
  ["model: gemini/gemini-2.5-flash", { provider: "gemini", model: "gemini-2.5-flash" }],
  [
    "model: gemini/gemini-2.5-pro, api_key: os.environ/GOOGLE_API_KEY, api_base: 'https://proxy.example/google/v1beta/'",
    {
      provider: "gemini",
      model: "gemini-2.5-pro",
      apiKey: "${GOOGLE_API_KEY}",
      baseUrl: "https://proxy.example/google",
      apiVersion: "v1beta",
    },
  ],
  ["model: deepseek/deepseek-chat", { provider: "deepseek", model: "deepseek-chat" }],
  ["model: mistral/mistral-large-latest", { provider: "mistral", model: "mistral-large-latest" }],
  ["model: xai/grok-4", { provider: "xai", model: "grok-4" }],
  [
    "model: cerebras/llama-3.3-70b",
    {
      provider: "openai",
      model: "llama-3.3-70b",
      apiKey: "${CEREBRAS_API_KEY}",
      baseUrl: "https://api.cerebras.ai/v1",
    },
  ],
  [
    "model: ollama/llama3, api_base: 'http://gpu:11434'",
    { provider: "ollama", model: "llama3", baseUrl: "http://gpu:11434/v1" },
  ],
  ["model: ollama_chat/llama3", { provider: "ollama", model: "llama3" }],
  [
    "model: hosted_vllm/qwen, api_base: 'http://gpu:8000/v1'",
    { provider: "vllm", model: "qwen", baseUrl: "http://gpu:8000/v1" },
  ],
]

describe("LiteLLM: vendors", () => {
  for (const [params, deployment, report = []] of vendors) {
    it(params, () => {
      const imported = litellm(`model_list: [{ model_name: m, litellm_params: { ${params} } }]`)
      assert.deepStrictEqual(imported.deployments, { m: deployment } as never)
      assert.deepStrictEqual(imported.routes, {})
      assert.deepStrictEqual(imported.report, report)
    })
  }

  it("tells of what nobody speaks, and goes on without it", () => {
    const { deployments, report } = litellm(`
model_list:
  - { model_name: a, litellm_params: { model: vertex_ai/gemini-pro } }
  - { model_name: b, litellm_params: { model: a-name-that-tells-nothing } }
  - { model_name: c, litellm_params: { model: hosted_vllm/m } }
  - { model_name: d, litellm_params: { model: openai/gpt-image-1 }, model_info: { mode: image_generation } }
  - { litellm_params: { model: gpt-4o } }
  - { model_name: e, litellm_params: { model: gpt-4o } }
`)
    assert.deepStrictEqual(Object.keys(deployments), ["e"])
    assert.deepStrictEqual(report, [
      "model_list[0].litellm_params.model: vertex_ai is not spoken: left out",
      "model_list[1].litellm_params.model: does not say whose it is, such as openai/…: left out",
      "model_list[2].litellm_params.api_base: is missing, and where this endpoint is cannot be told without: left out",
      "model_list[3].model_info.mode: only chat and embeddings are served, and this is for image_generation: left out",
      "model_list[4].model_name: is missing: left out",
    ])
  })

  it("gives up only where nobody is left", () => {
    const nothing = Litellm.read({ model_list: [{ model_name: "a", litellm_params: { model: "vertex_ai/x" } }] })
    assert.deepStrictEqual(Result.isFailure(nothing) && nothing.failure.at(-1)?.path, "model_list")
  })
})

describe("LiteLLM: what is said of a deployment", () => {
  it("limits, prices, windows, patience, wherever LiteLLM takes them", () => {
    const { deployments, report } = litellm(`
model_list:
  - model_name: m
    rpm: 10
    tpm: "20000"
    litellm_params:
      model: gpt-4o
      max_parallel_requests: 4
      timeout: 300
      stream_timeout: 2.5
      num_retries: 0
      cooldown_time: 20
      input_cost_per_token: 0.0000025
      drop_params: false
      temperature: 0.2
      api_key: sk-secret
    model_info:
      base_model: azure/gpt-4o
      output_cost_per_token: 0.00001
      cache_read_input_token_cost: 0.00000125
      max_input_tokens: 128000
      max_output_tokens: 16384
      max_tokens: 1
      supports_vision: true
      supports_function_calling: false
router_settings: { enable_pre_call_checks: true }
`)
    assert.deepStrictEqual(deployments["m"], {
      provider: "openai",
      model: "gpt-4o",
      apiKey: "sk-secret",
      limits: { rpm: 10, tpm: 20_000, concurrency: 4 },
      capabilities: { tools: false, vision: true, contextWindow: 128_000, maxOutput: 16_384 },
      price: { input: 2.5, output: 10, cachedInput: 1.25 },
      retry: { times: 0 },
      timeout: { attempt: "5m", firstToken: "2500ms", idle: "2500ms" },
      circuit: { open: "20s", max: "20s" },
      unsupportedParams: "skip",
    })
    assert.deepStrictEqual(report, [
      "model_list[0].model_info.base_model: prices and windows are not looked up: say `price` and `capabilities`",
      "model_list[0].litellm_params.temperature: has no equivalent: left out",
    ])
  })

  it("that it embeds, and what that costs", () => {
    const { deployments, report, routes } = litellm(`
model_list:
  - model_name: vectors
    litellm_params: { model: text-embedding-3-small, input_cost_per_token: 0.00000002, api_key: a }
    model_info: { mode: embedding }
  - model_name: vectors
    litellm_params: { model: text-embedding-3-small, api_key: b }
    model_info: { mode: embedding }
`)
    const embeds = { provider: "openai", model: "text-embedding-3-small", capabilities: { embeddings: true } }
    assert.deepStrictEqual(deployments, {
      "vectors@openai": { ...embeds, apiKey: "a", price: { input: 0.02, output: 0 } },
      "vectors@openai-2": { ...embeds, apiKey: "b" },
    })
    assert.deepStrictEqual(routes, { vectors: { balance: "shuffle", across: Object.keys(deployments) } })
    assert.deepStrictEqual(report, [])
  })

  it("numbers that are none are told of, and secrets never shown", () => {
    const { deployments, report } = litellm(`
model_list:
  - model_name: m
    rpm: many
    litellm_params: { model: gpt-4o, api_key: sk-secret, api_secret: sk-other, timeout: 0, input_cost_per_token: 1 }
`)
    assert.deepStrictEqual(deployments["m"], { provider: "openai", model: "gpt-4o", apiKey: "sk-secret" })
    assert.deepStrictEqual(report, [
      "model_list[0].rpm: is not a whole number above 0: left out",
      "model_list[0].litellm_params.input_cost_per_token: a price wants both input_cost_per_token and output_cost_per_token: left out",
      "model_list[0].litellm_params.timeout: is not a number of seconds above 0: left out",
      "model_list[0].litellm_params.api_secret: has no equivalent: left out",
    ])
  })

  it("what the document itself says of the environment, and of credentials", () => {
    const { deployments, report } = litellm(`
environment_variables: { GROQ_API_KEY: gsk-1 }
credential_list:
  - { credential_name: az, credential_values: { api_key: os.environ/AZ, api_base: "https://r.example" } }
model_list:
  - { model_name: a, litellm_params: { model: groq/x, api_key: os.environ/GROQ_API_KEY } }
  - { model_name: b, litellm_params: { model: azure/x, litellm_credential_name: az } }
  - { model_name: c, litellm_params: { model: azure/x, litellm_credential_name: none } }
  - { model_name: d, litellm_params: { model: gpt-4o, api_key: "\${D}" } }
  - { model_name: e, litellm_params: { model: gpt-4o, api_key: os.environ/MY-KEY } }
`)
    assert.strictEqual(deployments["a"]?.["apiKey"], "gsk-1")
    assert.strictEqual(deployments["b"]?.["apiKey"], "${AZ}")
    assert.strictEqual(deployments["b"]?.["endpoint"], "https://r.example")
    assert.strictEqual(deployments["c"]?.["apiKey"], "${AZURE_API_KEY}")
    assert.deepStrictEqual(deployments["e"], { provider: "openai", model: "gpt-4o" })
    assert.deepStrictEqual(report, [
      "environment_variables.GROQ_API_KEY: is put where os.environ/ names it; whoever looks for it in the environment finds it only there or in .env",
      "model_list[3].litellm_params.api_key: has a ${…}, which names an environment variable here",
      "model_list[4].litellm_params.api_key: names no environment variable that could be one: left out",
      "model_list[2].litellm_params.litellm_credential_name: names nothing of the credential_list: left out",
    ])
  })
})

const group = (settings: string, ...members: ReadonlyArray<string>) =>
  litellm(
    [
      "model_list:",
      ...members.map((params) => {
        const [rest = "", name = "g"] = params.split(" | ").toReversed()
        return `  - { model_name: "${name}", litellm_params: { model: gpt-4o, ${rest} } }`
      }),
      `router_settings: { enable_pre_call_checks: true, ${settings} }`,
    ].join("\n"),
  )

const weights = ({ deployments }: ReturnType<typeof litellm>) => Object.values(deployments).map(({ weight }) => weight)

describe("LiteLLM: model groups", () => {
  it("are balances, by LiteLLM's strategies", () => {
    const strategies = [
      ["simple-shuffle", "shuffle"],
      ["least-busy", "least-busy"],
      ["latency-based-routing", "latency"],
      ["cost-based-routing", "cost"],
      ["usage-based-routing-v2", "least-busy"],
    ]
    for (const [theirs, ours] of strategies) {
      const { report, routes } = group(`routing_strategy: ${theirs}`, "api_key: a", "api_key: b")
      assert.deepStrictEqual(routes, { g: { balance: ours, across: ["g@openai", "g@openai-2"] } })
      assert.strictEqual(report.length, theirs === "usage-based-routing-v2" ? 1 : 0)
    }
  })

  it("are shuffled by weight, else by rpm, else by tpm", () => {
    assert.deepStrictEqual(weights(group("", "weight: 3, rpm: 1", "weight: 1, rpm: 9")), [3, 1])
    assert.deepStrictEqual(weights(group("", "rpm: 900, tpm: 1", "rpm: 10, tpm: 9")), [900, 10])
    assert.deepStrictEqual(weights(group("", "tpm: 5000", "tpm: 1000")), [5000, 1000])
    assert.deepStrictEqual(weights(group("", "rpm: 3", "rpm: 3")), [undefined, undefined])
    assert.deepStrictEqual(weights(group("routing_strategy: least-busy", "rpm: 1", "rpm: 3")), [undefined, undefined])
  })

  it("ask those of no share after those of one, and all alike where nobody has any", () => {
    const { routes } = group("", "weight: 2", "weight: 1", "weight: 0", "rpm: 5")
    assert.deepStrictEqual(routes, {
      g: [
        { balance: "shuffle", across: ["g@openai", "g@openai-2"] },
        { balance: "shuffle", across: ["g@openai-3", "g@openai-4"] },
      ],
    })
    assert.deepStrictEqual(group("", "weight: 0", "weight: 0").routes, {
      g: { balance: "shuffle", across: ["g@openai", "g@openai-2"] },
    })
  })

  it("go by their order first, those without one last", () => {
    const { routes } = group("", "api_key: a", "order: 2", "order: 1, rpm: 1", "order: 1, rpm: 2")
    assert.deepStrictEqual(routes, {
      g: [{ balance: "shuffle", across: ["g@openai-3", "g@openai-4"] }, "g@openai-2", "g@openai"],
    })
  })

  it("name deployments by their ids, which can be asked for and fallen back to", () => {
    const { deployments, routes } = litellm(`
model_list:
  - { model_name: g, litellm_params: { model: gpt-4o }, model_info: { id: first } }
  - { model_name: g, litellm_params: { model: azure/x } }
  - { model_name: h, litellm_params: { model: gpt-4o }, model_info: { id: seven } }
litellm_settings: { fallbacks: [{ h: [first] }] }
`)
    assert.deepStrictEqual(Object.keys(deployments), ["first", "g@azure", "seven"])
    assert.deepStrictEqual(routes, {
      g: { balance: "shuffle", across: ["first", "g@azure"] },
      h: { fallback: ["seven", "first"], fallbackOn: "any" },
    })
  })
})

describe("LiteLLM: fallbacks", () => {
  it("follow, in order, after every error; those of the default where a group has none", () => {
    const { report, routes } = group(
      "fallbacks: [{ a: [b, c] }, { nobody: [a] }], default_fallbacks: [c]",
      "a | order: 1",
      "b | order: 1",
      "c | order: 1",
    )
    assert.deepStrictEqual(routes, {
      a: { fallback: ["a@openai", "b"], fallbackOn: "any" },
      b: { fallback: ["b@openai", "c"], fallbackOn: "any" },
      "*": "c",
    })
    assert.deepStrictEqual(report, ['router_settings.fallbacks: "nobody" is no model group: left out'])
  })

  it("of a window or a policy are branches", () => {
    const { routes } = group(
      "context_window_fallbacks: [{ a: [b, c] }], content_policy_fallbacks: [{ a: [c] }]",
      "a | order: 1",
      "b | order: 1",
      "c | order: 1",
    )
    assert.deepStrictEqual(routes, { a: { fallback: ["a@openai"], onContextWindow: ["b", "c"], onContentPolicy: "c" } })
  })

  it("may go round in a circle, and ask nobody again", () => {
    const { routes } = group(
      "fallbacks: [{ a: [b] }, { b: [c] }, { c: [a, b] }]",
      "a | order: 1",
      "b | order: 1",
      "c | order: 1",
    )
    assert.deepStrictEqual(routes, {
      a: { fallback: ["a@openai", "b@openai", "c@openai"], fallbackOn: "any" },
      b: { fallback: ["b@openai", "c@openai", "a@openai"], fallbackOn: "any" },
      c: { fallback: ["c@openai", "a@openai", "b@openai"], fallbackOn: "any" },
    })
  })

  it("ask whoever was only in a branch before", () => {
    const { routes } = group(
      "fallbacks: [{ a: [b, c] }], context_window_fallbacks: [{ b: [c] }]",
      "a | order: 1",
      "b | order: 1",
      "c | order: 1",
    )
    assert.deepStrictEqual(routes, {
      a: { fallback: ["a@openai", "b", "c"], fallbackOn: "any" },
      b: { fallback: ["b@openai"], onContextWindow: "c" },
    })
  })

  it("are those of the router where both say some", () => {
    const { report, routes } = litellm(`
model_list:
  - { model_name: a, litellm_params: { model: gpt-4o } }
  - { model_name: b, litellm_params: { model: gpt-4o } }
router_settings: { fallbacks: [{ a: [b] }], context_window_fallbacks: [{ a: [b] }] }
litellm_settings: { fallbacks: [{ b: [a] }], context_window_fallbacks: [{ a: [b] }], num_retries: 1 }
`)
    assert.deepStrictEqual(routes, { a: { fallback: ["a@openai", "b"], fallbackOn: "any", onContextWindow: "b" } })
    assert.deepStrictEqual(report, [
      "litellm_settings.fallbacks: router_settings.fallbacks stands in its place: left out",
    ])
  })

  it("of an alias are the group's too, unless that has its own; and of what stands twice, the first", () => {
    const members = ["a | api_key: x", "b | api_key: y", "c | api_key: z"]
    const aliased = (fallbacks: string) => group(`model_group_alias: { other: a }, fallbacks: ${fallbacks}`, ...members)
    const shared = aliased("[{ other: [b] }]")
    assert.deepStrictEqual(shared.routes, { a: { fallback: ["a@openai", "b"], fallbackOn: "any" }, other: "a" })
    assert.deepStrictEqual(shared.report, [
      'router_settings.fallbacks: "other" is an alias of "a": they hold for that too',
    ])
    const own = aliased("[{ other: [b] }, { a: [c] }]")
    assert.deepStrictEqual(own.routes, { a: { fallback: ["a@openai", "c"], fallbackOn: "any" }, other: "a" })
    assert.deepStrictEqual(own.report, [
      'router_settings.fallbacks: "other" is an alias of "a", whose own hold for both: left out',
    ])
    const twice = aliased("[{ a: [b] }, { a: [c] }]")
    assert.deepStrictEqual(twice.routes, { a: { fallback: ["a@openai", "b"], fallbackOn: "any" }, other: "a" })
    assert.deepStrictEqual(twice.report, ['router_settings.fallbacks: "a" stands in it twice, and the first one holds'])
    assert.deepStrictEqual(group('fallbacks: [{ "*": [b] }], default_fallbacks: [c]', ...members).report, [
      'router_settings.fallbacks: default_fallbacks stand in the place of those of "*": left out',
    ])
  })

  it("decode, whatever leads where, and lead to all they should, once", () => {
    let state = 7
    const below = (limit: number) => {
      state = (Math.imul(state, 1_664_525) + 1_013_904_223) >>> 0
      return Math.floor((state / 2 ** 32) * limit)
    }
    const names = ["a", "b", "c", "x/*", "d"]
    const edges = () =>
      names
        .filter(() => below(2) === 0)
        .map((from) => ({ [from]: names.filter(() => below(3) === 0).map((to) => to.replace("*", "some")) }))
    for (let run = 0; run < 120; run++) {
      const model_list = names.flatMap((model_name) =>
        Array.from({ length: 1 + below(3) }, () => ({
          model_name,
          litellm_params: {
            model: model_name === "x/*" ? "openai/*" : "gpt-4o",
            ...(below(2) === 0 ? { order: below(3) } : undefined),
            ...(below(2) === 0 ? { weight: below(3) } : undefined),
          },
        })),
      )
      const router_settings = {
        fallbacks: edges(),
        context_window_fallbacks: edges(),
        content_policy_fallbacks: edges(),
        model_group_alias: { e: names[below(3)], "y/*": "x/*" },
        ...(below(3) === 0 ? { default_fallbacks: ["a", "x/other"] } : undefined),
      }
      const { chain, routes, warnings } = litellm(JSON.stringify({ model_list, router_settings }))
      const next = new Map(router_settings.fallbacks.flatMap((each) => Object.entries(each)))
      const reached = (name: string, seen = new Set<string>()): ReadonlySet<string> => {
        if (seen.has(name)) return seen
        seen.add(name)
        const of = next.get(name) ?? (name === "x/some" || name === "x/other" ? next.get("x/*") : undefined)
        for (const each of of ?? router_settings.default_fallbacks ?? []) reached(each, seen)
        return seen
      }
      for (const name of [...names, "x/some"].filter((name) => Object.hasOwn(routes, name))) {
        const groups = new Set(chain(name).map((deployment) => deployment.replace(/@.*/, "")))
        assert.deepStrictEqual([...groups].toSorted(), [...reached(name)].toSorted(), JSON.stringify(router_settings))
      }
      assert.deepStrictEqual(
        warnings.filter((warning) => warning.includes(" stands in it ")),
        [],
      )
    }
  })
})

describe("LiteLLM: names", () => {
  it("with a * stand for what they stand for", () => {
    const { deployments, report, routes } = litellm(`
model_list:
  - { model_name: "anthropic/*", litellm_params: { model: "anthropic/*" } }
  - { model_name: "gpt/*", litellm_params: { model: "openai/gpt-*" }, model_info: { id: one } }
  - { model_name: "gpt/*", litellm_params: { model: "azure/*" } }
  - { model_name: "*", litellm_params: { model: "openrouter/*" } }
  - { model_name: plain, litellm_params: { model: "groq/*" } }
  - { model_name: "*", litellm_params: { model: "*" } }
  - { model_name: g, litellm_params: { model: gpt-4o } }
litellm_settings: { fallbacks: [{ g: ["anthropic/claude-x", "gpt/*"] }, { "gpt/*": [g] }] }
`)
    assert.deepStrictEqual(
      Object.entries(deployments).map(([name, { model }]) => [name, model]),
      [
        ["anthropic/*", "*"],
        ["gpt/*@openai", "gpt-*"],
        ["gpt/*@azure", "*"],
        ["*", "*"],
        ["g@openai", "gpt-4o"],
        ["anthropic/claude-x", "claude-x"],
      ],
    )
    assert.deepStrictEqual(routes, {
      "gpt/*": {
        fallback: [{ balance: "shuffle", across: ["gpt/*@openai", "gpt/*@azure"] }, "g"],
        fallbackOn: "any",
      },
      g: { fallback: ["g@openai", "anthropic/claude-x"], fallbackOn: "any" },
    })
    assert.deepStrictEqual(report, [
      "model_list[1].model_info.id: names no one model: left out",
      "model_list[4].litellm_params.model: has a * that its model_name does not say anything for: left out",
      "model_list[5].litellm_params.model: does not say whose it is, such as openai/…: left out",
      'litellm_settings.fallbacks: "gpt/*" stands for many models, of which none is said: left out',
    ])
  })

  it("that a * stands for have what is said of all that it stands for", () => {
    const { routes } = litellm(`
model_list:
  - { model_name: "x/*", litellm_params: { model: "openai/*" } }
  - { model_name: a, litellm_params: { model: gpt-4o } }
  - { model_name: b, litellm_params: { model: gpt-4o } }
litellm_settings: { fallbacks: [{ a: ["x/gpt"] }, { "x/*": [b] }] }
`)
    assert.deepStrictEqual(routes, {
      "x/*": { fallback: ["x/*@openai", "b"], fallbackOn: "any" },
      a: { fallback: ["a@openai", "x/gpt"], fallbackOn: "any" },
      "x/gpt": { fallback: ["x/gpt@openai", "b"], fallbackOn: "any" },
    })
  })

  it("of an alias are routes", () => {
    const { report, routes } = group(
      "model_group_alias: { gpt-4: g, hidden: { model: g, hidden: true }, lost: nobody, g: g }",
      "order: 1",
    )
    assert.deepStrictEqual(routes, { "gpt-4": "g", hidden: "g" })
    assert.deepStrictEqual(report, [
      "router_settings.model_group_alias.hidden: is listed by GET /v1/models like every name",
      "router_settings.model_group_alias.lost: stands for nobody: left out",
      "router_settings.model_group_alias.g: is the name of a model group too, which keeps it: left out",
    ])
  })
})

const settings: ReadonlyArray<readonly [settings: string, defaults: object, report?: ReadonlyArray<string>]> = [
  ["router_settings: { num_retries: 4, retry_after: 5 }", { retry: { times: 4, base: "5s" } }],
  ["litellm_settings: { num_retries: 4 }\nrouter_settings: { num_retries: 1 }", { retry: { times: 1 } }],
  [
    "router_settings: { retry_policy: { RateLimitErrorRetries: 3, TimeoutErrorRetries: 0 } }",
    { retry: { times: 3 } },
    [
      "router_settings.retry_policy.RateLimitErrorRetries: one number holds for all errors that are retried: 3, also where LiteLLM goes by InternalServerErrorRetries",
    ],
  ],
  [
    "router_settings: { num_retries: 1, retry_policy: { InternalServerErrorRetries: 0 } }",
    { retry: { times: 0 } },
    [
      "router_settings.retry_policy.InternalServerErrorRetries: one number holds for all errors that are retried: 0, also where LiteLLM goes by RateLimitErrorRetries, instead of 1",
    ],
  ],
  ["router_settings: { num_retries: 2, retry_policy: { RateLimitErrorRetries: 2 } }", { retry: { times: 2 } }],
  [
    "router_settings: { retry_policy: { RateLimitErrorRetries: 2, InternalServerErrorRetries: 2 } }",
    { retry: { times: 2 } },
  ],
  [
    "router_settings: { retry_policy: { RateLimitErrorRetries: 1, InternalServerErrorRetries: 2, BadRequestErrorRetries: 3, Odd: 1 } }",
    { retry: { times: 2 } },
    [
      "router_settings.retry_policy.RateLimitErrorRetries: one number holds for all errors that are retried: 2, the larger",
      "router_settings.retry_policy.BadRequestErrorRetries: would fail alike, and is not retried: left out",
      "router_settings.retry_policy.Odd: has no equivalent: left out",
    ],
  ],
  ["router_settings: { allowed_fails: 2, cooldown_time: 15 }", { circuit: { failures: 3, open: "15s", max: "15s" } }],
  [
    "router_settings: { allowed_fails: 0, disable_cooldowns: true, allowed_fails_policy: { TimeoutErrorAllowedFails: 1 } }",
    { circuit: { failures: 1 } },
    [
      "router_settings.disable_cooldowns: circuits cannot be switched off, and one that opens is probed after `circuit.open`: left out",
      "router_settings.allowed_fails_policy: failures are counted alike, save those that say nothing of a deployment's health: left out",
    ],
  ],
  ["router_settings: { timeout: 30 }", { timeout: { attempt: "30s", firstToken: "30s", idle: "30s" } }],
  [
    "litellm_settings: { request_timeout: 600 }\nrouter_settings: { stream_timeout: 10 }",
    { timeout: { firstToken: "10s", idle: "10s" } },
  ],
  [
    "litellm_settings: { request_timeout: 600, drop_params: true }",
    { unsupportedParams: "drop", timeout: { attempt: "10m", firstToken: "10m", idle: "10m", total: "10m" } },
  ],
  [
    "litellm_settings: { callbacks: [otel] }\nrouter_settings: { max_fallbacks: 2 }",
    {},
    [
      "router_settings.max_fallbacks: a route ends where it ends: left out",
      "litellm_settings.callbacks: has no equivalent: left out",
    ],
  ],
  [
    "general_settings: { database_url: 'postgres://u:secret@h/d', alerting: [slack] }\nguardrails: [{ guardrail_name: x }]",
    {},
    [
      "general_settings.database_url: there is no database: keys stand in the document itself",
      "general_settings.alerting: has no equivalent: left out",
      "guardrails: has no equivalent: left out",
    ],
  ],
]

describe("LiteLLM: settings", () => {
  for (const [yaml, defaults, report = []] of settings) {
    it(yaml.replaceAll("\n", "; "), () => {
      const imported = litellm(`model_list: [{ model_name: m, litellm_params: { model: gpt-4o } }]\n${yaml}`)
      assert.deepStrictEqual(imported.defaults, defaults)
      assert.deepStrictEqual(imported.report, report)
    })
  }

  it("of a cache hold for every route, as far as it keeps what is exactly the same for a while", () => {
    const cached = (params: string) =>
      litellm(`
model_list: [{ model_name: a, litellm_params: { model: gpt-4o } }, { model_name: b, litellm_params: { model: gpt-4o } }]
router_settings: { fallbacks: [{ a: [b] }], model_group_alias: { c: a } }
litellm_settings: { cache: true, cache_params: { ${params} } }
`)
    const cache = { ttl: "10m" }
    const { report, routes } = cached("type: redis, ttl: 600, host: redis, namespace: x")
    assert.deepStrictEqual(routes, {
      a: { fallback: ["a@openai", "b"], fallbackOn: "any", cache },
      b: { fallback: ["b@openai"], cache },
      c: { fallback: ["a"], cache },
    })
    assert.deepStrictEqual(report, [
      "litellm_settings.cache_params.host: answers are kept where `state` says: left out",
      "litellm_settings.cache_params.namespace: has no equivalent: left out",
    ])
    assert.deepStrictEqual(
      ["type: qdrant-semantic, ttl: 1", "mode: default_off, ttl: 1", "type: local"].flatMap(
        (params) => cached(params).report,
      ),
      [
        "litellm_settings.cache_params.type: there is no qdrant-semantic: no answers are kept",
        "litellm_settings.cache_params.mode: calls cannot choose: no answers are kept",
        "litellm_settings.cache_params.ttl: is missing, and an answer is not kept for good: no answers are kept",
      ],
    )
  })

  it("of one group alone are those of its route", () => {
    const { report, routes } = group("model_group_retry_policy: { a: { RateLimitErrorRetries: 5 } }", "a | order: 1")
    assert.deepStrictEqual(routes, { a: { fallback: ["a@openai"], retry: { times: 5 } } })
    assert.deepStrictEqual(report, [
      "router_settings.model_group_retry_policy.a.RateLimitErrorRetries: one number holds for all errors that are retried: 5, also where LiteLLM goes by InternalServerErrorRetries",
    ])
  })

  it("of several proxies are a Redis, and calls at once are of each deployment", () => {
    const { deployments, document } = litellm(`
model_list:
  - { model_name: a, litellm_params: { model: gpt-4o } }
  - { model_name: b, litellm_params: { model: gpt-4o, max_parallel_requests: 1 } }
router_settings:
  { redis_host: os.environ/REDIS_HOST, redis_port: 6380, redis_password: "p@ss", default_max_parallel_requests: 9 }
`)
    assert.deepStrictEqual(document["state"], { redis: "redis://:p%40ss@${REDIS_HOST}:6380" })
    assert.deepStrictEqual(
      Object.values(deployments).map(({ limits }) => limits),
      [{ concurrency: 9 }, { concurrency: 1 }],
    )
  })

  it("keep the master key, which may call everything", () => {
    const { document, report } = litellm(
      "model_list: [{ model_name: m, litellm_params: { model: gpt-4o } }]\ngeneral_settings: { master_key: sk-1234 }",
    )
    assert.deepStrictEqual(document["keys"], [{ id: "master", key: "sk-1234" }])
    assert.deepStrictEqual(report, [])
  })

  it("say that limits are held to, where LiteLLM would only weigh by them", () => {
    const { report } = litellm("model_list: [{ model_name: m, rpm: 3, litellm_params: { model: gpt-4o } }]")
    assert.deepStrictEqual(report, [
      "model_list: rpm and tpm are held to as limits, which LiteLLM does only with enable_pre_call_checks",
    ])
  })
})

describe("Litellm.is", () => {
  it("knows LiteLLM's documents from our own", () => {
    assert.isTrue(Litellm.is(Yaml.parse("model_list: []")))
    assert.isFalse(Litellm.is(Yaml.parse("deployments: { a: { provider: openai, model: x } }")))
    assert.isFalse(Litellm.is(Yaml.parse("- model_list")))
  })
})
