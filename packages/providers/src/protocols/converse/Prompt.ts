/**
 * A prompt of Prompt Management, named by its ARN in a model's place: it has its model, its system prompt, its tools and
 * its sampling itself, and a call may say nothing of them. What is said in the call comes after what the prompt says.
 *
 * Source: docs.aws.amazon.com, "Converse" (`additionalModelRequestFields`, `inferenceConfig`, `system` and `toolConfig`
 * cannot be included) and "Prompt management".
 */
import type { Block, Warn } from "../Lowering.ts"

/** Whether a model's id is a prompt's ARN. */
export const isPrompt = (modelId: string): boolean => /^arn:aws[\w-]*:bedrock:[\w-]*:\d*:prompt\//.test(modelId)

/** What a body says that would make the answer another, if it is left out. */
export const unsupported = (body: Block): string | undefined => {
  if (body["system"] !== undefined) return "a system prompt beside the one of a managed prompt"
  return body["toolConfig"] === undefined ? undefined : "tools beside those of a managed prompt"
}

/** Takes out of a body what the prompt says itself. */
export const settle = (body: Block, warn: Warn): void => {
  for (const field of ["inferenceConfig", "additionalModelRequestFields"] as const) {
    for (const name of Object.keys(body[field] ?? {})) warn(`${name}, which a managed prompt says itself`)
    delete body[field]
  }
  delete body["additionalModelResponseFieldPaths"]
}

/** Its variables as the API takes them. */
export const variables = (values: Readonly<Record<string, string>>): Block =>
  Object.fromEntries(Object.entries(values).map(([name, text]) => [name, { text }]))
