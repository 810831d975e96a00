/**
 * What a model behind Converse supports, inferred from its id. Models reject different parameters by family. An unknown
 * model (an application inference profile's ARN does not name its model) gets every parameter.
 *
 * Sources: docs.aws.amazon.com, "Supported models and features" (tools, caching), "ToolChoice" (`any` and `tool`),
 * "Prompt caching", "Structured output", "Nova: extended thinking", "Nova: complete request schema", "Amazon Nova
 * models" (maximum output) and "OpenAI models".
 */
import * as Claude from "../messages/Model.ts"

export interface Model {
  /** The Claude model, if it is one. Only Claude accepts signed reasoning, and Anthropic's own fields. */
  readonly claude: Claude.Model | undefined
  /** The supported tool choices. */
  readonly choices: ReadonlyArray<"auto" | "any" | "tool">
  /** Where it supports cache points. */
  readonly caches: "everywhere" | "but for tools" | "nowhere"
  /** Whether it supports JSON schema output. */
  readonly schemas: boolean
  /** The reasoning parameter, for models other than Claude. */
  readonly effort: "reasoning_effort" | "reasoningConfig" | undefined
  /** The field of `top_k`, if supported. */
  readonly topK: "top_k" | "inferenceConfig" | undefined
  readonly audio: boolean
  /** The maximum number of output tokens, if known. More are rejected. */
  readonly maxOutput: number | undefined
}

const unknown: Model = {
  claude: undefined,
  choices: ["auto", "any", "tool"],
  caches: "everywhere",
  schemas: true,
  effort: undefined,
  topK: undefined,
  audio: true,
  maxOutput: undefined,
}

const nova: Model = {
  ...unknown,
  caches: "but for tools",
  schemas: false,
  topK: "inferenceConfig",
  audio: false,
}

const plain: Model = { ...unknown, caches: "nowhere", audio: false }

/** Model families by id; the first match applies. */
const families: ReadonlyArray<readonly [ids: RegExp, model: Model]> = [
  [/amazon\.nova-2/, { ...nova, audio: true, effort: "reasoningConfig" }],
  [/amazon\.nova-(?:micro|lite|pro)/, { ...nova, maxOutput: 10_000 }],
  [/amazon\.nova/, nova],
  [/openai\.gpt-oss/, { ...plain, effort: "reasoning_effort" }],
  [
    /mistral\.(?:mistral-(?:7b|large-24|small-24)|mixtral|pixtral)/,
    { ...plain, choices: ["auto", "any"], schemas: false },
  ],
  [/mistral\./, { ...plain, choices: ["auto", "any"], audio: true }],
  [/meta\.llama|cohere\.|ai21\.|amazon\.titan/, { ...plain, choices: [], schemas: false }],
  [/deepseek\.r1/, { ...plain, choices: [], schemas: false }],
  [/deepseek\.|qwen\./, plain],
]

/** `of("us.meta.llama3-3-70b-instruct-v1:0").choices.length === 0`. */
export const of = (id: string): Model => {
  if (/claude/i.test(id)) {
    const claude = Claude.of(id)
    return {
      ...unknown,
      claude,
      choices: claude.forcible ? unknown.choices : ["auto"],
      schemas: claude.schemas,
      topK: "top_k",
      audio: false,
      maxOutput: claude.maxOutput,
    }
  }
  return families.find(([ids]) => ids.test(id))?.[1] ?? unknown
}
