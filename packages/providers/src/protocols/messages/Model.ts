/**
 * What a model of the Claude family takes, read off its id.
 *
 * The Messages API is one protocol, but its models differ in which of its fields they refuse with a 400: budgets or
 * adaptive thinking, sampling, system turns. A request is written in the words of the model it goes to. A name that says
 * no version (an alias, another vendor's model behind the same API) gets the words that most accept.
 *
 * Sources: platform.claude.com, "Adaptive thinking", the migration guides (sampling parameters removed from 4.7 on;
 * thinking that cannot be switched off, and forced tools refused, from 5.x on), "Models overview" (the most a model
 * writes), "Structured outputs" (from 4.5 on, Opus from 4.1 on) and "Mid-conversation system messages".
 */

export interface Model {
  /** What `max_tokens`, which the API requires, is when the request does not say: within what the model can write. */
  readonly maxTokens: number
  /** The most that `max_tokens` may be, where that is known. */
  readonly maxOutput: number | undefined
  /** Whether it decides itself how much to think, is given a budget in tokens, or cannot think. */
  readonly thinking: "adaptive" | "budget" | "none"
  /** The type of `thinking` that keeps it from thinking first; undefined where nothing does. */
  readonly off: "disabled" | "between_tools" | undefined
  /** Whether it takes a `tool_choice` that makes it call a tool. */
  readonly forcible: boolean
  /** Whether it answers by a JSON schema. */
  readonly schemas: boolean
  /** Whether it takes temperature, top_p and top_k; one of temperature and top_p; or none of them. */
  readonly sampling: "all" | "one" | "none"
  /** Whether it knows the effort `xhigh`, between `high` and `max`. */
  readonly xhigh: boolean
  /** Whether a `role: "system"` turn may stand inside the conversation. */
  readonly systemTurns: boolean
}

const unknown: Model = {
  maxTokens: 4096,
  maxOutput: undefined,
  thinking: "adaptive",
  off: "disabled",
  forcible: true,
  schemas: true,
  sampling: "all",
  xhigh: true,
  systemTurns: false,
}

const name = /claude-(?:([a-z]+)-)?(\d+)(?:[-.](\d{1,2}))?(?!\d)/

/** `versionOf("claude-sonnet-4-5") === 405`; undefined for what names no version of Claude. */
export const versionOf = (id: string): number | undefined => {
  const match = name.exec(id)
  return match === null ? undefined : versionIn(match)
}

const versionIn = (match: RegExpExecArray): number => Number(match[2]) * 100 + Number(match[3] ?? 0)

/**
 * `of("claude-sonnet-4-5-20250929").thinking === "budget"`. Prefixes (`anthropic/`, `us.anthropic.`) and dates do not
 * matter.
 */
export const of = (id: string): Model => {
  const match = name.exec(id)
  if (match === null) return unknown
  const family = match[1]
  const version = versionIn(match)
  const above = family === "fable" || family === "mythos"
  return {
    maxTokens: version >= 307 ? 32_000 : version >= 305 ? 8192 : 4096,
    maxOutput: maxOutput(family, version),
    thinking: version >= 406 ? "adaptive" : version >= 307 ? "budget" : "none",
    off:
      (above && version >= 500) || (family === "opus" && version >= 505)
        ? undefined
        : family === "sonnet" && version >= 505
          ? "between_tools"
          : "disabled",
    forcible: !((above && version >= 501) || ((family === "opus" || family === "sonnet") && version >= 505)),
    schemas: version >= 405 || (family === "opus" && version >= 401),
    sampling: version >= 407 ? "none" : version >= 401 ? "one" : "all",
    xhigh: version >= 407,
    systemTurns: (family === "opus" && version >= 408) || (family === "fable" && version >= 500),
  }
}

const maxOutput = (family: string | undefined, version: number): number => {
  if (version >= 406) return 128_000
  if (family === "opus" && version >= 400 && version < 405) return 32_000
  if (version >= 307) return 64_000
  return version >= 305 ? 8192 : 4096
}
