/**
 * A prompt of Prompt Management, whose ARN replaces the model's id. It defines its model, system prompt, tools and
 * sampling, which a call must not set. The call's messages follow the prompt's.
 *
 * Source: docs.aws.amazon.com, "Converse" (`additionalModelRequestFields`, `inferenceConfig`, `system` and `toolConfig`
 * cannot be included) and "Prompt management".
 */
import type { Block, Warn } from "../Lowering.ts"

/** Whether a model's id is a prompt's ARN. */
export const isPrompt = (modelId: string): boolean => /^arn:aws[\w-]*:bedrock:[\w-]*:\d*:prompt\//.test(modelId)

/** The first parameter of a body that a prompt defines and that cannot be dropped. */
export const unsupported = (body: Block): string | undefined => {
  if (body["system"] !== undefined) return "a system prompt in addition to the managed prompt's"
  return body["toolConfig"] === undefined ? undefined : "tools in addition to the managed prompt's"
}

/** Removes the parameters that the prompt defines. */
export const removeDefined = (body: Block, warn: Warn): void => {
  for (const field of ["inferenceConfig", "additionalModelRequestFields"] as const) {
    for (const name of Object.keys(body[field] ?? {})) warn(`${name}, which the managed prompt defines`)
    delete body[field]
  }
  delete body["additionalModelResponseFieldPaths"]
}

/** The prompt's variables in the API's form. */
export const variables = (values: Readonly<Record<string, string>>): Block =>
  Object.fromEntries(Object.entries(values).map(([name, text]) => [name, { text }]))
