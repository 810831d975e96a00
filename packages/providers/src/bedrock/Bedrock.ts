/**
 * The provider of Amazon Bedrock, over its Converse API and `@aws-sdk/client-bedrock-runtime`: one region, one account.
 *
 * The SDK resolves credentials, signs and sends. Its retries and timeouts are off, because the router retries and times
 * out. Each layer has its own pool of HTTP/1.1 connections: AWS's HTTP/2 takes about twice the CPU.
 */
import type {
  BedrockRuntimeClientConfig,
  ConverseCommandInput,
  CountTokensCommandInput,
} from "@aws-sdk/client-bedrock-runtime"
import type * as Chat from "@understudy/core/Chat"
import type * as Operation from "@understudy/core/Operation"
import { Provider } from "@understudy/core/Provider"
import type { Operations } from "@understudy/core/Provider"
import { ProviderError } from "@understudy/core/ProviderError"
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
import * as ProviderOrigin from "../ProviderOrigin.ts"
import * as Start from "../ProviderStartError.ts"
import { ProviderStartError } from "../ProviderStartError.ts"
import type { Secret } from "../Secret.ts"
import { AnswerLimits } from "../transport/AnswerLimits.ts"
import * as ModelPath from "../transport/ModelPath.ts"
import * as Proxy from "../transport/Proxy.ts"
import * as Redaction from "../transport/Redaction.ts"
import * as Secrets from "../transport/Secrets.ts"
import * as TraceHeaders from "../transport/TraceHeaders.ts"
import * as Connections from "./Connections.ts"
import * as BigDecimals from "./BigDecimals.ts"
import * as Credentials from "./Credentials.ts"
import * as Embeddings from "./Embeddings.ts"
import * as Rerank from "./Rerank.ts"
import * as Errors from "./Errors.ts"
import * as EventStream from "./EventStream.ts"
import * as Guardrail from "./Guardrail.ts"
import * as Raw from "./Raw.ts"

// ---------------------------------------------------------------------------------------------------------------------
// Options
// ---------------------------------------------------------------------------------------------------------------------

export interface Options extends Credentials.Options {
  /** The AWS region. Default: `AWS_REGION`, `AWS_DEFAULT_REGION`, or the profile's. */
  readonly region?: string | undefined
  /** An address in place of the region's, such as a VPC endpoint's. Default: `AWS_ENDPOINT_URL_BEDROCK_RUNTIME`. */
  readonly endpoint?: string | undefined
  /** Applied to every call. Replaces the guardrail of a call. */
  readonly guardrail?: Guardrail.Guardrail | undefined
  /** The variables of a managed prompt, if the model is a prompt's ARN. */
  readonly promptVariables?: Readonly<Record<string, string>> | undefined
  /** The address of a proxy. Default: `HTTPS_PROXY` or `HTTP_PROXY`, unless `NO_PROXY` contains the host. */
  readonly proxy?: Secret | undefined
  /** The timeout for opening a connection. Default: 5 seconds. */
  readonly connectTimeout?: Duration.Input | undefined
}

const defaultConnectTimeout = Duration.seconds(5)

// ---------------------------------------------------------------------------------------------------------------------
// Make
// ---------------------------------------------------------------------------------------------------------------------

/** The provider. The scope closes its client and its connections. */
export const make = Effect.fnUntraced(function* (
  options: Options = {},
): Effect.fn.Return<Provider["Service"], ProviderStartError | Config.ConfigError, Scope.Scope> {
  const sdk = yield* load
  const credentials = yield* Credentials.resolve(options)
  const { address, client, redaction } = yield* connect(sdk, credentials, options)
  const clock = yield* Clock.Clock
  const now = () => clock.currentTimeMillisUnsafe()
  const sources = Credentials.describe(credentials)
  const context: Context = {
    sdk,
    client,
    options,
    redaction,
    encode: makeEncode(),
    classify: (failure) => Errors.classify(failure, { nowMillis: now(), credentials: sources }),
    classifyEvent: Errors.fromEvent(now),
  }
  // Made once: V8 keeps what a generator that is made for a call can reach until a full collection.
  const send = makeSend(context)
  const chat = makeChat(context, send)
  const stream = makeStream(context)
  const provider: Provider["Service"] = {
    protocol: Converse.protocol,
    origin: ProviderOrigin.of("bedrock", address),
    chat: (request) => EncryptedReasoning.retryWithout(endpoint.host, request, (host) => chat(request, host)),
    stream: (request) =>
      Stream.unwrap(EncryptedReasoning.retryWithout(endpoint.host, request, (host) => stream(request, host))),
    embed: makeEmbed(context, send),
    operations: { names: reranks, send: makeRerank(context, send) },
    countTokens: makeCountTokens(context, send),
  }
  return Redaction.provider(ModelPath.provider(provider), redaction)
})

// ---------------------------------------------------------------------------------------------------------------------
// Calls
// ---------------------------------------------------------------------------------------------------------------------

/** What all calls of a provider use. */
interface Context {
  readonly sdk: Sdk
  readonly client: Raw.Client
  readonly options: Options
  readonly redaction: Redaction.Redaction
  readonly encode: ReturnType<typeof makeEncode>
  readonly classify: (failure: unknown) => ProviderError
  readonly classifyEvent: ReturnType<typeof Errors.fromEvent>
}

const makeEncode = () => Lowering.make("bedrock", Converse.protocol, Converse.Request, endpoint)

/** Sends a command. Succeeds with the whole body of a response with a status below 300. */
const makeSend =
  ({ classify, client, redaction }: Context) =>
  (command: Parameters<typeof Raw.send>[1]) =>
    Effect.withFiber(({ context }) =>
      Effect.tryPromise({
        try: (signal) =>
          Raw.send(client, command, signal, TraceHeaders.of(context)).then(({ body, ...answer }) =>
            text(body).then((text) => ({ ...answer, text: redaction.answer(text) })),
          ),
        catch: classify,
      }),
    )

type Send = ReturnType<typeof makeSend>

const makeChat = ({ classifyEvent, encode, options, sdk }: Context, send: Send) =>
  Effect.fnUntraced(function* (request: Chat.Request, host: EncryptedReasoning.Host) {
    const { body, names, droppedParams } = yield* encode(request, host)
    const command = new sdk.ConverseCommand(asInput(body, options, Guardrail.encode))
    const { requestId, text } = yield* send(command)
    const decoded = yield* Effect.fromResult(Converse.Response.decode(text, classifyEvent))
    const restored = Issued.restore(decoded, endpoint, names)
    const response = SchemaTool.restore(request, CustomTools.restore(request, restored))
    return { id: requestId, ...response, ...(droppedParams === undefined ? undefined : { droppedParams }) }
  })

const makeStream = ({ classify, classifyEvent, client, encode, options, redaction, sdk }: Context) =>
  Effect.fnUntraced(function* (request: Chat.Request, host: EncryptedReasoning.Host) {
    const { body: input, names, droppedParams } = yield* encode(request, host)
    const command = new sdk.ConverseStreamCommand(asInput(input, options, Guardrail.encodeStreamed))
    // Closing the stream's scope aborts the request. Ending the SDK's iterator or the body would not.
    const signal = yield* Effect.abortSignal
    const trace = TraceHeaders.of(yield* Effect.context<never>())
    const { body } = yield* Effect.tryPromise({ try: () => Raw.send(client, command, signal, trace), catch: classify })
    const events = EventStream.events(body, classify, redaction.answer)
    const decoded = Frames.decode(events, Converse.Stream.decoder(classifyEvent))
    const frames = Issued.restoring(decoded, endpoint, names)
    return Frames.withDroppedParams(
      droppedParams,
      SchemaTool.restoring(request, CustomTools.restoring(request, frames)),
    )
  })

const invocation = (sdk: Sdk, modelId: string, body: object) =>
  new sdk.InvokeModelCommand({
    modelId,
    contentType: "application/json",
    accept: "application/json",
    body: JSON.stringify(body),
  })

const reranks: ReadonlySet<Operation.Name> = new Set<Operation.Name>(["rerank"])

const makeRerank =
  ({ sdk }: Context, send: Send): Operations["send"] =>
  (request) =>
    request.operation === "rerank"
      ? Stream.fromEffect(
          Effect.flatMap(Effect.fromResult(Rerank.encode(request)), (body) =>
            Effect.flatMap(send(invocation(sdk, request.model, body)), ({ text }) =>
              Effect.fromResult(Rerank.decode(text, request)),
            ),
          ),
        )
      : Stream.fail(
          new ProviderError({
            reason: { _tag: "Unsupported", feature: request.operation },
            message: `Bedrock does not have the operation ${request.operation}`,
          }),
        )

const makeEmbed = ({ sdk }: Context, send: Send): Provider["Service"]["embed"] => {
  const encode = Lowering.make("bedrock", Embeddings.protocol, Embeddings)
  return Effect.fnUntraced(function* (request) {
    const { body: bodies, droppedParams } = yield* encode(request)
    const command = (body: Record<string, unknown>) => invocation(sdk, request.model, body)
    const answers = yield* Effect.forEach(bodies, (body) => send(command(body)), { concurrency: maxInvocations })
    const response = yield* Effect.fromResult(Embeddings.decode(request.model, answers))
    return droppedParams === undefined ? response : { ...response, droppedParams }
  })
}

const makeCountTokens = ({ encode, sdk }: Context, send: Send): NonNullable<Provider["Service"]["countTokens"]> =>
  Effect.fnUntraced(function* (request) {
    const { body } = yield* encode(request)
    const { text } = yield* send(new sdk.CountTokensCommand(asCount(Converse.Count.body(body))))
    return yield* Effect.fromResult(Converse.Count.decode(text))
  })

/** Converse's limits. Claude's reasoning has Anthropic's signatures, which are valid on Anthropic's own API too. */
const endpoint: Endpoint.Endpoint = {
  name: "bedrock",
  ids: { longest: 64, plain: true },
  host: undefined,
  limits: { names: ToolNames.common, hour: (model) => (Claude.versionOf(model) ?? 0) >= 405 },
}

/** The maximum of concurrent invocations of one embeddings request. */
const maxInvocations = 8

// ---------------------------------------------------------------------------------------------------------------------
// Client
// ---------------------------------------------------------------------------------------------------------------------

const load = Start.sdk("bedrock", "@aws-sdk/client-bedrock-runtime @smithy/node-http-handler", () =>
  Promise.all([import("@aws-sdk/client-bedrock-runtime"), import("@smithy/node-http-handler")]).then(
    ([runtime, { NodeHttpHandler }]) => ({ ...runtime, NodeHttpHandler }),
  ),
)

type Sdk = Effect.Success<typeof load>

const loadRoles = Start.sdk("bedrock", "@aws-sdk/credential-providers", () => import("@aws-sdk/credential-providers"))

/** The client with its connections, and the redaction of its credentials. Fails if no region is configured. */
const connect = Effect.fnUntraced(function* (
  sdk: Sdk,
  credentials: Credentials.Credentials,
  options: Options,
): Effect.fn.Return<
  { readonly address: string; readonly client: Raw.Client; readonly redaction: Redaction.Redaction },
  ProviderStartError | Config.ConfigError,
  Scope.Scope
> {
  const { address, region } = yield* target(options)
  const roles = credentials._tag === "Role" ? yield* loadRoles : undefined
  const proxy = yield* Proxy.resolve("bedrock", options.proxy, address ?? regional(region ?? "any"))
  const { fresh, kept } = Connections.make(
    sdk.NodeHttpHandler,
    Duration.toMillis(options.connectTimeout ?? defaultConnectTimeout),
    proxy,
  )
  const secrets = Secrets.make({ keys: Credentials.secrets(credentials), urls: [address, proxy] })
  const renewal = Credentials.isRenewable(credentials) ? { isDue: false } : undefined
  const onIdentity: Credentials.OnIdentity = (identity) => secrets.note(Credentials.secretsOf(identity))
  const client = yield* makeClient(sdk, fresh, {
    ...Credentials.clientConfig(credentials, roles, onIdentity, proxy === undefined ? undefined : kept),
    ...(region === undefined ? undefined : { region }),
    ...(address === undefined ? undefined : { endpoint: address }),
    maxAttempts: 1,
    requestHandler: kept,
  })
  const redaction = Redaction.make(secrets)
  return {
    address: address ?? regional(yield* Effect.promise(() => client.config.region())),
    client: { sdk: client, fresh, limits: yield* AnswerLimits, onIdentity, redact: redaction.answer, renewal },
    redaction,
  }
})

const regional = (region: string): string => `https://bedrock-runtime.${region}.amazonaws.com`

/** The region and the address to call, each from the options, else from the environment. */
const target = Effect.fnUntraced(function* ({ endpoint, region }: Options) {
  return {
    region:
      region ?? (yield* Credentials.variable("AWS_REGION")) ?? (yield* Credentials.variable("AWS_DEFAULT_REGION")),
    address: endpoint ?? (yield* Credentials.variable("AWS_ENDPOINT_URL_BEDROCK_RUNTIME")),
  }
})

/** The SDK's client. Fails if it finds no region. */
const makeClient = Effect.fnUntraced(function* (
  sdk: Sdk,
  fresh: Connections.Handlers["fresh"],
  config: BedrockRuntimeClientConfig,
): Effect.fn.Return<Raw.Client["sdk"], ProviderStartError, Scope.Scope> {
  const client = yield* Effect.acquireRelease(
    Effect.sync(() => new sdk.BedrockRuntimeClient(config)),
    (client) =>
      Effect.sync(() => {
        client.destroy()
        fresh.destroy()
      }),
  )
  yield* Effect.tryPromise({ try: () => client.config.region(), catch: noRegion })
  return client
})

const noRegion = (cause: unknown): ProviderStartError =>
  new ProviderStartError({
    provider: "bedrock",
    message: "no AWS region: set region, AWS_REGION, or a region in the profile",
    cause,
  })

/**
 * The SDK's input for a body, with the deployment's guardrail, and with its prompt variables if the model is a managed
 * prompt. Every body has a `modelId`, the only field that the SDK's type requires.
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

/** The region in a model's ARN; `undefined` if the model is no ARN. */
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
