/**
 * Who speaks to one vendor account: the service that each vendor's layer provides.
 *
 * A provider makes one attempt: no retries, no fallback, no deadline of its own. It sends `request` (whose `model` is the
 * vendor's own id), classifies what comes back, and stops the upstream at once when it is interrupted or its stream's
 * scope closes.
 */
import * as Context from "effect/Context"
import type * as Effect from "effect/Effect"
import type * as Stream from "effect/Stream"
import type * as Chat from "./Chat.ts"
import type * as Embedding from "./Embedding.ts"
import type { ProviderError } from "./ProviderError.ts"

export class Provider extends Context.Service<
  Provider,
  {
    /** The wire protocol spoken upstream, such as `"chat-completions"`: `Request.native` of the same name goes through as it is. */
    readonly protocol: string
    /**
     * What tells its credential from another, where it has one: never the credential, and of no use to anybody who has it.
     * Circuits and cooldowns are those of the account, so that another key starts without them.
     */
    readonly account?: string | undefined
    /**
     * Whether the model is served nearby, by a server of one's own: one that may have to load it first, and that serves
     * few calls at a time. It is given longer by default.
     */
    readonly local?: boolean | undefined
    /** One whole answer. */
    readonly chat: (request: Chat.Request) => Effect.Effect<Chat.Response, ProviderError>
    /**
     * One streamed answer. The stream fails when the upstream breaks, and ends when the upstream ended, even without a
     * `finish` part: the engine judges that. Frames that arrive together stay in one chunk.
     */
    readonly stream: (request: Chat.Request) => Stream.Stream<Chat.Frame, ProviderError>
    /** The vectors of texts, where this vendor makes any: without it, a call that needs them passes its deployments over. */
    readonly embed?: ((request: Embedding.Request) => Effect.Effect<Embedding.Response, ProviderError>) | undefined
    /** How many tokens the model would read of this request, where the vendor counts without answering. */
    readonly countTokens?: ((request: Chat.Request) => Effect.Effect<number, ProviderError>) | undefined
  }
>()("@understudy/core/Provider") {}
