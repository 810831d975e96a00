/**
 * The provider of Google's Vertex AI: Gemini, Claude, Mistral's models, and the open models behind its OpenAI-compatible
 * endpoint, in one location of one project.
 *
 * `google-auth-library` gets access tokens (see `Credentials`), which are refreshed in the background (`Tokens`). Requests
 * and responses are those of the models' own protocols (`Gemini`, `Claude`, `OpenModels`).
 */
import { Provider } from "@understudy/core/Provider"
import type * as Config from "effect/Config"
import * as Duration from "effect/Duration"
import * as Effect from "effect/Effect"
import * as Layer from "effect/Layer"
import * as Redacted from "effect/Redacted"
import type * as Scope from "effect/Scope"
import { isLocal } from "../Local.ts"
import * as EncryptedReasoning from "../protocols/EncryptedReasoning.ts"
import type { ProviderStartError } from "../ProviderStartError.ts"
import type * as Secret from "../Secret.ts"
import { AnswerLimits } from "../transport/AnswerLimits.ts"
import * as Connections from "../transport/Connections.ts"
import * as Proxy from "../transport/Proxy.ts"
import * as Redaction from "../transport/Redaction.ts"
import * as Secrets from "../transport/Secrets.ts"
import * as Transport from "../transport/Transport.ts"
import * as Access from "./Access.ts"
import type { Api } from "./Api.ts"
import type { Connection, Made } from "./Connection.ts"
import * as Credentials from "./Credentials.ts"
import * as Location from "./Location.ts"
import * as TokenFetch from "./TokenFetch.ts"
import * as Tokens from "./Tokens.ts"

export { apis } from "./Api.ts"
export type { Api } from "./Api.ts"

// ---------------------------------------------------------------------------------------------------------------------
// Options
// ---------------------------------------------------------------------------------------------------------------------

export interface Options extends Credentials.Options {
  /** The id of the Google Cloud project. Default: `GOOGLE_CLOUD_PROJECT`, else the project of the credentials' file. */
  readonly project?: string | undefined
  /** `global`, `us`, `eu`, or a region, such as `us-east5`. Default: `GOOGLE_CLOUD_LOCATION`. */
  readonly location?: string | undefined
  /**
   * The API of the models: `gemini`, `anthropic`, `mistral`, or `openai` for the open models behind the OpenAI-compatible
   * endpoint. Default: `gemini`; in a configuration, by the model's id.
   */
  readonly api?: Api | undefined
  /** The version of the API. Default: `v1beta1` for `gemini`, which has more features; else `v1`. */
  readonly apiVersion?: string | undefined
  /** An address in place of the location's, such as that of Private Service Connect. */
  readonly baseUrl?: string | undefined
  /** Headers of every request, such as `x-goog-user-project`. */
  readonly headers?: Readonly<Record<string, string>> | undefined
  /** The address of a proxy. Default: `HTTPS_PROXY` or `HTTP_PROXY`, unless `NO_PROXY` contains the host. */
  readonly proxy?: Secret.Secret | undefined
  /** The timeout for opening a connection. Default: 5 seconds. */
  readonly connectTimeout?: Duration.Input | undefined
}

const defaultConnectTimeout = Duration.seconds(5)

// ---------------------------------------------------------------------------------------------------------------------
// Make
// ---------------------------------------------------------------------------------------------------------------------

/** The provider. Its connections belong to the `Transport`; the scope ends the refreshing of its tokens. */
export const make = Effect.fnUntraced(function* (
  options: Options = {},
): Effect.fn.Return<Provider["Service"], ProviderStartError | Config.ConfigError, Scope.Scope> {
  const { api = "gemini", apiVersion, baseUrl, connectTimeout, headers } = options
  const source = yield* Credentials.resolve(options, baseUrl === undefined || isGoogle(baseUrl))
  const project = yield* projectOf(options, source)
  const location = yield* locationOf(options)
  const address = (baseUrl ?? Location.addressOf(location)).replace(/\/+$/, "")
  const proxy = yield* Proxy.resolve("vertex", options.proxy, address)
  const secrets = Secrets.make({ keys: Credentials.secrets(source), headers, urls: [baseUrl, proxy] })
  const redaction = Redaction.make(secrets)
  const tokens = yield* tokensOf(source, { secrets, redaction }, options)
  const sender = (yield* Transport.Transport).sender({ connectTimeout, proxy, limits: yield* AnswerLimits })
  const { origin, pathname } = new URL(address)
  const prefix = pathname === "/" ? "" : pathname
  const connect = yield* connectors[api]
  return yield* connect({
    origin,
    parent: (version) => `${prefix}${Location.parentOf(apiVersion ?? version, project, location)}`,
    headers,
    host: isGoogle(address) ? undefined : EncryptedReasoning.hostAt(address),
    common: {
      key: keyOf(source),
      redaction,
      sender: Access.sender(sender, tokens),
      local: isLocal("vertex", baseUrl),
    },
  })
})

/** The makers of providers. Each is loaded with the first deployment of its API. */
const connectors: Readonly<Record<Api, Effect.Effect<(connection: Connection) => Made>>> = {
  gemini: Effect.map(
    Effect.promise(() => import("./Gemini.ts")),
    ({ connect }) => connect,
  ),
  anthropic: Effect.map(
    Effect.promise(() => import("./Claude.ts")),
    ({ connect }) => connect,
  ),
  mistral: Effect.map(
    Effect.promise(() => import("./OpenModels.ts")),
    ({ mistral }) => mistral,
  ),
  openai: Effect.map(
    Effect.promise(() => import("./OpenModels.ts")),
    ({ openai }) => openai,
  ),
}

const isGoogle = (address: string): boolean => /^https:\/\/(?:[\w-]+\.)*googleapis\.com(?=[:/]|$)/.test(address)

/** The project of the options, the environment, or the credentials. */
const projectOf = Effect.fnUntraced(function* ({ project: own }: Options, source: Credentials.Source) {
  const project = own ?? (yield* Credentials.variable("GOOGLE_CLOUD_PROJECT")) ?? Credentials.projectOf(source)
  if (project === undefined) {
    return yield* Credentials.startError("no project: set project on the deployment, or GOOGLE_CLOUD_PROJECT")
  }
  return Location.isProject(project)
    ? project
    : yield* Credentials.startError(
        `project ${JSON.stringify(project)} is not the id of a Google Cloud project, such as search-prod-1`,
      )
})

/** The location of the options, or the environment. */
const locationOf = Effect.fnUntraced(function* ({ location: own }: Options) {
  const location = own ?? (yield* Credentials.variable("GOOGLE_CLOUD_LOCATION"))
  if (location === undefined) {
    return yield* Credentials.startError(
      "no location: set location on the deployment, or GOOGLE_CLOUD_LOCATION, to global, us, eu, or a region such as us-east5",
    )
  }
  return Location.isLocation(location)
    ? location
    : yield* Credentials.startError(
        `location ${JSON.stringify(location)} is not a location of Vertex AI, such as global, eu or us-east5`,
      )
})

/** Which credential identifies the account; `undefined` if the library searches it. */
const keyOf = (source: Credentials.Source): Redacted.Redacted | undefined => {
  switch (source._tag) {
    case "AccessToken":
      return source.token
    case "Library":
      return source.text
    case "None":
      return undefined
  }
}

/** The tokens of the credentials. Those that the library gets are kept out of responses and errors too. */
const tokensOf = Effect.fnUntraced(function* (
  source: Credentials.Source,
  { redaction, secrets }: { readonly redaction: Redaction.Redaction; readonly secrets: Secrets.Secrets },
  { connectTimeout = defaultConnectTimeout, proxy: own }: Options,
): Effect.fn.Return<Tokens.Tokens, ProviderStartError | Config.ConfigError, Scope.Scope> {
  switch (source._tag) {
    case "None":
      return Tokens.fixed(undefined)
    case "AccessToken":
      return Tokens.fixed({
        headers: ["authorization", `Bearer ${Redacted.value(source.token)}`],
        expiresAt: Number.POSITIVE_INFINITY,
      })
    case "Library": {
      const sdk = yield* Credentials.load
      const proxy = yield* Proxy.resolve("vertex", own, TokenFetch.tokenAddress)
      const agents = yield* Effect.acquireRelease(
        Effect.sync(() => Connections.make(Duration.toMillis(Duration.fromInputUnsafe(connectTimeout)), proxy)),
        (agents) => Effect.promise(() => Connections.close(agents)),
      )
      const context = { dispatcher: agents.fresh, onToken: (token: string) => secrets.note([token]) }
      const fetch = Credentials.fetchToken(sdk, source, context)
      return yield* Tokens.make({ fetch: Effect.mapError(fetch, redaction.error) })
    }
  }
})

// ---------------------------------------------------------------------------------------------------------------------
// Layer
// ---------------------------------------------------------------------------------------------------------------------

/**
 * ```ts
 * Deployment.make({ model: "gemini-2.5-pro", provider: Vertex.layer({ project: "search-prod-1", location: "global" }) })
 * Deployment.make({
 *   model: "claude-sonnet-4-5@20250929",
 *   provider: Vertex.layer({ project: "search-prod-1", location: "us-east5", api: "anthropic" }),
 * })
 * ```
 */
export const layer = (options: Options = {}): Layer.Layer<Provider, ProviderStartError | Config.ConfigError> =>
  Layer.effect(Provider, make(options))
