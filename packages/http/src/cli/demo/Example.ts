/**
 * The default configuration of the demonstrations, in LiteLLM's format, with rate limits and fake AWS services.
 */

/** The inference profile of the first two demonstrations. */
export const inferenceProfile = "us.anthropic.claude-sonnet-4-20250514-v1:0"

/** The variable with the address of the fake Bedrock, whose port is chosen at start. */
export const endpoint = "UNDERSTUDY_DEMO_ENDPOINT"

/** The model names that the demonstrations call. */
export const models = {
  fallback: "claude-sonnet-fallback-demo",
  loadBalancing: "claude-sonnet-loadbalance-demo",
  consumers: { A: "consumer-a-model", B: "consumer-b-model", C: "consumer-c-model" },
  shared: "claude-sonnet-fallback-quota",
} as const

const member = (name: string, model: string, rpm: number): string => `
  - model_name: ${name}
    litellm_params: { model: bedrock/${model}, <<: *fake-aws }
    rpm: ${rpm}`

const sonnet4 = inferenceProfile
const sonnet37 = "us.anthropic.claude-3-7-sonnet-20250219-v1:0"
const sonnet35 = "us.anthropic.claude-3-5-sonnet-20241022-v2:0"

export const yaml = `
aws: { profile_name: account1, secondary_profile_name: account2, region_name: us-east-1 }
x-fake-aws: &fake-aws
  aws_region_name: us-east-1
  aws_access_key_id: account1
  aws_secret_access_key: offline
  aws_bedrock_runtime_endpoint: os.environ/${endpoint}
model_list:${[
  member(models.fallback, sonnet4, 3),
  member(models.shared, sonnet35, 25),
  member(models.loadBalancing, sonnet37, 3),
  member(models.loadBalancing, sonnet4, 3),
  member("claude-sonnet-fallback-loadbalance", sonnet35, 25),
  member(models.consumers.A, sonnet37, 3),
  member(models.consumers.B, sonnet37, 10),
  member(models.consumers.C, sonnet37, 10),
].join("")}
router_settings:
  routing_strategy: simple-shuffle
  enable_pre_call_checks: true
  allowed_fails: 2
  cooldown_time: 15
  fallbacks:
    - ${models.fallback}: [${models.shared}]
    - ${models.loadBalancing}: [claude-sonnet-fallback-loadbalance]
`

/** The models of the fake Bedrock. */
export const bedrockModels: ReadonlyArray<string> = [sonnet4, sonnet37, sonnet35]
