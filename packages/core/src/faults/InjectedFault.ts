/**
 * A fault that is injected into one attempt: the attempt's provider, changed so that it fails, waits, refuses or breaks off.
 * What comes after the provider treats it as a fault of the vendor.
 */
import * as Arr from "effect/Array"
import * as Deferred from "effect/Deferred"
import * as Effect from "effect/Effect"
import type * as Pull from "effect/Pull"
import * as Stream from "effect/Stream"
import * as Chat from "../model/Chat.ts"
import type { Provider } from "../model/Provider.ts"
import type { ProviderError } from "../model/ProviderError.ts"
import type { ResolvedFault } from "../policy/Fault.ts"

export class InjectedFault {
  readonly #fault: ResolvedFault
  /** Completes when the fault is switched off: what it delays or stalls then goes on. */
  readonly #over: Effect.Effect<void>
  /** Whether the provider was called. An attempt without a call to it has no usage and no cost. */
  isCalled = false

  constructor(fault: ResolvedFault, over: Deferred.Deferred<void>) {
    this.#fault = fault
    this.#over = Deferred.await(over)
  }

  get name(): string {
    return this.#fault.name
  }

  /** The provider of the attempt. */
  around(provider: Provider["Service"]): Provider["Service"] {
    const { effect } = this.#fault
    const { embed, operations } = provider
    const called = <A>(call: () => A): A => {
      this.isCalled = true
      return call()
    }
    return {
      ...provider,
      chat: (request) =>
        this.#delayed(() => {
          if (effect._tag === "Abort") return Effect.fail(effect.error)
          if (effect._tag === "Refusal") return Effect.succeed(refusal(effect.text, request))
          return called(() => provider.chat(request))
        }),
      stream: (request) =>
        Stream.unwrap(
          this.#delayed(() => {
            if (effect._tag === "Abort") return Effect.fail(effect.error)
            if (effect._tag === "Refusal") return Effect.succeed(refusalFrames(effect.text, request))
            if (effect._tag === "None") return Effect.succeed(called(() => provider.stream(request)))
            const interruption = effect._tag === "Stall" ? this.#over : Effect.fail(effect.error)
            return effect.tokens === 0
              ? Effect.map(interruption, () => called(() => provider.stream(request)))
              : Effect.succeed(
                  interruptedAfter(
                    called(() => provider.stream(request)),
                    effect.tokens,
                    interruption,
                    hasOutput,
                  ),
                )
          }),
        ),
      embed:
        embed &&
        ((request) =>
          this.#delayed(() => (effect._tag === "Abort" ? Effect.fail(effect.error) : called(() => embed(request))))),
      operations: operations && {
        ...operations,
        send: (request) =>
          Stream.unwrap(
            this.#delayed(() => {
              if (effect._tag === "Abort") return Effect.fail(effect.error)
              const frames = called(() => operations.send(request))
              if (effect._tag === "None" || effect._tag === "Refusal") return Effect.succeed(frames)
              const interruption = effect._tag === "Stall" ? this.#over : Effect.fail(effect.error)
              return Effect.succeed(interruptedAfter(frames, effect.tokens, interruption, () => true))
            }),
          ),
      },
    }
  }

  /** The call after the fault's latency, or at once when the fault is switched off. */
  #delayed<A>(call: () => Effect.Effect<A, ProviderError>): Effect.Effect<A, ProviderError> {
    const { latency } = this.#fault
    const answered = Effect.suspend(call)
    return latency === 0 ? answered : Effect.andThen(Effect.raceFirst(Effect.sleep(latency), this.#over), answered)
  }
}

/** The stream, with the interruption after so many frames with output: it fails, or goes on when the interruption ends. */
const interruptedAfter = <Frame>(
  frames: Stream.Stream<Frame, ProviderError>,
  tokens: number,
  interruption: Effect.Effect<void, ProviderError>,
  hasOutput: (frame: Frame) => boolean,
): Stream.Stream<Frame, ProviderError> =>
  Stream.transformPull(frames, (pull) =>
    Effect.sync(() => {
      let sent = 0
      let isOver = false
      let held: ReadonlyArray<Frame> = []
      const next: Pull.Pull<Arr.NonEmptyReadonlyArray<Frame>, ProviderError> = Effect.suspend(() => {
        if (isOver) {
          const rest = held
          held = []
          return Arr.isReadonlyArrayNonEmpty(rest) ? Effect.succeed(rest) : pull
        }
        if (sent === tokens) {
          return Effect.flatMap(interruption, () => {
            isOver = true
            return next
          })
        }
        return Effect.flatMap(pull, (chunk) => {
          let index = 0
          for (; index < chunk.length && sent < tokens; index++) if (hasOutput(chunk[index]!)) sent++
          held = chunk.slice(index)
          const passed = chunk.slice(0, index)
          return Arr.isReadonlyArrayNonEmpty(passed) ? Effect.succeed(passed) : next
        })
      })
      return next
    }),
  )

const hasOutput = ({ parts }: Chat.Frame): boolean => parts.some(Chat.isOutput)

// ---------------------------------------------------------------------------------------------------------------------
// Refusals
// ---------------------------------------------------------------------------------------------------------------------

const choicesOf = ({ sampling }: Chat.Request): number => Math.max(1, sampling?.n ?? 1)

const noUsage: Chat.Usage = { inputTokens: 0, outputTokens: 0 }

/** A complete response in which every choice is the refusal. */
const refusal = (text: string, request: Chat.Request): Chat.Response => {
  const choice: Chat.Choice = { content: [{ type: "refusal", text }], finishReason: "refusal" }
  const others = Array.from({ length: choicesOf(request) - 1 }, () => choice)
  return {
    model: request.model,
    ...choice,
    usage: noUsage,
    ...(others.length === 0 ? undefined : { alternatives: others }),
  }
}

const refusalFrames = (text: string, request: Chat.Request): Stream.Stream<Chat.Frame> =>
  Stream.make<ReadonlyArray<Chat.Frame>>(
    { parts: [{ type: "start", model: request.model }] },
    ...Array.from({ length: choicesOf(request) }, (_, index): Chat.Frame => {
      const choice = index === 0 ? undefined : { choice: index }
      return {
        parts: [
          { type: "refusal", text, ...choice },
          { type: "finish", reason: "refusal", ...choice },
        ],
      }
    }),
    { parts: [{ type: "usage", usage: noUsage }] },
  )
