/**
 * Vertex AI's APIs for models, and which of them has a model, by its id.
 */

/**
 * `gemini`: Google's own models. `anthropic`: Claude. `mistral`: Mistral's models. `openai`: the open models behind the
 * OpenAI-compatible endpoint, such as Llama, gpt-oss, DeepSeek and Qwen.
 */
export const apis = ["gemini", "anthropic", "mistral", "openai"] as const
export type Api = (typeof apis)[number]

/** The API that has the model. An id without a publisher that is not Claude's or Mistral's is one of Google's. */
export const apiOf = (model: string): Api => {
  const [publisher, name] = split(model)
  if (publisher === "anthropic" || name.startsWith("claude-")) return "anthropic"
  if (name.endsWith("-maas")) return "openai"
  if (publisher === "mistralai" || /^(?:codestral|ministral|mistral)-/.test(name)) return "mistral"
  return publisher === undefined || publisher === "google" || publisher === "endpoints" ? "gemini" : "openai"
}

/** `split("meta/llama-4")` is `["meta", "llama-4"]`; a resource name such as `publishers/google/models/x` is also split. */
const split = (model: string): readonly [publisher: string | undefined, name: string] => {
  const [, publisher, name] = /^(?:publishers\/)?([^/]+)\/(?:models\/)?(.+)$/.exec(model) ?? []
  return name === undefined ? [undefined, model] : [publisher, name]
}

/**
 * The path of a publisher's model below its location, of its id with or without the publisher. A tuned model's is that of
 * its endpoint: `endpoints/123`.
 */
export const resourceOf =
  (publisher: string) =>
  (model: string): string => {
    const [own, name] = split(model)
    return own === "endpoints" ? model : `publishers/${publisher}/models/${own === publisher ? name : model}`
  }
