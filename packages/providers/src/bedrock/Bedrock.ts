/**
 * Amazon Bedrock, by its Converse API, over `@aws-sdk/client-bedrock-runtime`: one region and one account.
 *
 * The SDK resolves credentials, signs and sends, once and without a deadline of its own; what it should do again, and
 * when it has waited long enough, is the engine's to decide. Its connections are HTTP/1.1, kept alive, in a pool of the
 * layer's own: AWS's HTTP/2 costs about twice the CPU.
 */
import type {
  BedrockRuntimeClientConfig,
  ConverseCommandInput,
  CountTokensCommandInput,
} from "@aws-sdk/client-bedrock-runtime"
import type * as Chat from "@understudy/core/Chat"
import { Provider } from "@understudy/core/Provider"
import type { ProviderError } from "@understudy/core/ProviderError"
import { text } from "node:stream/consumers"
import * as Clock from "effect/Clock"
import type * as Config from "effect/Config"
import * as Duration from "effect/Duration"
import * as Effect from "effect/Effect"
import * as Layer from "effect/Layer"
import type * as Scope from "effect/Scope"
import * as Stream from "effect/Stream"
import * as Converse from "../protocols/converse/index.ts"
import type * as Endpoint from "../protocols/Endpoint.ts"
import * as Frames from "../protocols/Frames.ts"
import * as CustomTools from "../protocols/CustomTools.ts"
import * as Issued from "../protocols/Issued.ts"
import * as Json from "../protocols/Json.ts"
import * as Lowering from "../protocols/Lowering.ts"
import * as Claude from "../protocols/messages/Model.ts"
import * as SchemaTool from "../protocols/SchemaTool.ts"
import * as EncryptedReasoning from "../protocols/EncryptedReasoning.ts"
import * as ToolNames from "../protocols/ToolNames.ts"
import * as Start from "../ProviderStartError.ts"
import { ProviderStartError } from "../ProviderStartError.ts"
import type { Secret } from "../Secret.ts"
import { AnswerLimits } from "../transport/AnswerLimits.ts"
import * as ModelPath from "../transport/ModelPath.ts"
import * as Proxy from "../transport/Proxy.ts"
import * as Redaction from "../transport/Redaction.ts"
import * as Secrets from "../transport/Secrets.ts"
import * as Connections from "./Connections.ts"
import * as BigDecimals from "./BigDecimals.ts"
import * as Credentials from "./Credentials.ts"
import * as Embeddings from "./Embeddings.ts"
import * as Errors from "./Errors.ts"
import * as EventStream from "./EventStream.ts"
import * as Guardrail from "./Guardrail.ts"
import * as Raw from "./Raw.ts"

// ---------------------------------------------------------------------------------------------------------------------
// Options
// ---------------------------------------------------------------------------------------------------------------------

export interface Options extends Credentials.Options {
  /** Else `AWS_REGION`, `AWS_DEFAULT_REGION`, or the profile's. */
  readonly region?: string | undefined
  /** Another address than the region's, such as a VPC endpoint's; else `AWS_ENDPOINT_URL_BEDROCK_RUNTIME`. */
  readonly endpoint?: string | undefined
  /** Applied to every call, whatever the call itself says. */
  readonly guardrail?: Guardrail.Guardrail | undefined
  /** What the variables of a managed prompt hold, where the model is one's ARN. */
  readonly promptVariables?: Readonly<Record<string, string>> | undefined
  /** The address of a proxy that its connections go through; else `HTTPS_PROXY` or `HTTP_PROXY`, unless `NO_PROXY` names its host. */
  readonly proxy?: Secret | undefined
  /** How long a new connection may take to stand; 5 seconds if not said. */
  readonly connectTimeout?: Duration.Input | undefined
}

const defaultConnectTimeout = Duration.seconds(5)

// ---------------------------------------------------------------------------------------------------------------------
// Make
// ---------------------------------------------------------------------------------------------------------------------

/** The provider; its client and its connections are closed with the scope. */
export const make = Effect.fnUntraced(function* (
  options: Options = {},
): Effect.fn.Return<Provider["Service"], ProviderStartError | Config.ConfigError, Scope.Scope> {
  const sdk = yield* load
  const credentials = yield* Credentials.resolve(options)
  const roles = credentials._tag === "Role" ? yield* loadRoles : undefined
  const region =
    options.region ?? (yield* Credentials.variable("AWS_REGION")) ?? (yield* Credentials.variable("AWS_DEFAULT_REGION"))
  const address = options.endpoint ?? (yield* Credentials.variable("AWS_ENDPOINT_URL_BEDROCK_RUNTIME"))
  const proxy = yield* Proxy.resolve(
    "bedrock",
    options.proxy,
    address ?? `https://bedrock-runtime.${region ?? "any"}.amazonaws.com`,
  )
  const handlers = Connections.make(
    sdk.NodeHttpHandler,
    Duration.toMillis(options.connectTimeout ?? defaultConnectTimeout),
    proxy,
  )
  const secrets = Secrets.make({ keys: Credentials.secrets(credentials), urls: [address, proxy] })
  const scrub = Redaction.make(secrets)
  const note: Credentials.Note = (identity) => secrets.note(Credentials.found(identity))
  const config = {
    ...Credentials.clientConfig(credentials, roles, note, proxy === undefined ? undefined : handlers.kept),
    ...(region === undefined ? undefined : { region }),
    ...(address === undefined ? undefined : { endpoint: address }),
  }
  const client: Raw.Client = { ...(yield* connect(sdk, handlers, config)), note, scrub: scrub.answer }

  const described = Credentials.describe(credentials)
  const clock = yield* Clock.Clock
  const fromEvent = Errors.fromEvent(() => clock.currentTimeMillisUnsafe())
  const classify = (failure: unknown): ProviderError =>
    Errors.classify(failure, { nowMillis: clock.currentTimeMillisUnsafe(), credentials: described })
  const lower = Lowering.make("bedrock", Converse.protocol, Converse.Request, endpoint)

  const lowerInputs = Lowering.make("bedrock", Embeddings.protocol, Embeddings)

  /** One exchange: a good answer, read to its end. */
  const exchange = (command: Parameters<typeof Raw.send>[1]) =>
    Effect.tryPromise({
      try: (signal) =>
        Raw.send(client, command, signal).then(({ body, ...answer }) =>
          text(body).then((text) => ({ ...answer, text: scrub.answer(text) })),
        ),
      catch: classify,
    })

  // Made once: V8 keeps what a generator that is made for a call can reach until a full collection.
  const answered = Effect.fnUntraced(function* (request: Chat.Request, host: EncryptedReasoning.Host) {
    const { body: input, names, droppedParams } = yield* lower(request, host)
    const command = new sdk.ConverseCommand(asInput(input, options, Guardrail.encode))
    const { requestId, text } = yield* exchange(command)
    const decoded = yield* Effect.fromResult(Converse.Response.decode(text, fromEvent))
    const restored = Issued.restore(decoded, endpoint, names)
    const response = SchemaTool.restore(request, CustomTools.restore(request, restored))
    return { id: requestId, ...response, ...(droppedParams === undefined ? undefined : { droppedParams }) }
  })

  const streamed = Effect.fnUntraced(function* (request: Chat.Request, host: EncryptedReasoning.Host) {
    const { body: input, names, droppedParams } = yield* lower(request, host)
    const command = new sdk.ConverseStreamCommand(asInput(input, options, Guardrail.encodeStreamed))
    // The stream's scope aborts it: leaving the SDK's iterator or the body would leave the upstream talking.
    const signal = yield* Effect.abortSignal
    const { body } = yield* Effect.tryPromise({ try: () => Raw.send(client, command, signal), catch: classify })
    const decoded = Frames.decode(EventStream.events(body, classify, scrub.answer), Converse.Stream.decoder(fromEvent))
    const frames = Issued.restoring(decoded, endpoint, names)
    return Frames.withDroppedParams(
      droppedParams,
      SchemaTool.restoring(request, CustomTools.restoring(request, frames)),
    )
  })

  const provider: Provider["Service"] = {
    protocol: Converse.protocol,
    chat: (request) => EncryptedReasoning.retryWithout(endpoint.host, request, (host) => answered(request, host)),
    stream: (request) =>
      Stream.unwrap(EncryptedReasoning.retryWithout(endpoint.host, request, (host) => streamed(request, host))),

    embed: Effect.fnUntraced(function* (request) {
      const { body: bodies, droppedParams } = yield* lowerInputs(request)
      const answers = yield* Effect.forEach(
        bodies,
        (body) =>
          exchange(
            new sdk.InvokeModelCommand({
              modelId: request.model,
              contentType: "application/json",
              accept: "application/json",
              body: JSON.stringify(body),
            }),
          ),
        { concurrency: atOnce },
      )
      const response = yield* Effect.fromResult(Embeddings.decode(request.model, answers))
      return droppedParams === undefined ? response : { ...response, droppedParams }
    }),

    countTokens: Effect.fnUntraced(function* (request) {
      const { body } = yield* lower(request)
      const { text } = yield* exchange(new sdk.CountTokensCommand(asCount(Converse.Count.body(body))))
      return yield* Effect.fromResult(Converse.Count.decode(text))
    }),
  }
  return Redaction.provider(ModelPath.provider(provider), scrub)
})

/** What Converse takes. Claude's thoughts bear Anthropic's seals, which are good on either. */
const endpoint: Endpoint.Endpoint = {
  name: "bedrock",
  ids: { longest: 64, plain: true },
  host: undefined,
  limits: { names: ToolNames.common, hour: (model) => (Claude.versionOf(model) ?? 0) >= 405 },
}

/** How many invocations of one request for embeddings run at once. */
const atOnce = 8

const load = Start.sdk("bedrock", "@aws-sdk/client-bedrock-runtime @smithy/node-http-handler", () =>
  Promise.all([import("@aws-sdk/client-bedrock-runtime"), import("@smithy/node-http-handler")]).then(
    ([runtime, { NodeHttpHandler }]) => ({ ...runtime, NodeHttpHandler }),
  ),
)

const loadRoles = Start.sdk("bedrock", "@aws-sdk/credential-providers", () => import("@aws-sdk/credential-providers"))

/** A client, and a region for it: without one there is nobody to call, and it is said here and now. */
const connect = Effect.fnUntraced(function* (
  sdk: Effect.Success<typeof load>,
  { fresh, kept }: Connections.Handlers,
  config: BedrockRuntimeClientConfig,
): Effect.fn.Return<Omit<Raw.Client, "note" | "scrub">, ProviderStartError, Scope.Scope> {
  const client = yield* Effect.acquireRelease(
    Effect.sync(
      () =>
        new sdk.BedrockRuntimeClient({
          ...config,
          maxAttempts: 1,
          requestHandler: kept,
        }),
    ),
    (client) =>
      Effect.sync(() => {
        client.destroy()
        fresh.destroy()
      }),
  )
  yield* Effect.tryPromise({ try: () => client.config.region(), catch: noRegion })
  return { sdk: client, fresh, limits: yield* AnswerLimits }
})

const noRegion = (cause: unknown): ProviderStartError =>
  new ProviderStartError({
    provider: "bedrock",
    message: "no AWS region: set region, AWS_REGION, or a region in the profile",
    cause,
  })

/**
 * The SDK's input for a body: with the deployment's guardrail, which no call can put off, and with its variables, if the
 * model is a managed prompt. Both ways to a body name the model, which is all that the SDK's type insists on.
 */
const asInput = (
  body: Record<string, unknown>,
  { guardrail, promptVariables }: Options,
  encodeGuardrail: typeof Guardrail.encode,
): ConverseCommandInput => {
  const input = { ...(BigDecimals.encode(body) as object) } as { modelId: string } & Record<string, unknown>
  if (guardrail !== undefined) input["guardrailConfig"] = encodeGuardrail(guardrail)
  if (promptVariables !== undefined && Converse.Prompt.isPrompt(input.modelId)) {
    input["promptVariables"] = {
      ...Converse.Prompt.variables(promptVariables),
      ...Json.fields(input["promptVariables"]),
    }
  }
  return input
}

/** The region that a model's ARN names: nobody else can be asked for it. */
export const regionOf = (model: string): string | undefined => /^arn:aws[\w-]*:bedrock:([\w-]+):/.exec(model)?.[1]

const asCount = (body: Record<string, unknown>): CountTokensCommandInput =>
  BigDecimals.encode(body) as CountTokensCommandInput & typeof body

// ---------------------------------------------------------------------------------------------------------------------
// Layer
// ---------------------------------------------------------------------------------------------------------------------

/**
 * ```ts
 * Bedrock.layer({ region: "us-east-1", profile: "main" })
 * ```
 */
export const layer = (options: Options = {}): Layer.Layer<Provider, ProviderStartError | Config.ConfigError> =>
  Layer.effect(Provider, make(options))
