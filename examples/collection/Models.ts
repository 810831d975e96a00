/**
 * The collection's configuration: every model with its vendor and its limit, the fallback chains, and the timeouts.
 */
import type { Vendor } from "../stage/Stage.ts"

/** A model and its name in the collection. */
export interface Model {
  readonly vendor: Extract<Vendor, "openai" | "anthropic" | "bedrock">
  readonly model: string
  readonly region?: string
  /** Requests per minute. */
  readonly rpm: number
}

export type Models = Readonly<Record<string, Model>>

/** The fallbacks of each model, in order. */
export type Fallbacks = Readonly<Record<string, ReadonlyArray<string>>>

const [east, west] = ["us-east-1", "us-west-2"]

// ---------------------------------------------------------------------------------------------------------------------
// OpenAI → Anthropic → Bedrock
// ---------------------------------------------------------------------------------------------------------------------

export const multiProvider: Models = {
  "anthropic-claude-4": { vendor: "anthropic", model: "claude-4-20250115", rpm: 40 },
  "anthropic-claude-sonnet-37": { vendor: "anthropic", model: "claude-3-7-sonnet-20250115", rpm: 50 },
  "anthropic-claude-haiku-37": { vendor: "anthropic", model: "claude-3-7-haiku-20250115", rpm: 60 },
  "bedrock-claude-4": {
    vendor: "bedrock",
    model: "us.anthropic.claude-sonnet-4-20250514-v1:0",
    region: east,
    rpm: 30,
  },
  "bedrock-claude-sonnet-37": {
    vendor: "bedrock",
    model: "us.anthropic.claude-3-7-sonnet-20250219-v1:0",
    region: east,
    rpm: 40,
  },
  "bedrock-claude-haiku-37": {
    vendor: "bedrock",
    model: "us.anthropic.claude-3-5-haiku-20241022-v1:0",
    region: east,
    rpm: 50,
  },
  "bedrock-llama-maverick": {
    vendor: "bedrock",
    model: "us.meta.llama4-maverick-17b-instruct-v1:0",
    region: west,
    rpm: 30,
  },
  "openai-gpt4o": { vendor: "openai", model: "gpt-4o", rpm: 60 },
}

export const multiProviderFallbacks: Fallbacks = {
  "anthropic-claude-4": ["bedrock-claude-4", "bedrock-claude-sonnet-37"],
  "anthropic-claude-sonnet-37": ["bedrock-claude-sonnet-37", "bedrock-claude-haiku-37"],
  "anthropic-claude-haiku-37": ["bedrock-claude-haiku-37", "bedrock-llama-maverick"],
  "bedrock-claude-4": ["bedrock-claude-sonnet-37", "bedrock-llama-maverick"],
  "bedrock-claude-sonnet-37": ["bedrock-claude-haiku-37", "bedrock-llama-maverick"],
  "bedrock-claude-haiku-37": ["bedrock-llama-maverick"],
  "openai-gpt4o": ["anthropic-claude-4", "bedrock-claude-4"],
}

/** The chains of the second document: OpenAI, then Anthropic, then Bedrock. */
export const threeVendors: Models = {
  "openai-gpt4o": { vendor: "openai", model: "gpt-4o", rpm: 60 },
  "anthropic-claude-sonnet": { vendor: "anthropic", model: "claude-3-5-sonnet-20241022", rpm: 50 },
  "bedrock-claude-sonnet": {
    vendor: "bedrock",
    model: "anthropic.claude-3-5-sonnet-20241022-v2:0",
    region: east,
    rpm: 50,
  },
}

export const threeVendorsFallbacks: Fallbacks = {
  "openai-gpt4o": ["anthropic-claude-sonnet", "bedrock-claude-sonnet"],
}

// ---------------------------------------------------------------------------------------------------------------------
// Bedrock alone, from model to model
// ---------------------------------------------------------------------------------------------------------------------

export const converse: Models = {
  "bedrock-claude-4": {
    vendor: "bedrock",
    model: "us.anthropic.claude-sonnet-4-20250514-v1:0",
    region: east,
    rpm: 30,
  },
  "bedrock-claude-sonnet-37": {
    vendor: "bedrock",
    model: "us.anthropic.claude-3-7-sonnet-20250219-v1:0",
    region: east,
    rpm: 40,
  },
  "bedrock-claude-sonnet-35": {
    vendor: "bedrock",
    model: "anthropic.claude-3-5-sonnet-20241022-v2:0",
    region: east,
    rpm: 50,
  },
  "bedrock-claude-haiku": {
    vendor: "bedrock",
    model: "anthropic.claude-3-5-haiku-20241022-v1:0",
    region: east,
    rpm: 60,
  },
  "bedrock-llama-maverick": {
    vendor: "bedrock",
    model: "us.meta.llama4-maverick-17b-instruct-v1:0",
    region: west,
    rpm: 30,
  },
  "bedrock-llama3-70b": { vendor: "bedrock", model: "meta.llama3-70b-instruct-v1:0", region: west, rpm: 25 },
}

export const converseFallbacks: Fallbacks = {
  "bedrock-claude-4": ["bedrock-claude-sonnet-37", "bedrock-claude-sonnet-35"],
  "bedrock-claude-sonnet-37": ["bedrock-claude-sonnet-35", "bedrock-claude-haiku"],
  "bedrock-claude-sonnet-35": ["bedrock-claude-haiku", "bedrock-llama-maverick"],
  "bedrock-claude-haiku": ["bedrock-llama-maverick", "bedrock-llama3-70b"],
  "bedrock-llama-maverick": ["bedrock-llama3-70b"],
}

// ---------------------------------------------------------------------------------------------------------------------
// One vendor, and the same model on Bedrock behind it
// ---------------------------------------------------------------------------------------------------------------------

export const anthropicToBedrock: Models = {
  claude: { vendor: "anthropic", model: "claude-3-7-sonnet-latest", rpm: 60 },
  "claude-on-bedrock": {
    vendor: "bedrock",
    model: "us.anthropic.claude-3-7-sonnet-20250219-v1:0",
    region: east,
    rpm: 10,
  },
}

export const anthropicToBedrockFallbacks: Fallbacks = { claude: ["claude-on-bedrock"] }

// ---------------------------------------------------------------------------------------------------------------------
// Three ready strategies
// ---------------------------------------------------------------------------------------------------------------------

/** The cheapest first, then more expensive ones. */
export const costOptimised: Models = {
  "bedrock-haiku": {
    vendor: "bedrock",
    model: "anthropic.claude-3-5-haiku-20241022-v1:0",
    region: east,
    rpm: 100,
  },
  "openai-gpt4o-mini": { vendor: "openai", model: "gpt-4o-mini", rpm: 60 },
  "anthropic-sonnet": { vendor: "anthropic", model: "claude-3-5-sonnet-20241022", rpm: 50 },
}

/** The fastest first, then the most reliable. */
export const performanceOptimised: Models = {
  "openai-gpt4o-mini": { vendor: "openai", model: "gpt-4o-mini", rpm: 100 },
  "bedrock-sonnet": {
    vendor: "bedrock",
    model: "anthropic.claude-3-5-sonnet-20241022-v2:0",
    region: east,
    rpm: 50,
  },
}

/** One region, then another region, then another model in it. */
export const multiRegion: Models = {
  "bedrock-sonnet-east": {
    vendor: "bedrock",
    model: "anthropic.claude-3-5-sonnet-20241022-v2:0",
    region: east,
    rpm: 50,
  },
  "bedrock-sonnet-west": {
    vendor: "bedrock",
    model: "anthropic.claude-3-5-sonnet-20241022-v2:0",
    region: west,
    rpm: 50,
  },
  "bedrock-llama-west": { vendor: "bedrock", model: "meta.llama3-70b-instruct-v1:0", region: west, rpm: 30 },
}

/** All models in the order they are written: each strategy is one chain. */
export const inOrder = (models: Models): Fallbacks => {
  const [first = "", ...others] = Object.keys(models)
  return { [first]: others }
}
