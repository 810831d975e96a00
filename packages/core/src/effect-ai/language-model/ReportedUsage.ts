/** The usage of a response as `effect/ai` and the AI SDK report it: both have the same fields. */
import type * as Chat from "../../model/Chat.ts"

/** Numbers of tokens; `undefined` where a model does not report one. */
export interface ReportedUsage {
  readonly inputTokens: {
    readonly total?: number | undefined
    readonly cacheRead?: number | undefined
    readonly cacheWrite?: number | undefined
  }
  readonly outputTokens: { readonly total?: number | undefined; readonly reasoning?: number | undefined }
}

/** The field `usage` of a response; nothing if no total is reported. */
export const toChat = ({
  inputTokens: input,
  outputTokens: output,
}: ReportedUsage): Pick<Chat.Response, "usage"> | undefined =>
  input.total === undefined && output.total === undefined
    ? undefined
    : {
        usage: {
          inputTokens: input.total ?? 0,
          outputTokens: output.total ?? 0,
          ...(input.cacheRead === undefined ? undefined : { cachedInputTokens: input.cacheRead }),
          ...(input.cacheWrite === undefined ? undefined : { cacheWriteTokens: input.cacheWrite }),
          ...(output.reasoning === undefined ? undefined : { reasoningTokens: output.reasoning }),
        },
      }
