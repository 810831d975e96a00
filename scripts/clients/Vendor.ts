/** How a deployment of each vendor is configured when all of them are at one URL. */
export const vendors = {
  openai: (url: string) => `provider: openai, baseUrl: "${url}/v1", apiKey: x`,
  responses: (url: string) => `provider: openai, api: responses, baseUrl: "${url}/v1", apiKey: x`,
  anthropic: (url: string) => `provider: anthropic, baseUrl: "${url}", apiKey: x`,
  bedrock: (url: string) => `provider: bedrock, endpoint: "${url}", region: us-east-1, bearerToken: x`,
  gemini: (url: string) => `provider: gemini, baseUrl: "${url}", apiKey: x`,
}

export type Vendor = keyof typeof vendors

export const isVendor = (name: string): name is Vendor => name in vendors
