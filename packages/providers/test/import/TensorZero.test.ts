import { assert, describe, it } from "@effect/vitest"
import { tensorzero } from "./imports.ts"

/** The deployment of a model with one provider. */
const provider = (settings: string, more = "") => {
  const imported = tensorzero(`
[models.m]
routing = ["p"]
[models.m.providers.p]
${settings}
${more}`)
  return { deployment: imported.deployments["m"], report: imported.report }
}

const vendors: ReadonlyArray<readonly [settings: string, deployment: object, report?: ReadonlyArray<string>]> = [
  [`type = "openai"\nmodel_name = "gpt-4o"`, { provider: "openai", model: "gpt-4o" }],
  [
    `type = "openai"\nmodel_name = "gpt-5"\napi_type = "responses"\napi_key_location = "env::MY_KEY"`,
    { provider: "openai", model: "gpt-5", apiKey: "${MY_KEY}", api: "responses" },
  ],
  [
    `type = "openai"\nmodel_name = "llama"\napi_base = "http://10.0.0.9/v1/"\napi_key_location = "none"`,
    { provider: "openai", model: "llama", baseUrl: "http://10.0.0.9/v1" },
  ],
  [
    `type = "anthropic"\nmodel_name = "claude"\napi_base = "https://proxy.example/v1/messages"`,
    { provider: "anthropic", model: "claude", baseUrl: "https://proxy.example" },
  ],
  [
    `type = "anthropic"\nmodel_name = "claude"\napi_key_location = { default = "dynamic::key", fallback = "env::FALLBACK" }`,
    { provider: "anthropic", model: "claude", apiKey: "${FALLBACK}" },
    [
      "models.m.providers.p.api_key_location: callers do not send vendors' keys, and files are not read: the key is that of an environment variable",
    ],
  ],
  [
    `type = "azure"\ndeployment_id = "prod"\nendpoint = "env::AZURE_ENDPOINT"`,
    { provider: "azure", model: "prod", apiKey: "${AZURE_API_KEY}", endpoint: "${AZURE_ENDPOINT}" },
  ],
  [
    `type = "aws_bedrock"\nmodel_id = "us.amazon.nova-lite-v1:0"\nregion = "sdk"\nendpoint_url = "https://vpce.example"`,
    { provider: "bedrock", model: "us.amazon.nova-lite-v1:0", endpoint: "https://vpce.example" },
  ],
  [
    `type = "gcp_vertex_gemini"\nmodel_id = "gemini-2.5-pro"\nproject_id = "p"\nlocation = "global"`,
    { provider: "vertex", model: "gemini-2.5-pro", project: "p", location: "global" },
  ],
  [
    `type = "google_ai_studio_gemini"\nmodel_name = "gemini-2.5-flash"`,
    { provider: "gemini", model: "gemini-2.5-flash", apiKey: "${GOOGLE_AI_STUDIO_API_KEY}" },
  ],
  [`type = "groq"\nmodel_name = "llama"`, { provider: "groq", model: "llama" }],
  [
    `type = "hyperbolic"\nmodel_name = "llama"`,
    {
      provider: "openai",
      model: "llama",
      baseUrl: "https://api.hyperbolic.xyz/v1",
      apiKey: "${HYPERBOLIC_API_KEY}",
    },
  ],
  [
    `type = "vllm"\nmodel_name = "llama"\napi_base = "http://gpu:8000/v1"`,
    { provider: "vllm", model: "llama", baseUrl: "http://gpu:8000/v1", apiKey: "${VLLM_API_KEY}" },
  ],
  [
    `type = "tgi"\napi_base = "http://gpu:8080/v1"\napi_key_location = "none"`,
    { provider: "openai", model: "tgi", baseUrl: "http://gpu:8080/v1" },
  ],
]

describe("TensorZero: providers", () => {
  for (const [settings, deployment, report = []] of vendors) {
    it(settings.replaceAll("\n", ", "), () => {
      const imported = provider(settings)
      assert.deepStrictEqual<object | undefined>(imported.deployment, deployment)
      assert.deepStrictEqual(imported.report, report)
    })
  }

  it("reads what a provider costs, in each way in which vendors report tokens", () => {
    const price = (cost: string) => {
      const { deployment, report } = provider(`type = "openai"\nmodel_name = "m"\ncost = [${cost}]`)
      return [deployment?.["price"], ...report]
    }
    const [input, output] = [
      `{ pointer = "/usage/prompt_tokens", cost_per_million = 2.5 }`,
      `{ pointer_nonstreaming = "/usage/completion_tokens", pointer_streaming = "/usage/completion_tokens", cost_per_million = 10.0 }`,
    ]
    assert.deepStrictEqual(price(`${input}, ${output}`), [{ input: 2.5, output: 10 }])
    const cached = `{ pointer = "/usage/prompt_tokens_details/cached_tokens", cost_per_million = -1.25 }`
    assert.deepStrictEqual(price(`${input}, ${output}, ${cached}`), [{ input: 2.5, output: 10, cachedInput: 1.25 }])
    const besides = `{ pointer = "/usage/cache_read_input_tokens", cost_per_million = 0.25 }, { pointer = "/usage/cache_creation_input_tokens", cost_per_million = 3.0 }`
    assert.deepStrictEqual(price(`${input}, ${output}, ${besides}`), [
      { input: 2.5, output: 10, cachedInput: 0.25, cacheWrite: 3 },
    ])
    assert.deepStrictEqual(price(`${input}, { pointer = "/usage/searches", cost_per_unit = 0.01 }`), [
      undefined,
      "models.m.providers.p.cost: /usage/searches is not a count of tokens that has a price: not imported",
      "models.m.providers.p.cost: a price needs that of input and of output tokens: not imported",
    ])
  })

  it("forces the fields of extra_body, and reports what is no field", () => {
    const { deployment, report } = provider(`type = "openai"
model_name = "m"
extra_body = [
  { pointer = "/a/b", value = 1 }, { pointer = "/a/c", value = 2 }, { pointer = "/max_completion_tokens", value = 9 },
  { pointer = "/model", value = "other" }, { pointer = "/messages/0", value = {} }, { pointer = "/x", delete = true },
]
extra_headers = [{ name = "x-a", value = "1" }, { name = "x-b", delete = true }]`)
    assert.deepStrictEqual(deployment?.["force"], { maxTokens: 9, extraBody: { a: { b: 1, c: 2 } } })
    assert.deepStrictEqual(deployment?.["headers"], { "x-a": "1" })
    assert.deepStrictEqual(report, [
      "models.m.providers.p.extra_headers: headers can be set, not deleted: not imported",
      "models.m.providers.p.extra_body: /model is not a field that can be set: not imported",
      "models.m.providers.p.extra_body: /messages/0: only fields can be set, not deleted or put into lists: not imported",
      "models.m.providers.p.extra_body: /x: only fields can be set, not deleted or put into lists: not imported",
    ])
  })

  it("reads the keys of a type for all of its providers", () => {
    const { deployment } = provider(
      `type = "mistral"\nmodel_name = "large"`,
      `[provider_types.mistral.defaults]\napi_key_location = "env::OURS"`,
    )
    assert.deepStrictEqual(deployment, { provider: "mistral", model: "large", apiKey: "${OURS}" })
  })
})

describe("TensorZero: routes", () => {
  const models = `
[models.a]
routing = ["x", "y"]
timeouts = { non_streaming.total_ms = 9000 }
[models.a.providers.x]
type = "openai"
model_name = "x"
timeouts = { non_streaming.total_ms = 4000, streaming.ttft_ms = 1000 }
[models.a.providers.y]
type = "groq"
model_name = "y"
[models.a.providers.unused]
type = "xai"
model_name = "z"
`

  it("falls back from provider to provider, once each, by the names that clients use", () => {
    const { chain, defaults, deployments, report, routes } = tensorzero(models)
    assert.deepStrictEqual(chain("tensorzero::model_name::a"), ["a@x", "a@y"])
    assert.deepStrictEqual(routes["a"], { fallback: ["a@x", "a@y"], fallbackOn: "any", timeout: { total: "9s" } })
    assert.deepStrictEqual(deployments["a@x"]?.["timeout"], { attempt: "4s", firstToken: "1s" })
    assert.deepStrictEqual(defaults, { retry: { times: 0 } })
    assert.deepStrictEqual(report, [])
  })

  it("splits the calls of a function over its variants, each with its parameters", () => {
    const { chain, deployments, report, routes } = tensorzero(`${models}
[functions.f.variants.one]
type = "chat_completion"
model = "a"
temperature = 0.5
stop_sequences = ["END"]
reasoning_effort = "low"
retries = { num_retries = 2 }
weight = 3
[functions.f.variants.two]
type = "chat_completion"
model = "anthropic::claude-haiku-4-5"
weight = 1
[functions.f.variants.three]
type = "experimental_best_of_n_sampling"
candidates = ["one"]`)
    assert.deepStrictEqual(routes["tensorzero::function_name::f"], {
      split: [
        { use: "f/one", share: 3 },
        { use: "anthropic::claude-haiku-4-5", share: 1 },
      ],
    })
    assert.deepStrictEqual(chain("f/one"), ["f/one@x", "f/one@y"])
    assert.deepStrictEqual(deployments["f/one@y"], {
      provider: "groq",
      model: "y",
      params: { temperature: 0.5, stop: ["END"], reasoning: { effort: "low" } },
      retry: { times: 2 },
    })
    assert.deepStrictEqual(report, [
      "functions.f.variants.three.type: variants of type experimental_best_of_n_sampling are not supported: not imported",
    ])
  })

  it("takes the shares and the fallbacks of an experiment", () => {
    const variants = ["one", "two", "three"].map(
      (name) => `[functions.f.variants.${name}]\ntype = "chat_completion"\nmodel = "groq::${name}"`,
    )
    const route = (experiment: string) =>
      tensorzero(`${variants.join("\n")}\n[functions.f.experimentation]\n${experiment}`).routes[
        "tensorzero::function_name::f"
      ]
    assert.deepStrictEqual(
      route(`type = "static"\ncandidate_variants = ["one", "two"]\nfallback_variants = ["three"]`),
      {
        fallback: [
          {
            split: [
              { use: "groq::one", share: 1 },
              { use: "groq::two", share: 1 },
            ],
          },
          "groq::three",
        ],
        fallbackOn: "any",
      },
    )
    assert.strictEqual(route(`type = "static"\ncandidate_variants = { one = 1.0 }`), "groq::one")
  })

  it("serves the models of a function whose prompts are TensorZero's, and reports the function", () => {
    const { deployments, report, routes } = tensorzero(`
[functions.f]
type = "json"
output_schema = "f.json"
[functions.f.variants.v]
type = "chat_completion"
model = "openai::gpt-4o"
json_mode = "strict"`)
    assert.deepStrictEqual(Object.keys(deployments), ["openai::gpt-4o"])
    assert.deepStrictEqual(Object.keys(routes), ["tensorzero::model_name::openai::gpt-4o"])
    assert.deepStrictEqual(report, [
      "functions.f.output_schema: the prompts and the output of this function are TensorZero's: the application has to send messages and a format: not imported",
    ])
  })
})

describe("TensorZero: the gateway", () => {
  it("makes budgets of what everything may cost, and reports other limits", () => {
    const { document, report } = tensorzero(`
[models.m]
routing = ["p"]
[models.m.providers.p]
type = "openai"
model_name = "m"
[[rate_limiting.rules]]
always = true
cost_per_week = { capacity = 50.0, refill_rate = 10.0 }
model_inferences_per_second = 5
[[rate_limiting.rules]]
priority = 1
cost_per_day = 1.0
scope = [{ api_key_public_id = "tensorzero::each" }]
[gateway]
bind_address = "[::]:4000"
relay.gateway_url = "http://relay:3000"`)
    assert.deepStrictEqual(document["server"], { port: 4000 })
    assert.deepStrictEqual(document["budgets"], { list: [{ all: true, amount: 50, window: "week" }] })
    assert.deepStrictEqual(report, [
      "rate_limiting.rules[0].model_inferences_per_second: is a limit of the whole gateway: set `limits` of deployments or keys: not imported",
      "rate_limiting.rules[1].scope: limits of tags and keys are set on `keys`, `limits` and `budgets`: not imported",
      "gateway.relay.gateway_url: calls go to vendors directly, past the limits and the keys of that gateway: not imported",
      "gateway.bind_address: only the port is imported: listening on other addresses than loopback needs keys, see `server.host`",
    ])
  })
})
