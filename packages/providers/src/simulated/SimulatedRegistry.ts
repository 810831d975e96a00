/**
 * The simulated deployments that are running, by name, for whoever breaks and mends them from outside: the gateway's
 * `POST /simulated/{deployment}` hands its body to `send`.
 */
import * as Context from "effect/Context"
import * as Data from "effect/Data"
import * as Effect from "effect/Effect"
import * as Layer from "effect/Layer"
import type * as Scope from "effect/Scope"
import type { Control } from "./Control.ts"
import type { Fault, InvalidFault } from "./Fault.ts"
import { decode, encode } from "./Fault.ts"

/** No simulated deployment of that name is running. `known` are those that are. */
export class NotSimulated extends Data.TaggedError("NotSimulated")<{
  readonly deployment: string
  readonly known: ReadonlyArray<string>
}> {
  override get message(): string {
    const known = this.known.length === 0 ? "there are none" : `there are: ${this.known.join(", ")}`
    return `no simulated deployment is named \`${this.deployment}\`; ${known}`
  }
}

export interface SimulatedRegistry {
  /** Puts a deployment on the board until the scope closes. Of two with one name, the newer is reached. */
  readonly register: (control: Control) => Effect.Effect<void, never, Scope.Scope>
  readonly names: Effect.Effect<ReadonlyArray<string>>
  readonly control: (deployment: string) => Effect.Effect<Control, NotSimulated>
  /** Breaks or mends a deployment as a JSON body says, and gives back the fault that it has now, as JSON says it. */
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

/** The board that simulated layers put themselves on: one for the process unless another is provided. */
export const SimulatedRegistry: Context.Reference<SimulatedRegistry> = Context.Reference<SimulatedRegistry>(
  "@understudy/providers/simulated/Switchboard",
  { defaultValue: make },
)

/** A board of its own. */
export const layer: Layer.Layer<never> = Layer.sync(SimulatedRegistry, make)
