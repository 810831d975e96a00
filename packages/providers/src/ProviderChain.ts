/**
 * A fallback chain in as few words as there are: an array of providers, tried in order, or the quickest first.
 *
 * ```ts
 * const chain = Chain.make([
 *   { provider: "openai", model: "gpt-4o" },
 *   { provider: "anthropic", model: "claude-sonnet-4-5" }
 * ])
 * const { content, provider } = await chain.chat("What is the capital of France?")
 * ```
 *
 * For those who write Effect, `Chain.layer` is the same as a `Router` with one route, `chain`.
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
 * One provider of a chain, in the words of a configuration's `deployments`, whatever else they say included. `timeout`
 * is how long a plain answer, and a stream's first token, may take, such as `"30s"`.
 */
export interface Link {
  readonly provider: VendorName
  readonly model: string
  /** What it is called in answers and callbacks: its vendor's name if not said. */
  readonly name?: string | undefined
  readonly apiKey?: string | undefined
  readonly baseUrl?: string | undefined
  readonly timeout?: string | undefined
  /** Its share where the strategy goes by weights. */
  readonly weight?: number | undefined
  readonly [key: string]: unknown
}

export interface Options {
  /** `ordered` if not said: as written. */
  readonly strategy?: Strategy | undefined
  /** How often one provider is asked again, and how long it is waited for, such as `{ times: 2, base: "500ms" }`. */
  readonly retry?: { readonly times?: number; readonly base?: string; readonly max?: string } | undefined
  /** When a failing provider is left alone, and for how long: `{ failures: 3, open: "5s" }` if not said. */
  readonly circuit?: { readonly failures?: number; readonly open?: string } | undefined
  readonly onFailover?: ((from: string, to: string, reason: ReasonTag) => void) | undefined
  readonly onSuccess?: ((answered: Answered) => void) | undefined
}

/** Who answered, and how long the whole call took, in milliseconds. */
export interface Answered {
  readonly provider: string
  readonly latency: number
  readonly receipt: Receipt
}

export interface Answer extends Answered {
  readonly content: string
  /** The model as its vendor calls it. */
  readonly model: string
  readonly response: Chat.Response
}

/** A request without its model: a chain has but one. */
export type Asked = Omit<Chat.Request, "model">

/** A chain at work. Calls reject with a `RouterError` that tells what was tried. */
export interface Chain {
  readonly chat: (asked: string | Asked, options?: Promises.Options) => Promise<Answer>
  /** The answer's text, piece by piece. Leaving the loop closes the upstream. */
  readonly stream: (asked: string | Asked) => AsyncIterable<string>
  readonly close: () => Promise<void>
  readonly [Symbol.asyncDispose]: () => Promise<void>
}

/** Links or options that say something wrong: every problem, with its place. */
export class InvalidChain extends Data.TaggedError("InvalidChain")<{ readonly problems: ReadonlyArray<Problem> }> {
  override get message(): string {
    return this.problems.map(({ message, path }) => `${path}: ${message}`).join("\n")
  }
}

/** The name of a chain's route. */
export const route = "chain"

type Links = readonly [Link, ...ReadonlyArray<Link>]

/** The chain as a `Router`. It goes on to the next provider after any error. */
export const layer = (
  links: Links,
  options: Options = {},
): Layer.Layer<Router.Router, InvalidChain | Router.InvalidRoutes | ProviderStartError | EffectConfig.ConfigError> => {
  const settings = Config.decode(document(links, options), () => undefined)
  if (Result.isFailure(settings))
    return Layer.effect(Router.Router, Effect.fail(new InvalidChain({ problems: settings.failure })))
  const { onFailover, onSuccess } = options
  return Router.layer({
    ...Config.toOptions(settings.success),
    onFailover: onFailover && (({ from, reason, to }) => Effect.sync(() => onFailover(from, to, reason))),
    onSuccess: onSuccess && ((receipt) => Effect.sync(() => onSuccess(answered(receipt)))),
  })
}

/** The chain, for those who do not write Effect. It starts with its first call, and stands until it is closed. */
export const make = (links: Links, options: Options = {}): Chain => {
  const router = Promises.make(layer(links, options))
  const models = new Map(named(links).map(({ model, name }) => [name, model]))
  return {
    chat: (asked, how) =>
      router.chat(request(asked), how).then(({ receipt, response }) => ({
        ...answered(receipt),
        content: Chat.text(response),
        model: response.model ?? models.get(receipt.deployment ?? "") ?? "",
        response,
      })),
    stream: (asked) => texts(router.stream(request(asked))),
    close: router.close,
    [Symbol.asyncDispose]: router.close,
  }
}

const request = (asked: string | Asked): Chat.Request =>
  Predicate.isString(asked) ? { model: route, messages: [Chat.user(asked)] } : { ...asked, model: route }

const answered = (receipt: Receipt): Answered => ({
  provider: receipt.deployment ?? "",
  latency: receipt.millis ?? 0,
  receipt,
})

async function* texts(parts: AsyncIterable<Chat.Part>): AsyncGenerator<string> {
  for await (const part of parts) if (part.type === "text") yield part.text
}

/** Each link under a name of its own: two of one vendor are `openai` and `openai-2`. */
const named = (links: Links): ReadonlyArray<Link & { readonly name: string }> => {
  const seen = new Map<string, number>()
  return links.map((link) => {
    const name = link.name ?? link.provider
    const nth = (seen.get(name) ?? 0) + 1
    seen.set(name, nth)
    return { ...link, name: nth === 1 ? name : `${name}-${nth}` }
  })
}

/** The chain as a configuration's document. */
const document = (links: Links, { circuit, retry, strategy = "ordered" }: Options) => {
  const all = named(links)
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
