/**
 * A provider without a vendor: it answers plausibly with no network, streams at a pace, calls tools, and fails on demand.
 * The same seed says and fails the same, and all its time is Effect's `Clock`, so that a test under `TestClock` waits for
 * nothing.
 *
 * While it runs it can be broken and mended: by its `Control`, or by name through the `Switchboard`.
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
export { NotSimulated, SimulatedRegistry as Switchboard, layer as layerSwitchboard } from "./SimulatedRegistry.ts"
export type { Control } from "./Control.ts"

// ---------------------------------------------------------------------------------------------------------------------
// Options
// ---------------------------------------------------------------------------------------------------------------------

/** All optional: what is not said takes no time and does not fail. */
export interface Options extends Behavior.Options {
  /** Who it is, in its words, its errors and on the switchboard; `simulated` if not said. */
  readonly name?: string | undefined
  /** A whole number: another one chooses other words and other calls to fail. 0 if not said. */
  readonly seed?: number | undefined
  /** What it says, whatever it is asked; no tool is called then. */
  readonly reply?: string | undefined
}

// ---------------------------------------------------------------------------------------------------------------------
// Make
// ---------------------------------------------------------------------------------------------------------------------

export const protocol = "simulated"

/** A provider, and the handle that breaks and mends it. An outage's window is counted from here. */
export const make = Effect.fnUntraced(function* (
  options: Options = {},
): Effect.fn.Return<{ readonly provider: Provider["Service"]; readonly control: Control.Control }> {
  const { name = "simulated", reply, seed = 0 } = options
  const { control, injected } = yield* Control.make(name, options)
  let turns = 0
  /** One call, from here on. */
  const begin = Effect.map(Ref.get(injected), (began) => {
    const turn = turns++
    return {
      answer: (request: Chat.Request) => Answer.make(request, { name, seed, reply }, turn),
      call: { name, injected, began, draw: random(seed, turn) },
    }
  })
  const provider: Provider["Service"] = {
    protocol,
    chat: (request) =>
      Effect.flatMap(begin, ({ answer, call }) =>
        Effect.map(SimulatedStream.answered(call), () => Answer.response(answer(request))),
      ),
    stream: (request) =>
      Stream.fromPull(
        Effect.flatMap(begin, ({ answer, call }) => SimulatedStream.streamed(call, Answer.reveal(answer(request)))),
      ),
    embed: (request) =>
      Effect.flatMap(begin, ({ call }) => Effect.map(SimulatedStream.answered(call), () => Vectors.response(request))),
  }
  return { provider, control }
})

// ---------------------------------------------------------------------------------------------------------------------
// Layer
// ---------------------------------------------------------------------------------------------------------------------

/** The provider alone, on the switchboard by its name for as long as the layer lives. */
export const layer = (options: Options & { readonly name: string }): Layer.Layer<Provider> =>
  Layer.effect(
    Provider,
    Effect.gen(function* () {
      const { control, provider } = yield* make(options)
      const switchboard = yield* SimulatedRegistry
      yield* switchboard.register(control)
      return provider
    }),
  )
