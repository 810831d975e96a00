import { assert, describe, it } from "@effect/vitest"
import { bifrost } from "./imports.ts"

type Mapping = Readonly<Record<string, unknown>>

const key = (more: Mapping = {}): Mapping => ({ name: "k", value: "env.KEY", models: ["*"], weight: 1, ...more })

/** One provider, imported. */
const provider = (name: string, settings: Mapping) => bifrost({ providers: { [name]: settings } })

describe("Bifrost: providers", () => {
  it("serves every model of a key under the provider's name, and listed ones alone", () => {
    const { deployments } = provider("openai", { keys: [key()] })
    assert.deepStrictEqual(deployments, { "openai/*": { provider: "openai", model: "*", apiKey: "${KEY}" } })
    const listed = provider("openai", { keys: [key({ models: ["gpt-4o", "o3"] })] })
    assert.deepStrictEqual(Object.keys(listed.deployments), ["openai/gpt-4o", "openai/o3"])
  })

  it("pools keys that are alike, and balances those with other weights or models", () => {
    const pool = provider("openai", { keys: [key(), key({ name: "l", value: "env.OTHER" })] })
    assert.deepStrictEqual(pool.deployments, {
      "openai/*": { provider: "openai", model: "*", apiKeys: ["${KEY}", "${OTHER}"] },
    })
    const uneven = provider("openai", {
      keys: [key({ weight: 3 }), key({ name: "l", value: "env.OTHER", models: ["gpt-4o"], weight: 1 })],
    })
    assert.deepStrictEqual(uneven.routes, {
      "openai/gpt-4o": { balance: "shuffle", across: ["openai@k/gpt-4o", "openai@l/gpt-4o"] },
    })
    assert.deepStrictEqual(uneven.deployments["openai@k/gpt-4o"], {
      provider: "openai",
      model: "gpt-4o",
      apiKey: "${KEY}",
      weight: 3,
    })
    assert.deepStrictEqual(uneven.deployments["openai/*"], { provider: "openai", model: "*", apiKey: "${KEY}" })
  })

  it("takes an empty list of models as all of them only in version 1", () => {
    const document = (version?: number) => ({
      ...(version === undefined ? undefined : { version }),
      providers: { openai: { keys: [key({ models: [] })] }, groq: { keys: [key()] } },
    })
    assert.deepStrictEqual(Object.keys(bifrost(document(1)).deployments), ["openai/*", "groq/*"])
    const { deployments, report } = bifrost(document())
    assert.deepStrictEqual(Object.keys(deployments), ["groq/*"])
    assert.deepStrictEqual(report, [
      "providers.openai.keys[0].models: is empty, which allows no model: the key is not imported",
      "providers.openai: has no key that can be imported: not imported",
    ])
  })

  it("reads the network settings of a provider", () => {
    const { defaults, deployments, report } = provider("openai", {
      keys: [key()],
      network_config: {
        base_url: "https://proxy.example",
        extra_headers: { "x-team": "env.TEAM" },
        default_request_timeout_in_seconds: 600,
        max_retries: 3,
        retry_backoff_initial_ms: 250,
        retry_backoff_max: 4000,
        stream_idle_timeout_in_seconds: 20,
        insecure_skip_verify: true,
        max_conns_per_host: 10,
      },
      proxy_config: { type: "socks5", url: "socks5://x" },
      concurrency_and_buffer_size: { concurrency: 10, buffer_size: 100 },
    })
    assert.deepStrictEqual(deployments["openai/*"], {
      provider: "openai",
      model: "*",
      apiKey: "${KEY}",
      baseUrl: "https://proxy.example/v1",
      headers: { "x-team": "${TEAM}" },
      retry: { times: 3, base: "250ms", max: "4s" },
      timeout: { attempt: "10m", firstToken: "10m", idle: "20s" },
      limits: { concurrency: 10, queue: { max: 100 } },
    })
    assert.deepStrictEqual(defaults, { retry: { times: 0 }, timeout: { total: "10m" } })
    assert.deepStrictEqual(report, [
      "providers.openai.proxy_config.url: is not an http or https address: not imported",
      "providers.openai.proxy_config.type: proxies of type socks5 are not supported: not imported",
      "providers.openai.network_config.insecure_skip_verify: certificates are always verified: set NODE_EXTRA_CA_CERTS for one of your own",
      "providers.openai.network_config.max_conns_per_host: has no equivalent: not imported",
    ])
  })

  const vendors: ReadonlyArray<readonly [name: string, settings: Mapping, deployment: Mapping]> = [
    ["anthropic", {}, { provider: "anthropic", model: "*", apiKey: "${KEY}" }],
    ["gemini", {}, { provider: "gemini", model: "*", apiKey: "${KEY}" }],
    [
      "azure",
      { azure_key_config: { endpoint: "https://mine.openai.azure.com/", api_version: "2024-10-21" } },
      {
        provider: "azure",
        model: "*",
        apiKey: "${KEY}",
        endpoint: "https://mine.openai.azure.com",
        apiVersion: "2024-10-21",
      },
    ],
    [
      "bedrock",
      {
        value: "",
        bedrock_key_config: { region: "env.AWS_REGION", role_arn: "arn:aws:iam::1:role/x", session_name: "s" },
      },
      {
        provider: "bedrock",
        model: "*",
        region: "${AWS_REGION}",
        roleArn: "arn:aws:iam::1:role/x",
        roleSessionName: "s",
      },
    ],
    [
      "vertex",
      { value: "", vertex_key_config: { project_id: "p", region: "us-east5", auth_credentials: "env.VERTEX" } },
      { provider: "vertex", model: "*", project: "p", location: "us-east5", credentials: "${VERTEX}" },
    ],
    [
      "ollama",
      { value: "", ollama_key_config: { url: "http://ollama:11434" } },
      { provider: "ollama", model: "*", baseUrl: "http://ollama:11434/v1" },
    ],
    [
      "vllm",
      { value: "", vllm_key_config: { url: "http://gpu:8000", model_name: "llama" } },
      { provider: "vllm", model: "llama", baseUrl: "http://gpu:8000/v1" },
    ],
    [
      "sgl",
      { value: "", sgl_key_config: { url: "http://gpu:30000/v1" } },
      { provider: "openai", model: "*", baseUrl: "http://gpu:30000/v1" },
    ],
  ]
  for (const [name, settings, deployment] of vendors) {
    it(`reads keys of ${name}`, () => {
      const { deployments, report } = provider(name, { keys: [key(settings)] })
      assert.deepStrictEqual(deployments[`${name}/*`], deployment)
      assert.deepStrictEqual(report, [])
    })
  }

  it("reads aliases and deployments as the ids behind names", () => {
    const { deployments } = provider("bedrock", {
      keys: [
        key({
          value: "",
          models: [],
          aliases: { fast: { model_id: "us.amazon.nova-lite-v1:0" } },
          bedrock_key_config: { region: "us-east-1", deployments: { smart: "us.anthropic.claude-sonnet-4-5-v1:0" } },
        }),
      ],
    })
    assert.deepStrictEqual(
      Object.entries(deployments).map(([name, { model }]) => [name, model]),
      [
        ["bedrock/fast", "us.amazon.nova-lite-v1:0"],
        ["bedrock/smart", "us.anthropic.claude-sonnet-4-5-v1:0"],
      ],
    )
  })

  it("reads a provider of the operator's own as the one that it is like", () => {
    const { deployments } = provider("house", {
      keys: [key()],
      custom_provider_config: { base_provider_type: "anthropic", allowed_requests: {} },
      network_config: { base_url: "https://llm.example/v1" },
    })
    assert.deepStrictEqual(deployments["house/*"], {
      provider: "anthropic",
      model: "*",
      apiKey: "${KEY}",
      baseUrl: "https://llm.example",
    })
  })

  it("reads the settings of older files, of all keys of a provider", () => {
    const { deployments } = provider("azure", {
      keys: [key({ models: ["gpt-4o"] })],
      meta_config: { endpoint: "env.AZURE_ENDPOINT", deployments: { "gpt-4o": "prod" }, api_version: "2024-10-21" },
    })
    assert.deepStrictEqual(deployments["azure/gpt-4o"], {
      provider: "azure",
      model: "prod",
      apiKey: "${KEY}",
      endpoint: "${AZURE_ENDPOINT}",
      apiVersion: "2024-10-21",
    })
  })
})

describe("Bifrost: governance", () => {
  const governed = (governance: Mapping, more: Mapping = {}) =>
    bifrost({
      providers: { openai: { keys: [key()] }, groq: { keys: [key({ models: ["llama"] })] } },
      governance,
      ...more,
    })

  it("makes virtual keys of those with a value, with the models that they may use", () => {
    const { document, report } = governed(
      {
        virtual_keys: [
          {
            id: "a",
            name: "A",
            value: "env.VK",
            provider_configs: [{ provider: "openai", allowed_models: ["gpt-4o"], key_ids: ["*"] }],
          },
          { id: "b", name: "B", value: "sk-b", provider_configs: [{ provider: "groq", allowed_models: ["*"] }] },
          { id: "c", name: "C", value: "sk-c", provider_configs: [] },
          { id: "d", name: "D" },
        ],
      },
      { client: { enforce_auth_on_inference: true } },
    )
    assert.deepStrictEqual(document["keys"], [
      { id: "a", key: "${VK}", routes: ["openai/gpt-4o"] },
      { id: "b", key: "sk-b", routes: ["groq/llama"] },
    ])
    assert.deepStrictEqual(report, [
      "governance.virtual_keys[2].provider_configs: is empty, which allows nothing: the key is not imported",
      "governance.virtual_keys[3].value: is kept in Bifrost's database: create the key anew, see `keys`",
    ])
  })

  it("makes limits and budgets of keys, teams and providers", () => {
    const { document, report } = governed(
      {
        virtual_keys: [{ id: "a", name: "A", value: "sk-a", team_id: "t", rate_limit_id: "r" }],
        teams: [{ id: "t", name: "search", budget_id: "bt" }],
        providers: [{ name: "openai", budget_id: "bp" }],
        budgets: [
          { id: "ba", virtual_key_id: "a", max_limit: 5, reset_duration: "1h" },
          { id: "bt", max_limit: 50, reset_duration: "1w" },
          { id: "bp", max_limit: 500, reset_duration: "1M" },
          { id: "bx", max_limit: 1, reset_duration: "1d", customer_id: "x" },
        ],
        rate_limits: [
          {
            id: "r",
            request_max_limit: 1000,
            request_reset_duration: "1d",
            token_max_limit: 20_000,
            token_reset_duration: "1m",
          },
        ],
      },
      { client: { enforce_auth_on_inference: true } },
    )
    assert.deepStrictEqual(document["keys"], [
      { id: "a", key: "sk-a", team: "search", limits: { rpd: 1000, tpm: 20_000 } },
    ])
    assert.deepStrictEqual(document["budgets"], {
      list: [
        { team: "search", amount: 50, window: "week" },
        { vendor: "openai", amount: 500, window: "month" },
        { key: "a", amount: 5, window: "hour" },
      ],
    })
    assert.deepStrictEqual(report, [
      "governance.budgets[3].id: is a budget of something that is not imported: not imported",
    ])
  })
})
