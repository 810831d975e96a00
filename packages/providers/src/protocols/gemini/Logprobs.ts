/** Token log probabilities: Google's `logprobsResult`. `Chat` has them in OpenAI's form, which most clients read. */
import * as Json from "../Json.ts"
import type { Fields } from "../Json.ts"

/** `undefined` if there are none. */
export const decode = (result: unknown): unknown => {
  const { chosenCandidates: chosen, topCandidates: top } = Json.fields(result)
  if (!Array.isArray(chosen)) return undefined
  const others = Json.list(top)
  return {
    content: chosen.map((token, at) => ({
      ...decodeToken(token),
      top_logprobs: Json.list(Json.fields(others[at])["candidates"]).map(decodeToken),
    })),
  }
}

const decodeToken = (value: unknown): Fields => {
  const { logProbability, token } = Json.fields(value)
  return { token: Json.string(token), logprob: Json.number(logProbability) ?? 0, bytes: null }
}

/** The log probability fields of a candidate; none if `logprobs` has none. */
export const encode = (logprobs: unknown): Fields => {
  const { content } = Json.fields(logprobs)
  if (!Array.isArray(content) || content.length === 0) return {}
  const chosen = content.map(encodeToken)
  const sum = chosen.reduce((sum, { logProbability }) => sum + logProbability, 0)
  return {
    avgLogprobs: sum / chosen.length,
    logprobsResult: {
      chosenCandidates: chosen,
      topCandidates: content.map((token) => ({
        candidates: Json.list(Json.fields(token)["top_logprobs"]).map(encodeToken),
      })),
    },
  }
}

const encodeToken = (value: unknown): { readonly token: string; readonly logProbability: number } => {
  const { logprob, token } = Json.fields(value)
  return { token: Json.string(token), logProbability: Json.number(logprob) ?? 0 }
}
