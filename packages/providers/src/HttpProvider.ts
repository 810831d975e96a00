/**
 * A provider that speaks its protocol as JSON over HTTP, and streams as server-sent events: all there is between a
 * request and an answer, once a vendor has said how it is addressed and what its errors mean.
 */
import type * as Chat from "@understudy/core/Chat"
import type { Provider } from "@understudy/core/Provider"
import type { ProviderError } from "@understudy/core/ProviderError"
import * as Clock from "effect/Clock"
import * as Effect from "effect/Effect"
import type * as Result from "effect/Result"
import * as Stream from "effect/Stream"
import type { Decoder } from "./protocols/Frames.ts"
import * as Frames from "./protocols/Frames.ts"
import * as Lowering from "./protocols/Lowering.ts"
import type { Prepared } from "./transport/Prepared.ts"
import { withNative } from "./transport/Prepared.ts"
import * as Sse from "./transport/Sse.ts"
import * as Transport from "./transport/Transport.ts"

/** A protocol's codec, as `protocols/` has them. */
export interface Codec<WireError> {
  readonly protocol: string
  readonly Request: Lowering.Codec<Record<string, unknown>> & {
    readonly streamed: (body: Record<string, unknown>, request: Chat.Request) => Record<string, unknown>
  }
  readonly Response: { readonly decode: (text: string) => Result.Result<Chat.Response, ProviderError> }
  readonly Stream: { readonly decoder: (classify: (error: WireError) => ProviderError) => Decoder<Sse.Event> }
}

/** What a vendor's errors mean: the table in its `Errors.ts`. */
export interface Errors<WireError> {
  readonly refused: (answer: Transport.Answer, context: ErrorContext) => ProviderError
  readonly classify: (failure: unknown, context: Pick<ErrorContext, "scrub">) => ProviderError
  readonly fromEvent: (scrub: ErrorContext["scrub"]) => (error: WireError) => ProviderError
}

/** What is known of a failure beside what it said of itself. */
export interface ErrorContext {
  /** The time now, for a `Retry-After` that is a date. */
  readonly nowMillis: number
  /** Takes the credential out of a text. */
  readonly scrub: (text: string) => string
}

export interface Options<WireError> {
  readonly vendor: string
  readonly codec: Codec<WireError>
  readonly errors: Errors<WireError>
  readonly scrub: ErrorContext["scrub"]
  readonly sender: Transport.Sender
  readonly prepared: Prepared
}

export const make = Effect.fnUntraced(function* <WireError>({
  codec,
  errors,
  prepared,
  scrub,
  sender,
  vendor,
}: Options<WireError>): Effect.fn.Return<Provider["Service"]> {
  const clock = yield* Clock.Clock
  const lower = Lowering.make(vendor, codec.Request)
  const fromEvent = errors.fromEvent(scrub)
  const classify = (failure: unknown): ProviderError => errors.classify(failure, { scrub })
  const refused = (answer: Transport.Answer): ProviderError =>
    errors.refused(answer, { nowMillis: clock.currentTimeMillisUnsafe(), scrub })
  const aim = ({ native }: Chat.Request): Prepared =>
    native?.protocol === codec.protocol ? withNative(prepared, native) : prepared

  return {
    protocol: codec.protocol,
    chat: Effect.fnUntraced(function* (request) {
      const body = yield* lower(request)
      const answer = yield* Effect.mapError(sender.send(aim(request), JSON.stringify(body)), classify)
      return yield* isOk(answer) ? Effect.fromResult(codec.Response.decode(answer.text)) : Effect.fail(refused(answer))
    }),
    stream: (request) =>
      Stream.unwrap(
        Effect.gen(function* () {
          const body = codec.Request.streamed(yield* lower(request), request)
          const opened = yield* Effect.mapError(sender.open(aim(request), JSON.stringify(body)), classify)
          if (!isOk(opened)) {
            const text = yield* Effect.mapError(Transport.text(opened), classify)
            return yield* Effect.fail(refused({ ...opened, text }))
          }
          return Frames.decode(Sse.events(opened.bytes, classify), codec.Stream.decoder(fromEvent))
        }),
      ),
  }
})

const isOk = ({ status }: Pick<Transport.Answer, "status">): boolean => status >= 200 && status < 300
