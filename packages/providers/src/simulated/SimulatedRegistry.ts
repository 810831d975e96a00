/**
 * The registry of running simulated deployments, by name, to set and reset their faults: the gateway's
 * `POST /simulated/{deployment}` passes its body to `send`.
 */
import * as Context from "effect/Context"
import * as Data from "effect/Data"
import * as Effect from "effect/Effect"
import * as Layer from "effect/Layer"
import type * as Scope from "effect/Scope"
import type { Control } from "./Control.ts"
import type { Fault, InvalidFault } from "./Fault.ts"
import { decode, encode } from "./Fault.ts"

/** No simulated deployment of that name is running. `known` has the names of those that are. */
export class NotSimulated extends Data.TaggedError("NotSimulated")<{
  readonly deployment: string
  readonly known: ReadonlyArray<string>
}> {
  override get message(): string {
    const known = this.known.length === 0 ? "none is running" : `running: ${this.known.join(", ")}`
    return `no simulated deployment is named \`${this.deployment}\`; ${known}`
  }
}

/** The registry's methods. */
export interface SimulatedRegistry {
  /** Registers a deployment until the scope closes. Of two with one name, the newer is used. */
  readonly register: (control: Control) => Effect.Effect<void, never, Scope.Scope>
  readonly names: Effect.Effect<ReadonlyArray<string>>
  readonly control: (deployment: string) => Effect.Effect<Control, NotSimulated>
  /** Sets or resets the fault of a deployment by a JSON body. Returns its fault now, as JSON. */
  readonly send: (deployment: string, body: unknown) => Effect.Effect<typeof Fault.Encoded, NotSimulated | InvalidFault>
}

const make = (): SimulatedRegistry => {
  const controls = new Map<string, Control>()
  const control = (deployment: string) =>
    Effect.suspend(() => {
      const found = controls.get(deployment)
      return found === undefined
        ? Effect.fail(new NotSimulated({ deployment, known: [...controls.keys()] }))
        : Effect.succeed(found)
    })
  return {
    register: (control) =>
      Effect.acquireRelease(
        Effect.sync(() => void controls.set(control.name, control)),
        () => Effect.sync(() => void (controls.get(control.name) === control && controls.delete(control.name))),
      ),
    names: Effect.sync(() => [...controls.keys()]),
    control,
    send: Effect.fnUntraced(function* (deployment, body) {
      const found = yield* control(deployment)
      const fault = yield* Effect.fromResult(decode(body))
      yield* found.inject(fault)
      return encode(fault)
    }),
  }
}

/** The registry of simulated layers: one for the process, unless another is provided. */
export const SimulatedRegistry: Context.Reference<SimulatedRegistry> = Context.Reference<SimulatedRegistry>(
  "@understudy/providers/simulated/SimulatedRegistry",
  { defaultValue: make },
)

/** A registry of its own. */
export const layer: Layer.Layer<never> = Layer.sync(SimulatedRegistry, make)
