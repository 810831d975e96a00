/**
 * Validates model names that become part of a URL path. A model name may come from a client through a wildcard, and
 * must not lead to another path with the operator's key.
 */
import type { Provider } from "@understudy/core/Provider"
import { ProviderError } from "@understudy/core/ProviderError"
import * as Effect from "effect/Effect"
import * as Stream from "effect/Stream"

/** Whether a name can be a part of a path: well-formed text whose segments are neither empty nor `.` nor `..`. */
export const fits = (model: string): boolean => model.isWellFormed() && !unsafe.test(model)

/**
 * An empty segment, `.` or `..`, plain or percent-encoded any number of times, as proxies may decode repeatedly. Some
 * servers read `\` as `/`.
 */
const unsafe = /(?:^|[/\\]|%(?:25)*(?:2f|5c))(?:\.|%(?:25)*2e){0,2}(?=$|[/\\]|%(?:25)*(?:2f|5c))/i

/** A provider that rejects models whose names do not fit into its paths, as `InvalidRequest`. */
export const provider = (service: Provider["Service"]): Provider["Service"] => {
  const { countTokens, embed, operations } = service
  return {
    ...service,
    chat: (request) => (fits(request.model) ? service.chat(request) : Effect.fail(invalidModel(request.model))),
    stream: (request) => (fits(request.model) ? service.stream(request) : Stream.fail(invalidModel(request.model))),
    ...(embed && {
      embed: (request) => (fits(request.model) ? embed(request) : Effect.fail(invalidModel(request.model))),
    }),
    ...(operations && {
      operations: {
        ...operations,
        send: (request) => (fits(request.model) ? operations.send(request) : Stream.fail(invalidModel(request.model))),
      },
    }),
    ...(countTokens && {
      countTokens: (request) => (fits(request.model) ? countTokens(request) : Effect.fail(invalidModel(request.model))),
    }),
  }
}

const invalidModel = (model: string): ProviderError =>
  new ProviderError({
    reason: { _tag: "InvalidRequest", param: "model" },
    status: 400,
    message: `Invalid value for 'model': ${JSON.stringify(model.slice(0, 100))} is part of a URL path: no segment may be empty, "." or "..", and the text must be well-formed Unicode.`,
  })
