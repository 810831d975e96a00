/**
 * Models that go into an address. A name that a caller chose, through a wildcard, must not lead to another address with the
 * operator's key.
 */
import type { Provider } from "@understudy/core/Provider"
import { ProviderError } from "@understudy/core/ProviderError"
import * as Effect from "effect/Effect"
import * as Stream from "effect/Stream"

/** Whether a name stands in an address for itself alone: text that can be encoded, in segments that neither end nor climb. */
export const fits = (model: string): boolean => model.isWellFormed() && !astray.test(model)

/** An empty segment, or one that is mere dots, encoded or not, however often: proxies decode too. Some servers take `\` for `/`. */
const astray = /(?:^|[/\\]|%(?:25)*(?:2f|5c))(?:\.|%(?:25)*2e){0,2}(?=$|[/\\]|%(?:25)*(?:2f|5c))/i

/** The provider, for models whose names fit into its addresses; any other is the caller's mistake. */
export const provider = (service: Provider["Service"]): Provider["Service"] => {
  const { countTokens, embed } = service
  return {
    ...service,
    chat: (request) => (fits(request.model) ? service.chat(request) : Effect.fail(refusal(request.model))),
    stream: (request) => (fits(request.model) ? service.stream(request) : Stream.fail(refusal(request.model))),
    ...(embed && {
      embed: (request) => (fits(request.model) ? embed(request) : Effect.fail(refusal(request.model))),
    }),
    ...(countTokens && {
      countTokens: (request) => (fits(request.model) ? countTokens(request) : Effect.fail(refusal(request.model))),
    }),
  }
}

const refusal = (model: string): ProviderError =>
  new ProviderError({
    reason: { _tag: "InvalidRequest", param: "model" },
    status: 400,
    message: `Invalid value for 'model': ${JSON.stringify(model.slice(0, 100))} goes into an address, where no segment may be empty, "." or "..", and no character may be half of one.`,
  })
