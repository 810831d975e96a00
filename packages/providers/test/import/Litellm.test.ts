import { assert, describe, it } from "@effect/vitest"
import * as Yaml from "effect/encoding/Yaml"
import * as Result from "effect/Result"
import * as Formats from "../../src/import/Formats.ts"
import * as Litellm from "../../src/import/litellm/Litellm.ts"
import { litellm } from "./imports.ts"

/** The parameters of one deployment, the imported deployment, and the report. */
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
      "model_list[0].litellm_params.api_version: is older than some of the parameters that are sent: the unversioned Azure API is used",
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
  [
    "model: vertex_ai/gemini-2.5-pro, vertex_project: search-prod-1, vertex_location: global, vertex_credentials: os.environ/VERTEX_CREDENTIALS",
    {
      provider: "vertex",
      model: "gemini-2.5-pro",
      project: "search-prod-1",
      location: "global",
      credentials: "${VERTEX_CREDENTIALS}",
    },
  ],
  [
    "model: vertex_ai/claude-sonnet-4-5@20250929, vertex_credentials: { type: service_account }",
    {
      provider: "vertex",
      model: "claude-sonnet-4-5@20250929",
      location: "${VERTEXAI_LOCATION:-us-central1}",
      credentials: '{"type":"service_account"}',
    },
  ],
  [
    "model: vertex_ai/gemini/123, vertex_location: us-central1, api_base: 'https://proxy.example/v1/x'",
    { provider: "vertex", model: "endpoints/123", location: "us-central1" },
    [
      "model_list[0].litellm_params.vertex_project: is missing: set GOOGLE_CLOUD_PROJECT, VERTEXAI_PROJECT is not read",
      "model_list[0].litellm_params.api_base: has a path: not imported, and Google's address is used",
    ],
  ],
  [
    "model: vertex_ai/meta/llama-3.3-70b-instruct-maas, vertex_project: p, vertex_location: us-central1",
    { provider: "vertex", model: "meta/llama-3.3-70b-instruct-maas", project: "p", location: "us-central1" },
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

  it("reports deployments of unsupported vendors and imports the others", () => {
    const { deployments, report } = litellm(`
model_list:
  - { model_name: a, litellm_params: { model: sagemaker/gemini-pro } }
  - { model_name: b, litellm_params: { model: a-name-that-tells-nothing } }
  - { model_name: c, litellm_params: { model: hosted_vllm/m } }
  - { model_name: d, litellm_params: { model: openai/sora }, model_info: { mode: video_generation } }
  - { litellm_params: { model: gpt-4o } }
  - { model_name: e, litellm_params: { model: gpt-4o } }
`)
    assert.deepStrictEqual(Object.keys(deployments), ["e"])
    assert.deepStrictEqual(report, [
      "model_list[0].litellm_params.model: the provider sagemaker is not supported: not imported",
      "model_list[1].litellm_params.model: does not name a provider, such as openai/…: not imported",
      "model_list[2].litellm_params.api_base: is missing, and this provider has no default address: not imported",
      "model_list[3].model_info.mode: the mode video_generation is not supported: not imported",
      "model_list[4].model_name: is missing: not imported",
    ])
  })

  it("imports models for other operations, with the prices of their units, where the provider has them", () => {
    const { deployments, report } = litellm(`
model_list:
  - model_name: whisper
    litellm_params: { model: openai/whisper-1, input_cost_per_second: 0.0001 }
    model_info: { mode: audio_transcription }
  - model_name: voice
    litellm_params: { model: openai/tts-1, input_cost_per_character: 0.000015 }
    model_info: { mode: audio_speech }
  - model_name: image
    litellm_params: { model: azure/image, api_key: k, api_base: "https://r.example", output_cost_per_image: 0.04 }
    model_info: { mode: image_generation }
  - { model_name: ranks, litellm_params: { model: bedrock/cohere.rerank-v3-5:0, input_cost_per_query: 0.002 }, model_info: { mode: rerank } }
  - { model_name: none, litellm_params: { model: anthropic/claude }, model_info: { mode: image_generation } }
`)
    const settings = Object.values(deployments).map(({ operations, price }) => [operations, price])
    assert.deepStrictEqual(settings, [
      [["audio.transcriptions", "audio.translations"], { input: 0, output: 0, units: { second: 0.0001 } }],
      [["audio.speech"], { input: 0, output: 0, units: { characters: 15 } }],
      [["images.generations", "images.edits"], { input: 0, output: 0, units: { image: 0.04 } }],
      [["rerank"], { input: 0, output: 0, request: 0.002 }],
    ])
    assert.deepStrictEqual(report, [
      "model_list[4].model_info.mode: the mode image_generation is not supported with the provider anthropic: not imported",
    ])
  })

  it("fails only if no deployment is left", () => {
    const nothing = Litellm.read({ model_list: [{ model_name: "a", litellm_params: { model: "sagemaker/x" } }] })
    assert.deepStrictEqual(Result.isFailure(nothing) && nothing.failure.at(-1)?.path, "model_list")
  })
})

describe("LiteLLM: deployments", () => {
  it("reads limits, prices, context windows and timeouts from every place where LiteLLM accepts them", () => {
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
      params: { temperature: 0.2 },
      retry: { times: 0 },
      timeout: { attempt: "5m", firstToken: "2500ms", idle: "2500ms" },
      circuit: { open: "20s", max: "20s" },
      unsupportedParams: "skip",
    })
    assert.deepStrictEqual(report, [
      "model_list[0].model_info.base_model: prices and context windows are not looked up: set `price` and `capabilities`",
    ])
  })

  it("reads the parameters that calls get, with those of all deployments", () => {
    const { deployments, report } = litellm(`
model_list:
  - model_name: m
    litellm_params:
      model: gpt-4o
      max_tokens: 500
      top_p: 0.9
      stop: END
      reasoning_effort: low
      service_tier: flex
      extra_body: { safety: { level: 1 }, n: 4 }
  - model_name: c
    litellm_params: { model: claude-sonnet-4-5, thinking: { type: enabled, budget_tokens: 2048 }, temperature: 2 }
router_settings:
  default_litellm_params: { temperature: 0.1, seed: 7, cache_control_injection_points: [{ location: message }] }
`)
    assert.deepStrictEqual(deployments["m"]?.["params"], {
      temperature: 0.1,
      seed: 7,
      maxTokens: 500,
      topP: 0.9,
      stop: ["END"],
      reasoning: { effort: "low" },
      extraBody: { safety: { level: 1 }, service_tier: "flex" },
    })
    assert.deepStrictEqual(deployments["c"]?.["params"], { temperature: 2, seed: 7, reasoning: { budget: 2048 } })
    assert.deepStrictEqual(report, [
      "router_settings.default_litellm_params.cache_control_injection_points: clients mark what is cached: not imported",
      "model_list[0].litellm_params.extra_body: n is not a field that can be set: not imported",
    ])
  })

  it("names an auto router, which picks a model by the meaning of a prompt", () => {
    const { deployments, report } = litellm(`
model_list:
  - { model_name: m, litellm_params: { model: gpt-4o } }
  - { model_name: auto, litellm_params: { model: auto_router/auto, auto_router_default_model: m } }
`)
    assert.deepStrictEqual(Object.keys(deployments), ["m"])
    assert.deepStrictEqual(report, [
      "model_list[1].litellm_params.model: an auto router picks a model by what the prompt means, which no route does: write one with `when` or `split`: not imported",
    ])
  })

  it("keeps conversations in balances, as the checks before a call say", () => {
    const balance = (checks: string) =>
      litellm(`
model_list:
  - { model_name: m, litellm_params: { model: gpt-4o, api_key: a } }
  - { model_name: m, litellm_params: { model: gpt-4o, api_key: b } }
router_settings: { optional_pre_call_checks: [${checks}], deployment_affinity_ttl_seconds: 600 }
`)
    const across = ["m@openai", "m@openai-2"]
    const kept = { balance: "shuffle", across, affinity: { by: "prefix", for: "10m" } }
    assert.deepStrictEqual(balance("prompt_caching").routes["m"], kept)
    const both = balance("prompt_caching, responses_api_deployment_check, enforce_model_rate_limits")
    assert.deepStrictEqual(both.routes["m"], { ...kept, affinity: { by: "session", for: "10m" } })
    assert.deepStrictEqual(balance("enforce_model_rate_limits").routes["m"], { balance: "shuffle", across })
    const unknown = balance("deployment_affinity, other")
    assert.deepStrictEqual(unknown.routes["m"], { ...kept, affinity: { by: "user", for: "10m" } })
    assert.deepStrictEqual(unknown.report.slice(0, 2), [
      "router_settings.optional_pre_call_checks: other is not known: not imported",
      "router_settings.optional_pre_call_checks: deployment_affinity keeps the calls of a key on a deployment, which affinity does for calls that name no user",
    ])
  })

  it("exports traces where the environment of the document says, and names other callbacks", () => {
    const { document, report } = litellm(`
model_list: [{ model_name: m, litellm_params: { model: gpt-4o } }]
litellm_settings: { callbacks: [otel, prometheus, langfuse, presidio] }
environment_variables:
  OTEL_ENDPOINT: "http://collector:4318/v1/traces"
  OTEL_HEADERS: "x-key=1, x-team=search"
  OTEL_SERVICE_NAME: llm
`)
    assert.deepStrictEqual(document["telemetry"], {
      otlp: { endpoint: "http://collector:4318", headers: { "x-key": "1", "x-team": "search" } },
      service: "llm",
    })
    assert.deepStrictEqual(
      report.filter((line) => line.startsWith("litellm_settings")),
      [
        "litellm_settings.callbacks: langfuse is not called: receipts are in the usage log, the ledger and OpenTelemetry",
        "litellm_settings.callbacks: presidio is not called: receipts are in the usage log, the ledger and OpenTelemetry",
      ],
    )
  })

  it("reads the prices of longer inputs and of reasoning", () => {
    const { deployments, report } = litellm(`
model_list:
  - model_name: m
    litellm_params:
      model: gemini/gemini-2.5-pro
      input_cost_per_token: 0.00000125
      output_cost_per_token: 0.00001
      output_cost_per_reasoning_token: 0.000012
      cache_read_input_token_cost: 0.000000125
      input_cost_per_token_above_200k_tokens: 0.0000025
      output_cost_per_token_above_200k_tokens: 0.000015
      cache_read_input_token_cost_above_200k_tokens: 0.00000025
`)
    assert.deepStrictEqual(deployments["m"]?.["price"], {
      input: 1.25,
      output: 10,
      cachedInput: 0.125,
      reasoning: 12,
      tiers: [{ above: 200_000, input: 2.5, output: 15, cachedInput: 0.25, reasoning: 12 }],
    })
    assert.deepStrictEqual(report, [])
  })

  it("reads the mode and the price of embeddings", () => {
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

  it("reports invalid numbers, and shows no secrets", () => {
    const { deployments, report } = litellm(`
model_list:
  - model_name: m
    rpm: many
    litellm_params: { model: gpt-4o, api_key: sk-secret, api_secret: sk-other, timeout: 0, input_cost_per_token: 1 }
`)
    assert.deepStrictEqual(deployments["m"], { provider: "openai", model: "gpt-4o", apiKey: "sk-secret" })
    assert.deepStrictEqual(report, [
      "model_list[0].rpm: is not a whole number above 0: not imported",
      "model_list[0].litellm_params.input_cost_per_token: a price needs both input_cost_per_token and output_cost_per_token: not imported",
      "model_list[0].litellm_params.timeout: is not a number of seconds above 0: not imported",
      "model_list[0].litellm_params.api_secret: has no equivalent: not imported",
    ])
  })

  it("reads the document's own environment variables and credentials", () => {
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
      "environment_variables.GROQ_API_KEY: replaces os.environ/ in this document; set it in the environment or in .env if other programs read it",
      "model_list[3].litellm_params.api_key: contains ${…}, which Understudy replaces by an environment variable",
      "model_list[4].litellm_params.api_key: is not a valid name of an environment variable: not imported",
      "model_list[2].litellm_params.litellm_credential_name: is not in credential_list: not imported",
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
  it("become balances with LiteLLM's strategy", () => {
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

  it("try deployments without a share after those with one, and all equally if none has a share", () => {
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

  it("are tried by order, entries without an order last", () => {
    const { routes } = group("", "api_key: a", "order: 2", "order: 1, rpm: 1", "order: 1, rpm: 2")
    assert.deepStrictEqual(routes, {
      g: [{ balance: "shuffle", across: ["g@openai-3", "g@openai-4"] }, "g@openai-2", "g@openai"],
    })
  })

  it("name deployments by their ids, which calls and fallbacks may use", () => {
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
  it("follow in order after every error, with the default fallbacks where a group has none", () => {
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
    assert.deepStrictEqual(report, ['router_settings.fallbacks: "nobody" is not a model group: not imported'])
  })

  it("of the context window or the content policy become error branches", () => {
    const { routes } = group(
      "context_window_fallbacks: [{ a: [b, c] }], content_policy_fallbacks: [{ a: [c] }]",
      "a | order: 1",
      "b | order: 1",
      "c | order: 1",
    )
    assert.deepStrictEqual(routes, { a: { fallback: ["a@openai"], onContextWindow: ["b", "c"], onContentPolicy: "c" } })
  })

  it("try no group twice when they are circular", () => {
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

  it("try a group that was only in an error branch before", () => {
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

  it("come from router_settings if both sections have some", () => {
    const { report, routes } = litellm(`
model_list:
  - { model_name: a, litellm_params: { model: gpt-4o } }
  - { model_name: b, litellm_params: { model: gpt-4o } }
router_settings: { fallbacks: [{ a: [b] }], context_window_fallbacks: [{ a: [b] }] }
litellm_settings: { fallbacks: [{ b: [a] }], context_window_fallbacks: [{ a: [b] }], num_retries: 1 }
`)
    assert.deepStrictEqual(routes, { a: { fallback: ["a@openai", "b"], fallbackOn: "any", onContextWindow: "b" } })
    assert.deepStrictEqual(report, [
      "litellm_settings.fallbacks: router_settings.fallbacks takes precedence: not imported",
    ])
  })

  it("of an alias apply to its group unless the group has its own; the first of repeated lists is used", () => {
    const members = ["a | api_key: x", "b | api_key: y", "c | api_key: z"]
    const aliased = (fallbacks: string) => group(`model_group_alias: { other: a }, fallbacks: ${fallbacks}`, ...members)
    const shared = aliased("[{ other: [b] }]")
    assert.deepStrictEqual(shared.routes, { a: { fallback: ["a@openai", "b"], fallbackOn: "any" }, other: "a" })
    assert.deepStrictEqual(shared.report, [
      'router_settings.fallbacks: "other" is an alias of "a": the list applies to both',
    ])
    const own = aliased("[{ other: [b] }, { a: [c] }]")
    assert.deepStrictEqual(own.routes, { a: { fallback: ["a@openai", "c"], fallbackOn: "any" }, other: "a" })
    assert.deepStrictEqual(own.report, [
      'router_settings.fallbacks: "other" is an alias of "a", whose own list applies to both: not imported',
    ])
    const twice = aliased("[{ a: [b] }, { a: [c] }]")
    assert.deepStrictEqual(twice.routes, { a: { fallback: ["a@openai", "b"], fallbackOn: "any" }, other: "a" })
    assert.deepStrictEqual(twice.report, ['router_settings.fallbacks: "a" appears twice: the first list is used'])
    assert.deepStrictEqual(group('fallbacks: [{ "*": [b] }], default_fallbacks: [c]', ...members).report, [
      'router_settings.fallbacks: default_fallbacks replace those of "*": not imported',
    ])
  })

  it("decode for any graph, and lead to every reachable group once", () => {
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

describe("LiteLLM: wildcards and aliases", () => {
  it("imports names with * as wildcards", () => {
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
      "model_list[1].model_info.id: is the id of a wildcard model, which needs a name with *: not imported",
      "model_list[4].litellm_params.model: contains more * than its model_name: not imported",
      "model_list[5].litellm_params.model: does not name a provider, such as openai/…: not imported",
      'litellm_settings.fallbacks: "gpt/*" stands for many models and does not name one: not imported',
    ])
  })

  it("gives a group made from a wildcard the wildcard's fallbacks", () => {
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

  it("imports aliases as routes", () => {
    const { report, routes } = group(
      "model_group_alias: { gpt-4: g, hidden: { model: g, hidden: true }, lost: nobody, g: g }",
      "order: 1",
    )
    assert.deepStrictEqual(routes, { "gpt-4": "g", hidden: "g" })
    assert.deepStrictEqual(report, [
      "router_settings.model_group_alias.hidden: is hidden in LiteLLM, but GET /v1/models lists every name",
      "router_settings.model_group_alias.lost: is an alias of no model group: not imported",
      "router_settings.model_group_alias.g: is also the name of a model group, which takes precedence: not imported",
    ])
  })
})

const policy = "router_settings.allowed_fails_policy"
const together = "a circuit counts failures of all kinds together: set `circuit.failures`: not imported"

const settings: ReadonlyArray<readonly [settings: string, defaults: object, report?: ReadonlyArray<string>]> = [
  ["router_settings: { num_retries: 4, retry_after: 5 }", { retry: { times: 4, base: "5s" } }],
  ["litellm_settings: { num_retries: 4 }\nrouter_settings: { num_retries: 1 }", { retry: { times: 1 } }],
  [
    "router_settings: { retry_policy: { RateLimitErrorRetries: 3, TimeoutErrorRetries: 0 } }",
    { retry: { timesByReason: { RateLimited: 3 } } },
  ],
  [
    "router_settings: { num_retries: 1, retry_policy: { InternalServerErrorRetries: 0 } }",
    { retry: { times: 1, timesByReason: { ServerError: 0 } } },
  ],
  [
    "router_settings: { retry_policy: { RateLimitErrorRetries: 1, InternalServerErrorRetries: 2, BadRequestErrorRetries: 3, Odd: 1 } }",
    { retry: { timesByReason: { RateLimited: 1, ServerError: 2 } } },
    [
      "router_settings.retry_policy.BadRequestErrorRetries: such errors are never retried: not imported",
      "router_settings.retry_policy.Odd: has no equivalent: not imported",
    ],
  ],
  ["router_settings: { allowed_fails: 2, cooldown_time: 15 }", { circuit: { failures: 3, open: "15s", max: "15s" } }],
  [
    "router_settings: { allowed_fails: 0, disable_cooldowns: true, allowed_fails_policy: { TimeoutErrorAllowedFails: 1 } }",
    { circuit: { failures: 1 } },
    [
      "router_settings.disable_cooldowns: circuits cannot be disabled, and an open one is probed after `circuit.open`: not imported",
      `${policy}.TimeoutErrorAllowedFails: ${together}`,
    ],
  ],
  [
    "router_settings: { allowed_fails_policy: { TimeoutErrorAllowedFails: 4, InternalServerErrorAllowedFails: 4 } }",
    { circuit: { failures: 5 } },
  ],
  [
    "router_settings: { allowed_fails_policy: { InternalServerErrorAllowedFails: 2 } }\nlitellm_settings: { allowed_fails: 2 }",
    { circuit: { failures: 3 } },
  ],
  [
    "router_settings: { allowed_fails_policy: { InternalServerErrorAllowedFails: 2 } }",
    {},
    [`${policy}.InternalServerErrorAllowedFails: ${together}`],
  ],
  [
    "router_settings: { allowed_fails: 2, allowed_fails_policy: { TimeoutErrorAllowedFails: 4, InternalServerErrorAllowedFails: 4 } }",
    { circuit: { failures: 3 } },
    [`${policy}.TimeoutErrorAllowedFails: ${together}`, `${policy}.InternalServerErrorAllowedFails: ${together}`],
  ],
  [
    "router_settings: { allowed_fails_policy: { AuthenticationErrorAllowedFails: 0, RateLimitErrorAllowedFails: 0 } }",
    {},
  ],
  [
    "router_settings: { allowed_fails_policy: { AuthenticationErrorAllowedFails: 9, RateLimitErrorAllowedFails: 9, BadRequestErrorAllowedFails: 9, ContentPolicyViolationErrorAllowedFails: 9, Odd: 1 } }",
    {},
    [
      `${policy}.RateLimitErrorAllowedFails: a deployment cools down after the first 429, for as long as the provider asks: not imported`,
      `${policy}.AuthenticationErrorAllowedFails: the first rejected credential opens the circuit, for \`circuit.permanentFailure\`: not imported`,
      `${policy}.BadRequestErrorAllowedFails: such errors never open a circuit: not imported`,
      `${policy}.ContentPolicyViolationErrorAllowedFails: such errors never open a circuit: not imported`,
      `${policy}.Odd: has no equivalent: not imported`,
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
      "litellm_settings.callbacks: otel: traces are exported where OTEL_EXPORTER_OTLP_ENDPOINT says; OTEL_ENDPOINT is not read",
      "router_settings.max_fallbacks: the length of a route limits its fallbacks: not imported",
    ],
  ],
  [
    "general_settings: { database_url: 'postgres://u:secret@h/d', alerting: [slack] }\nguardrails: [{ guardrail_name: x }]",
    {},
    [
      "general_settings.database_url: the database of LiteLLM is not read: create its keys, teams and budgets anew, see `database`",
      "general_settings.alerting: has no equivalent: not imported",
      "guardrails: has no equivalent: not imported",
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

  it("sets the response cache of every route, if LiteLLM caches exact matches for a limited time", () => {
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
      "litellm_settings.cache_params.host: `state` sets where responses are cached: not imported",
      "litellm_settings.cache_params.namespace: has no equivalent: not imported",
    ])
    assert.deepStrictEqual(
      ["type: qdrant-semantic, ttl: 1", "mode: default_off, ttl: 1", "type: local"].flatMap(
        (params) => cached(params).report,
      ),
      [
        "litellm_settings.cache_params.type: qdrant-semantic is not supported: no response cache",
        "litellm_settings.cache_params.mode: calls cannot enable the cache: no response cache",
        "litellm_settings.cache_params.ttl: is missing, and the cache needs a time to live: no response cache",
      ],
    )
  })

  it("sets the retries of one group on its route", () => {
    const { report, routes } = group("model_group_retry_policy: { a: { RateLimitErrorRetries: 5 } }", "a | order: 1")
    assert.deepStrictEqual(routes, { a: { fallback: ["a@openai"], retry: { timesByReason: { RateLimited: 5 } } } })
    assert.deepStrictEqual(report, [])
  })

  it("imports the shared Redis, and the limit of concurrent calls on each deployment", () => {
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

  it("imports the master key as a key for all routes", () => {
    const { document, report } = litellm(
      "model_list: [{ model_name: m, litellm_params: { model: gpt-4o } }]\ngeneral_settings: { master_key: sk-1234 }",
    )
    assert.deepStrictEqual(document["keys"], [{ id: "master", key: "sk-1234" }])
    assert.deepStrictEqual(report, [])
  })

  it("reports that limits are enforced where LiteLLM only uses them as weights", () => {
    const { report } = litellm("model_list: [{ model_name: m, rpm: 3, litellm_params: { model: gpt-4o } }]")
    assert.deepStrictEqual(report, [
      "model_list: rpm and tpm are enforced as limits; LiteLLM enforces them only with enable_pre_call_checks",
    ])
  })
})

describe("Formats.litellm", () => {
  it("is true for LiteLLM's documents and false for Understudy's", () => {
    assert.isTrue(Formats.litellm.is(Yaml.parse("model_list: []")))
    assert.isFalse(Formats.litellm.is(Yaml.parse("deployments: { a: { provider: openai, model: x } }")))
    assert.isFalse(Formats.litellm.is(Yaml.parse("- model_list")))
  })
})

describe("LiteLLM: budgets", () => {
  const budgetsOf = ({ document }: ReturnType<typeof litellm>) =>
    (document["budgets"] as { readonly list: ReadonlyArray<object> } | undefined)?.list

  it("become budgets of everything, of vendors, tags and deployments, in a database of their own", () => {
    const imported = litellm(`
model_list:
  - { model_name: a, litellm_params: { model: gpt-4o, api_key: a, max_budget: 10, budget_duration: 1d } }
  - { model_name: b, litellm_params: { model: groq/x, max_budget: 3.5 } }
  - { model_name: b, litellm_params: { model: anthropic/x } }
router_settings:
  provider_budget_config:
    openai: { budget_limit: 100, time_period: 10d }
    groq: { max_budget: "20", budget_duration: 1mo }
litellm_settings:
  max_budget: 500
  budget_duration: 30d
  soft_budget: 400
  timezone: Europe/Berlin
  tag_budget_config:
    "product:chat-bot": { max_budget: 7, budget_duration: 7d }
general_settings: { database_url: os.environ/DATABASE_URL }
`)
    assert.strictEqual(imported.document["database"], "sqlite:./understudy.db")
    assert.deepStrictEqual(budgetsOf(imported), [
      { all: true, amount: 500, window: "month", timeZone: "Europe/Berlin", alerts: [0.8, 1] },
      { vendor: "openai", amount: 100, window: "10 days" },
      { vendor: "groq", amount: 20, window: "month", timeZone: "Europe/Berlin" },
      { tag: "product:chat-bot", amount: 7, window: "week", timeZone: "Europe/Berlin" },
      { deployment: "a", amount: 10, window: "day", timeZone: "Europe/Berlin" },
      { deployment: "b@groq", amount: 3.5, window: "total" },
    ])
    assert.deepStrictEqual(imported.report, [
      "general_settings.database_url: budgets are kept in sqlite:./understudy.db: set `database` to share them between gateways",
    ])
  })

  it("have windows of calendar days, weeks and months, or of a number of days", () => {
    const windows: ReadonlyArray<readonly [duration: string, window: string]> = [
      ["1h", "hour"],
      ["24h", "day"],
      ["48h", "2 days"],
      ["1d", "day"],
      ["7d", "week"],
      ["1w", "week"],
      ["12d", "12 days"],
      ["30d", "month"],
      ["1mo", "month"],
      ["2mo", "60 days"],
      ["weekly", "week"],
    ]
    for (const [duration, window] of windows) {
      const imported = group(`max_budget: 5, budget_duration: ${duration}`, "api_key: a")
      assert.deepStrictEqual(budgetsOf(imported), [{ all: true, amount: 5, window }], duration)
    }
  })

  it("are reported where they cannot be imported, and need no database then", () => {
    const imported = litellm(`
model_list:
  - { model_name: a, litellm_params: { model: gpt-4o, max_budget: 10, budget_duration: 30m } }
  - { model_name: b, litellm_params: { model: cerebras/x, api_key: k, max_budget: 0 } }
  - { model_name: c, litellm_params: { model: gpt-4o, soft_budget: 1 } }
router_settings:
  provider_budget_config:
    openai: { budget_limit: 100, time_period: 1d }
    vertex_ai: { budget_limit: 100, time_period: 1d }
litellm_settings: { max_budget: -1, timezone: Mars/Base }
`)
    assert.notProperty(imported.document, "budgets")
    assert.notProperty(imported.document, "database")
    assert.deepStrictEqual(imported.report, [
      "litellm_settings.timezone: is not the name of a time zone: budgets begin at midnight in UTC",
      "model_list[0].litellm_params.budget_duration: is not an hour, or a number of days, weeks or months: the budget is not imported",
      "model_list[1].litellm_params.max_budget: is not an amount of US dollars above 0: not imported",
      "model_list[2].litellm_params.soft_budget: has no equivalent: not imported",
      "litellm_settings.max_budget: is not an amount of US dollars above 0: not imported",
      "router_settings.provider_budget_config.openai: shares its `provider` with others: set budgets of its deployments: not imported",
      "router_settings.provider_budget_config.vertex_ai: has no deployment that is imported: not imported",
    ])
  })
})
