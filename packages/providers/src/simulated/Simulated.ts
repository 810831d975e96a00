/**
 * A simulated provider: it answers without a network, streams with delays, calls tools, and fails on demand. Responses and
 * failures are deterministic by seed. All delays use Effect's `Clock`, so that tests under `TestClock` do not wait.
 *
 * Faults can be set and reset while it runs, by its `Control`, or by name through the `SimulatedRegistry`.
 *
 * ```ts
 * Deployment.make({ model: "any", provider: Simulated.layer({ name: "primary", firstToken: "300 millis", tokenDelay: "30 millis" }) })
 * ```
 */
import { Provider } from "@understudy/core/Provider"
import * as Effect from "effect/Effect"
import * as Layer from "effect/Layer"
import * as Ref from "effect/Ref"
import * as Stream from "effect/Stream"
import type * as Chat from "@understudy/core/Chat"
import * as Answer from "./Answer.ts"
import type * as Behavior from "./Behavior.ts"
import * as Control from "./Control.ts"
import { random } from "./Random.ts"
import * as SimulatedStream from "./SimulatedStream.ts"
import { SimulatedRegistry } from "./SimulatedRegistry.ts"
import * as Vectors from "./Vectors.ts"

export { Fault, InvalidFault, decode as decodeFault } from "./Fault.ts"
export { NotSimulated, SimulatedRegistry, layer as layerRegistry } from "./SimulatedRegistry.ts"
export type { Control } from "./Control.ts"

// ---------------------------------------------------------------------------------------------------------------------
// Options
// ---------------------------------------------------------------------------------------------------------------------

/** The settings of a simulated provider. By default it answers at once and never fails. */
export interface Options extends Behavior.Options {
  /** Its name in responses, errors and the registry. Default: `simulated`. */
  readonly name?: string | undefined
  /** A whole number that selects texts and failing calls. Default: 0. */
  readonly seed?: number | undefined
  /** The text of every response. Then no tool is called. */
  readonly reply?: string | undefined
}

// ---------------------------------------------------------------------------------------------------------------------
// Make
// ---------------------------------------------------------------------------------------------------------------------

/** The name of its protocol. */
export const protocol = "simulated"

/** A provider, and the handle that sets its faults. A configured outage is counted from here. */
export const make = Effect.fnUntraced(function* (
  options: Options = {},
): Effect.fn.Return<{ readonly provider: Provider["Service"]; readonly control: Control.Control }> {
  const { name = "simulated", reply, seed = 0 } = options
  const { control, injected } = yield* Control.make(name, options)
  let turns = 0
  /** Begins a call. */
  const begin = Effect.map(Ref.get(injected), (began) => {
    const turn = turns++
    return {
      answer: (request: Chat.Request) => Answer.make(request, { name, seed, reply }, turn),
      call: { name, injected, began, random: random(seed, turn) },
    }
  })
  const provider: Provider["Service"] = {
    protocol,
    chat: (request) =>
      Effect.flatMap(begin, ({ answer, call }) =>
        Effect.map(SimulatedStream.complete(call), () => Answer.response(answer(request))),
      ),
    stream: (request) =>
      Stream.fromPull(
        Effect.flatMap(begin, ({ answer, call }) => SimulatedStream.stream(call, Answer.reveal(answer(request)))),
      ),
    embed: (request) =>
      Effect.flatMap(begin, ({ call }) => Effect.map(SimulatedStream.complete(call), () => Vectors.response(request))),
  }
  return { provider, control }
})

// ---------------------------------------------------------------------------------------------------------------------
// Layer
// ---------------------------------------------------------------------------------------------------------------------

/** The provider, registered by name for the lifetime of the layer. */
export const layer = (options: Options & { readonly name: string }): Layer.Layer<Provider> =>
  Layer.effect(
    Provider,
    Effect.gen(function* () {
      const { control, provider } = yield* make(options)
      const registry = yield* SimulatedRegistry
      yield* registry.register(control)
      return provider
    }),
  )
