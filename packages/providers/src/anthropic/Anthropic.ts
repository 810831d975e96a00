/**
 * Anthropic by its Messages API, over `@anthropic-ai/sdk`, and with `baseUrl` any endpoint that speaks it.
 *
 * The SDK knows the addresses and signs in; its retries and deadlines are off, and what it would parse is read here, for
 * it takes a stream that was cut for one that has ended.
 */
import type { Anthropic } from "@anthropic-ai/sdk"
import type * as Chat from "@understudy/core/Chat"
import { Provider } from "@understudy/core/Provider"
import type { ProviderError } from "@understudy/core/ProviderError"
import * as Clock from "effect/Clock"
import type * as Config from "effect/Config"
import type * as Duration from "effect/Duration"
import * as Effect from "effect/Effect"
import * as Layer from "effect/Layer"
import * as Redacted from "effect/Redacted"
import * as Stream from "effect/Stream"
import * as Frames from "../protocols/Frames.ts"
import * as Lowering from "../protocols/Lowering.ts"
import * as Messages from "../protocols/messages/index.ts"
import * as Start from "../ProviderStartError.ts"
import { ProviderStartError } from "../ProviderStartError.ts"
import * as Secret from "../Secret.ts"
import * as Scrub from "../transport/Scrub.ts"
import * as Sse from "../transport/Sse.ts"
import * as Transport from "../transport/Transport.ts"
import * as Errors from "./Errors.ts"

// ---------------------------------------------------------------------------------------------------------------------
// Options
// ---------------------------------------------------------------------------------------------------------------------

export interface Options {
  /** Else `ANTHROPIC_API_KEY`. May be left out with a `baseUrl`, whose server may not ask for one. */
  readonly apiKey?: Secret.Secret | undefined
  /** Where a compatible endpoint is, such as `http://127.0.0.1:8080`, with or without `/v1`; else Anthropic's own. */
  readonly baseUrl?: string | undefined
  /** Sent with every request, such as `anthropic-beta`; a native call's own win. */
  readonly headers?: Readonly<Record<string, string>> | undefined
  /** How long a new connection may take to stand; 5 seconds if not said. */
  readonly connectTimeout?: Duration.Input | undefined
}

// ---------------------------------------------------------------------------------------------------------------------
// Make
// ---------------------------------------------------------------------------------------------------------------------

/** The provider. Its connections are the transport's. */
export const make = Effect.fnUntraced(function* (
  options: Options = {},
): Effect.fn.Return<Provider["Service"], ProviderStartError | Config.ConfigError> {
  const sdk = yield* Start.sdk("anthropic", "@anthropic-ai/sdk", () => import("@anthropic-ai/sdk"))
  const transport = yield* Transport.Transport
  // Anthropic's key is Anthropic's: another server is only ever sent the key that was named for it.
  const key = yield* options.baseUrl === undefined || options.apiKey !== undefined
    ? Secret.read(options.apiKey, "ANTHROPIC_API_KEY")
    : Effect.undefined
  if (key === undefined && options.baseUrl === undefined) return yield* noKey
  const client = new sdk.Anthropic({
    // Given none, the SDK would look for credentials in the user's files.
    apiKey: key === undefined ? "none" : Redacted.value(key),
    baseURL: (options.baseUrl ?? "https://api.anthropic.com").replace(/\/+$/, "").replace(/\/v1$/, ""),
    defaultHeaders: { ...(key === undefined ? { authorization: null } : undefined), ...options.headers },
    fetch: transport.fetch({ connectTimeout: options.connectTimeout }),
    maxRetries: 0,
    timeout: never,
    logLevel: "off",
    openTelemetry: false,
  })

  const lower = Lowering.make("anthropic", Messages.Request)
  const scrub = Scrub.scrub([key])
  const fromEvent = Errors.fromEvent(scrub)
  const clock = yield* Clock.Clock
  const classify = (failure: unknown): ProviderError =>
    Errors.classify(failure, { nowMillis: clock.currentTimeMillisUnsafe(), scrub })

  return {
    protocol: Messages.protocol,
    chat: Effect.fnUntraced(function* (request) {
      const body = yield* lower(request)
      const text = yield* Effect.tryPromise({
        try: (signal) => send(client, body, request, signal).then((answer) => answer.text()),
        catch: classify,
      })
      return yield* Effect.fromResult(Messages.Response.decode(text))
    }),
    stream: (request) =>
      Stream.unwrap(
        Effect.gen(function* () {
          const body = Messages.Request.streamed(yield* lower(request))
          const signal = yield* Effect.abortSignal
          const answer = yield* Effect.tryPromise({
            try: () => send(client, body, request, signal),
            catch: classify,
          })
          return Frames.decode(Sse.events(answer.readable, classify), Messages.Stream.decoder(fromEvent))
        }),
      ),
  }
})

/** The SDK wants a time limit: the longest that a timer takes. */
const never = 2 ** 31 - 1

const noKey = Effect.fail(
  new ProviderStartError({
    provider: "anthropic",
    message: "no API key: set ANTHROPIC_API_KEY, or give the deployment an apiKey (or a baseUrl that asks for none)",
  }),
)

/** `post` rather than `messages.create`, which refuses large answers unless streamed, warns on the console, and takes fields out. */
const send = (
  client: Anthropic,
  body: Record<string, unknown>,
  { native }: Chat.Request,
  signal: AbortSignal,
): Promise<Transport.Lean> =>
  client
    .post("/v1/messages", {
      body,
      signal,
      ...(native?.protocol === Messages.protocol ? { headers: native.headers, query: native.query } : undefined),
    })
    .asResponse()
    .then(Transport.lean)

// ---------------------------------------------------------------------------------------------------------------------
// Layer
// ---------------------------------------------------------------------------------------------------------------------

/**
 * ```ts
 * Deployment.make({ model: "claude-sonnet-4-5", provider: Anthropic.layer() })
 * Deployment.make({ model: "claude-opus-5", provider: Anthropic.layer({ apiKey: Config.Redacted("OTHER_KEY") }) })
 * ```
 */
export const layer = (options: Options = {}): Layer.Layer<Provider, ProviderStartError | Config.ConfigError> =>
  Layer.effect(Provider, make(options))
