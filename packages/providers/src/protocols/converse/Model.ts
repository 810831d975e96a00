/**
 * What a model behind Converse takes, read off its id. The API is one; what its models refuse of it differs by family.
 * One that is not known (an application inference profile's ARN does not tell) is told everything.
 *
 * Sources: docs.aws.amazon.com, "Supported models and features" (tools, caching), "ToolChoice" (`any` and `tool`),
 * "Prompt caching", "Structured output", "Nova: extended thinking", "Nova: complete request schema", "Amazon Nova models" (the most they write) and "OpenAI models".
 */
import * as Claude from "../messages/Model.ts"

export interface Model {
  /** What is known of it as a Claude, if it is one: only these take signed thoughts back, and Anthropic's own fields. */
  readonly claude: Claude.Model | undefined
  /** The choices of a tool that it can be given. */
  readonly choices: ReadonlyArray<"auto" | "any" | "tool">
  /** Where it takes cache points. */
  readonly caches: "everywhere" | "but for tools" | "nowhere"
  /** Whether it answers by a JSON schema. */
  readonly schemas: boolean
  /** How it is told how much to think, where it is no Claude. */
  readonly effort: "reasoning_effort" | "reasoningConfig" | undefined
  /** Where it takes `top_k`. */
  readonly topK: "top_k" | "inferenceConfig" | undefined
  readonly audio: boolean
  /** The most tokens it writes, if that is known: more are refused. */
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

/** Each family by its ids; the first that fits. */
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
