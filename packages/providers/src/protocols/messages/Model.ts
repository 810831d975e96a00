/**
 * What a Claude model supports, inferred from its id.
 *
 * Models reject different parameters of the Messages API with a 400: reasoning budgets or adaptive thinking, sampling,
 * system turns. A request is encoded for its model. An id without a version (an alias, another vendor's model behind
 * the API) gets the parameters that most models accept.
 *
 * Sources: platform.claude.com, "Adaptive thinking", the migration guides (sampling parameters removed from 4.7 on;
 * thinking that cannot be turned off, and forced tools rejected, from 5.x on), "Models overview" (maximum output),
 * "Structured outputs" (from 4.5 on, Opus from 4.1 on) and "Mid-conversation system messages".
 */

export interface Model {
  /** The default of `max_tokens`, which the API requires. */
  readonly maxTokens: number
  /** The maximum of `max_tokens`, if known. */
  readonly maxOutput: number | undefined
  /** Whether it decides on reasoning itself, takes a budget in tokens, or does not reason. */
  readonly thinking: "adaptive" | "budget" | "none"
  /** The type of `thinking` that turns initial reasoning off; `undefined` if none does. */
  readonly off: "disabled" | "between_tools" | undefined
  /** Whether it supports a `tool_choice` that forces a call. */
  readonly forcible: boolean
  /** Whether it supports JSON schema output. */
  readonly schemas: boolean
  /** Whether it supports temperature, top_p and top_k (`all`); one of temperature and top_p (`one`); or none. */
  readonly sampling: "all" | "one" | "none"
  /** Whether it supports the effort `xhigh`, between `high` and `max`. */
  readonly xhigh: boolean
  /** Whether it supports `system` turns inside the conversation. */
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
