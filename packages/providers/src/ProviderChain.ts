/**
 * A fallback chain with little code: an array of providers, tried in order or by another strategy.
 *
 * ```ts
 * const chain = Chain.make([
 *   { provider: "openai", model: "gpt-4o" },
 *   { provider: "anthropic", model: "claude-sonnet-4-5" }
 * ])
 * const { content, provider } = await chain.chat("What is the capital of France?")
 * ```
 *
 * In Effect code, `Chain.layer` gives a `Router` with one route, `chain`.
 */
import * as Chat from "@understudy/core/Chat"
import * as Promises from "@understudy/core/Promise"
import type { ReasonTag } from "@understudy/core/ProviderError"
import type { Receipt } from "@understudy/core/Receipt"
import * as Router from "@understudy/core/Router"
import type { Strategy } from "@understudy/core/Route"
import type * as EffectConfig from "effect/Config"
import * as Data from "effect/Data"
import * as Effect from "effect/Effect"
import * as Layer from "effect/Layer"
import * as Predicate from "effect/Predicate"
import * as Result from "effect/Result"
import type { VendorName } from "./Catalog.ts"
import * as Config from "./Config.ts"
import type { Problem } from "./config/ConfigError.ts"
import type { ProviderStartError } from "./ProviderStartError.ts"

/**
 * A provider of a chain. Any other key of a configuration's deployments is accepted too. `timeout`, such as `"30s"`, limits
 * a complete response and a stream's first token.
 */
export interface Link {
  readonly provider: VendorName
  readonly model: string
  /** Its name in responses and callbacks. Default: its vendor's name. */
  readonly name?: string | undefined
  readonly apiKey?: string | undefined
  readonly baseUrl?: string | undefined
  readonly timeout?: string | undefined
  /** Its weight, for strategies with weights. */
  readonly weight?: number | undefined
  readonly [key: string]: unknown
}

/** The settings of a chain. */
export interface Options {
  /** The order in which providers are tried. Default: `ordered`. */
  readonly strategy?: Strategy | undefined
  /** Retries of one provider and the delay between them, such as `{ times: 2, base: "500ms" }`. */
  readonly retry?: { readonly times?: number; readonly base?: string; readonly max?: string } | undefined
  /** When a failing provider is skipped, and for how long. Default: `{ failures: 3, open: "5s" }`. */
  readonly circuit?: { readonly failures?: number; readonly open?: string } | undefined
  readonly onFailover?: ((from: string, to: string, reason: ReasonTag) => void) | undefined
  readonly onSuccess?: ((call: ChainCall) => void) | undefined
}

/** The provider that answered, and the duration of the call in milliseconds. */
export interface ChainCall {
  readonly provider: string
  readonly latency: number
  readonly receipt: Receipt
}

/** The response to a call. */
export interface ChainResponse extends ChainCall {
  readonly content: string
  /** The vendor's id of the model. */
  readonly model: string
  readonly response: Chat.Response
}

/** A request without a model: a chain has one route. */
export type ChainRequest = Omit<Chat.Request, "model">

/** A running chain. Calls reject with a `RouterError` that lists the attempts. */
export interface Chain {
  readonly chat: (request: string | ChainRequest, options?: Promises.Options) => Promise<ChainResponse>
  /** The text of the response in pieces. Leaving the loop closes the connection to the provider. */
  readonly stream: (request: string | ChainRequest) => AsyncIterable<string>
  readonly close: () => Promise<void>
  readonly [Symbol.asyncDispose]: () => Promise<void>
}

/** Invalid links or options: every problem, with its path. */
export class InvalidChain extends Data.TaggedError("InvalidChain")<{ readonly problems: ReadonlyArray<Problem> }> {
  override get message(): string {
    return this.problems.map(({ message, path }) => `${path}: ${message}`).join("\n")
  }
}

/** The name of a chain's route. */
export const route = "chain"

type Links = readonly [Link, ...ReadonlyArray<Link>]

/** The chain as a `Router`. It falls back to the next provider on any error. */
export const layer = (
  links: Links,
  options: Options = {},
): Layer.Layer<Router.Router, InvalidChain | Router.InvalidRoutes | ProviderStartError | EffectConfig.ConfigError> => {
  const settings = Config.decode(document(links, options), () => undefined)
  if (Result.isFailure(settings))
    return Layer.effect(Router.Router, Effect.fail(new InvalidChain({ problems: settings.failure })))
  const { onFailover, onSuccess } = options
  return Layer.unwrap(
    Effect.map(Config.withPrices(settings.success), (priced) =>
      Router.layer({
        ...Config.toOptions(priced),
        onFailover: onFailover && (({ from, reason, to }) => Effect.sync(() => onFailover(from, to, reason))),
        onSuccess: onSuccess && ((receipt) => Effect.sync(() => onSuccess(callOf(receipt)))),
      }),
    ),
  )
}

/** The chain with Promises. It starts with the first call, and runs until it is closed. */
export const make = (links: Links, options: Options = {}): Chain => {
  const router = Promises.make(layer(links, options))
  const models = new Map(withNames(links).map(({ model, name }) => [name, model]))
  return {
    chat: (input, options) =>
      router.chat(toRequest(input), options).then(({ receipt, response }) => ({
        ...callOf(receipt),
        content: Chat.text(response),
        model: response.model ?? models.get(receipt.deployment ?? "") ?? "",
        response,
      })),
    stream: (input) => texts(router.stream(toRequest(input))),
    close: router.close,
    [Symbol.asyncDispose]: router.close,
  }
}

const toRequest = (input: string | ChainRequest): Chat.Request =>
  Predicate.isString(input) ? { model: route, messages: [Chat.user(input)] } : { ...input, model: route }

const callOf = (receipt: Receipt): ChainCall => ({
  provider: receipt.deployment ?? "",
  latency: receipt.millis ?? 0,
  receipt,
})

async function* texts(parts: AsyncIterable<Chat.Part>): AsyncGenerator<string> {
  for await (const part of parts) if (part.type === "text") yield part.text
}

/** Links with unique names: two of one vendor are `openai` and `openai-2`. */
const withNames = (links: Links): ReadonlyArray<Link & { readonly name: string }> => {
  const seen = new Map<string, number>()
  return links.map((link) => {
    const name = link.name ?? link.provider
    const nth = (seen.get(name) ?? 0) + 1
    seen.set(name, nth)
    return { ...link, name: nth === 1 ? name : `${name}-${nth}` }
  })
}

/** The configuration of the chain. */
const document = (links: Links, { circuit, retry, strategy = "ordered" }: Options) => {
  const all = withNames(links)
  return {
    defaults: { ...(retry && { retry }), ...(circuit && { circuit }) },
    deployments: Object.fromEntries(
      all.map(({ name, timeout, ...link }) => [
        name,
        { ...defined(link), ...(timeout && { timeout: { attempt: timeout, firstToken: timeout } }) },
      ]),
    ),
    routes: { [route]: { balance: strategy, across: all.map(({ name }) => name), fallbackOn: "any" } },
  }
}

const defined = (link: object): Record<string, unknown> =>
  Object.fromEntries(Object.entries(link).filter(([, value]) => value !== undefined))
