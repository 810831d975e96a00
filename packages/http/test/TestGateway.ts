/**
 * A gateway on a free port over two OpenAI-compatible deployments, `primary` and `backup`, at a fault server whose
 * scripts say what becomes of each; and the real `openai` and Anthropic clients pointed at it.
 */
import AnthropicClient from "@anthropic-ai/sdk"
import { Deployment, Metrics, Route, Router } from "@understudy/core"
import * as RateLimit from "@understudy/core/internal/admission/RateLimit"
import type { TimeoutPolicy } from "@understudy/core/Policies"
import * as Anthropic from "@understudy/providers/anthropic"
import * as Bedrock from "@understudy/providers/bedrock"
import * as Gemini from "@understudy/providers/gemini"
import * as OpenAiProvider from "@understudy/providers/openai"
import type { ProviderStartError } from "@understudy/providers/internal/ProviderStartError"
import * as Transport from "@understudy/providers/transport"
import type * as Config from "effect/Config"
import * as FaultServer from "@understudy/providers/testing"
import * as ByteSize from "effect/ByteSize"
import * as Context from "effect/Context"
import * as Duration from "effect/Duration"
import * as Effect from "effect/Effect"
import * as HttpServer from "effect/http/HttpServer"
import * as Layer from "effect/Layer"
import * as Metric from "effect/Metric"
import * as Redacted from "effect/Redacted"
import * as References from "effect/References"
import OpenAI from "openai"
import { Drain } from "../src/Drain.ts"
import type { Policy } from "../src/Drain.ts"
import type * as Auth from "../src/auth/Auth.ts"
import * as Keyring from "../src/auth/Keyring.ts"
import * as ResponsesWebSocket from "../src/api/ResponsesWebSocket.ts"
import * as KeyedRouter from "../src/keys/KeyedRouter.ts"
import type { ConfiguredKey } from "../src/auth/VirtualKey.ts"
import type * as Overload from "../src/Overload.ts"
import * as ServerLimits from "../src/ServerLimits.ts"
import * as CallLog from "../src/observe/CallLog.ts"
import * as KeyMetrics from "../src/observe/KeyMetrics.ts"
import * as SqlResponseStore from "../src/responses/SqlResponseStore.ts"
import * as Server from "../src/Server.ts"
import type { Database } from "../src/store/Store.ts"
import * as Store from "../src/store/Store.ts"

export type Vendor = "openai" | "responses" | "anthropic" | "bedrock" | "gemini"

export interface Options {
  readonly auth?: Partial<Omit<Auth.Policy, "keys">> & { readonly keys?: ReadonlyArray<Keyring.Key> }
  readonly keys?: ReadonlyArray<ConfiguredKey>
  /** The keys, if they change while the gateway serves. */
  readonly keyring?: Keyring.Keyring
  readonly route?: Route.Route
  readonly maxBody?: number
  readonly drain?: Partial<Policy>
  /** What is logged: nothing if not said. */
  readonly logLevel?: "Info" | "None"
  readonly limits?: Partial<ServerLimits.Limits>
  readonly overload?: Overload.Policy | false
  /** Time limits of every call. */
  readonly timeout?: Partial<TimeoutPolicy>
  /** How long a write of anything but a route's streams may make no progress. */
  readonly write?: Duration.Duration
  readonly primary?: Partial<Deployment.Options>
  readonly backups?: Partial<Deployment.Options>
  /** Who both deployments are, given the fault server's URL: OpenAI if not said. */
  readonly provider?: (url: string) => ReturnType<typeof OpenAiProvider.layer>
  /** Who the backup is, with credentials of its own. */
  readonly backupProvider?: Deployment.Providers<ProviderStartError | Config.ConfigError>
  /** Whose `primary` is; as `provider` says if not said. */
  readonly vendor?: Vendor
  /** Whose `backup` is; as primary's if not said. */
  readonly backup?: Vendor
  /** Where responses are stored: nowhere if not said. */
  readonly database?: Database
  /** Whether clients may call Responses over WebSockets: they may if not said. */
  readonly webSocket?: boolean
  /** How many responses run in the background at once: 100 if not said. */
  readonly background?: number
  /** Whether the backup takes the beginning of an answer. */
  readonly prefilling?: boolean
}

/** The key that the gateway sends upstream: it must never come out at the client's end. */
export const upstreamKey = "sk-upstream-secret"

/** Serves until the scope closes. */
export const make = Effect.fnUntraced(function* (options: Options = {}) {
  const upstream = yield* FaultServer.make()
  const apiKey = Redacted.make(upstreamKey)
  const openai = (api: OpenAiProvider.Api) => (url: string) =>
    Layer.provide(OpenAiProvider.layer({ baseUrl: `${url}/v1`, apiKey, api }), Transport.layer)
  const provider = (options.provider ?? openai("chat-completions"))(upstream.url)
  const vendors = {
    openai: provider,
    responses: openai("responses")(upstream.url),
    anthropic: Layer.provide(Anthropic.layer({ baseUrl: upstream.url, apiKey }), Transport.layer),
    bedrock: Bedrock.layer({ endpoint: upstream.url, region: "us-east-1", bearerToken: apiKey }),
    gemini: Layer.provide(Gemini.layer({ baseUrl: upstream.url, apiKey }), Transport.layer),
  }
  const RouterLive = Router.layer({
    deployments: {
      primary: Deployment.make({ model: "primary", provider: vendors[options.vendor ?? "openai"], ...options.primary }),
      backup: Deployment.make({
        model: "backup",
        provider: options.backupProvider ?? vendors[options.backup ?? options.vendor ?? "openai"],
        ...options.backups,
        ...(options.prefilling === true ? { capabilities: { prefill: true } } : undefined),
      }),
    },
    ...(options.timeout === undefined ? undefined : { defaults: { timeout: options.timeout } }),
    routes: { assistant: options.route ?? Route.fallback("primary", "backup").pipe(Route.retry({ times: 0 })) },
  })
  const { keys = [] } = options
  const keyring = options.keyring ?? new Keyring.Keyring(options.auth?.keys ?? keys.map(Keyring.configured))
  const HeldLive =
    keys.length === 0 && options.keyring === undefined
      ? RouterLive
      : Layer.provide(KeyedRouter.layer(keyring), [RouterLive, RateLimit.layerMemory])
  const ServerLive = Server.layer({
    host: "127.0.0.1",
    port: 0,
    auth: { hosts: [], origins: [], ...options.auth, keys: keyring },
    maxBody: ByteSize.fromInputUnsafe(options.maxBody ?? 1_000_000),
    limits: { ...ServerLimits.defaults, ...options.limits },
    ...(options.write === undefined ? undefined : { write: options.write }),
    ...(options.overload === undefined ? undefined : { overload: options.overload }),
    drain: { delay: Duration.zero, timeout: Duration.seconds(5), ...options.drain },
  }).pipe(
    Layer.provide([
      Metrics.layer(),
      KeyMetrics.layer,
      CallLog.layer,
      Layer.succeed(ResponsesWebSocket.Accepts, options.webSocket ?? true),
      options.database === undefined
        ? Layer.empty
        : Layer.provide(
            SqlResponseStore.layer({ keep: Duration.days(30), background: options.background ?? 100 }),
            Store.layer(options.database),
          ),
    ]),
    Layer.provideMerge(HeldLive),
    Layer.provideMerge(Drain.layer),
    Layer.provide([
      Layer.succeed(Metric.MetricRegistry, new Map()),
      Layer.succeed(References.MinimumLogLevel, options.logLevel ?? "None"),
    ]),
  )
  const context = yield* Layer.build(ServerLive)
  const url = HttpServer.formatAddress(Context.get(context, HttpServer.HttpServer).address)
  return {
    upstream,
    url,
    drain: Context.get(context, Drain),
    router: Context.get(context, Router.Router),
    client: clientOf(url, "anything"),
    anthropic: new AnthropicClient({ baseURL: url, apiKey: "anything", maxRetries: 0, logLevel: "off" }),
  }
})

/** The `openai` client with a key of the gateway's, which neither retries nor prints. */
export const clientOf = (url: string, apiKey: string): OpenAI =>
  new OpenAI({ baseURL: `${url}/v1`, apiKey, maxRetries: 0, logLevel: "off" })

/** A bare POST of a body to the chat endpoint, read whole. */
export const post = (
  url: string,
  body: string,
  headers: Record<string, string> = { "content-type": "application/json" },
): Promise<{ readonly status: number; readonly headers: Headers; readonly text: string }> =>
  fetch(`${url}/v1/chat/completions`, { method: "POST", body, headers }).then(async (answer) => ({
    status: answer.status,
    headers: answer.headers,
    text: await answer.text(),
  }))
