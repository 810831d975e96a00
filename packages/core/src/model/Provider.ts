/**
 * A provider: the service that sends requests to one vendor account. Each vendor's layer provides one.
 *
 * A provider makes one attempt, without retries, fallback or timeouts. It sends the request, whose `model` is the vendor's
 * model id, and classifies errors. It aborts the upstream request when it is interrupted or the scope of its stream closes.
 *
 * ```ts
 * const provider = Layer.succeed(Provider, {
 *   protocol: "echo",
 *   chat: (request) => Effect.succeed({ content: [{ type: "text", text: request.model }], finishReason: "stop" }),
 *   stream: (request) =>
 *     Stream.make({ parts: [{ type: "text", text: request.model }] }, { parts: [{ type: "finish", reason: "stop" }] }),
 * })
 * ```
 */
import * as Context from "effect/Context"
import type * as Effect from "effect/Effect"
import type * as Stream from "effect/Stream"
import type * as Chat from "./Chat.ts"
import type * as Embedding from "./Embedding.ts"
import type * as Operation from "./Operation.ts"
import type { ProviderError } from "./ProviderError.ts"

/**
 * Where a provider sends its requests. `name` is a value of OpenTelemetry's `gen_ai.provider.name`, such as `"openai"` or
 * `"aws.bedrock"`; `address` is the host.
 */
export interface Origin {
  readonly name: string
  readonly address?: string | undefined
  readonly port?: number | undefined
}

/** The members of a provider. */
export interface ProviderService {
  /** The vendor's wire protocol, such as `"chat-completions"`. A `Request.native` of that protocol is sent unchanged. */
  readonly protocol: string
  /**
   * A fingerprint of the credential, never the credential itself. Circuits and cooldowns are kept per account, so that a
   * new key starts without those of the old one.
   */
  readonly account?: string | undefined
  /** Whether the model is served nearby, by a server that may have to load it first. Its default timeouts are longer. */
  readonly local?: boolean | undefined
  /** Where requests go, for traces and metrics. */
  readonly origin?: Origin | undefined
  /** One complete response. */
  readonly chat: (request: Chat.Request) => Effect.Effect<Chat.Response, ProviderError>
  /**
   * One streamed response. The stream fails when the upstream fails, and ends when the upstream ends, even without a
   * `finish` part: the engine detects that. Frames that arrive together stay in one chunk.
   */
  readonly stream: (request: Chat.Request) => Stream.Stream<Chat.Frame, ProviderError>
  /** Embeddings, if the vendor supports them. Without it, deployments are skipped for calls that need embeddings. */
  readonly embed?: ((request: Embedding.Request) => Effect.Effect<Embedding.Response, ProviderError>) | undefined
  /** Other operations, if the vendor has any. Deployments are skipped for calls of an operation that they do not have. */
  readonly operations?: Operations | undefined
  /** The number of input tokens of a request, if the vendor counts them without answering. */
  readonly countTokens?: ((request: Chat.Request) => Effect.Effect<number, ProviderError>) | undefined
}

/** The operations of a provider besides chat and embeddings. */
export interface Operations {
  readonly names: ReadonlySet<Operation.Name>
  /**
   * The response to a request. The stream fails when the upstream fails, and ends when the upstream ends, even without a last frame:
   * the engine detects that.
   */
  readonly send: (request: Operation.Request) => Stream.Stream<Operation.Frame, ProviderError>
}

export class Provider extends Context.Service<Provider, ProviderService>()("@understudy/core/Provider") {}
