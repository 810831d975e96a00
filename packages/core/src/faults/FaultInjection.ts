/**
 * Fault injection: which faults are switched on, and the draw for each attempt. The faults of a deployment or a route are
 * configured, and off until an operator switches them on for a bounded time.
 */
import * as Clock from "effect/Clock"
import * as Data from "effect/Data"
import * as Deferred from "effect/Deferred"
import * as Duration from "effect/Duration"
import * as Effect from "effect/Effect"
import * as Equal from "effect/Equal"
import * as Exit from "effect/Exit"
import type * as Scope from "effect/Scope"
import type { Operation } from "../model/Call.ts"
import type { Fault, ResolvedFault } from "../policy/Fault.ts"
import * as Faults from "../policy/Fault.ts"
import { InjectedFault } from "./InjectedFault.ts"

/** The faults of a deployment or a route as they are configured, and those that are on. */
export interface FaultStatus {
  /** The name of the deployment or the route. */
  readonly target: string
  readonly kind: "deployment" | "route"
  readonly faults: ReadonlyArray<Fault>
  readonly active: { readonly faults: ReadonlyArray<Fault>; readonly until: number } | undefined
}

/** Which faults of a target are switched on, and for how long. */
export interface Start {
  /** How long: above 0, and not without end. */
  readonly for: Duration.Input
  /** The names of those to switch on. Default: all. */
  readonly faults?: ReadonlyArray<string> | undefined
}

/** The faults cannot be switched. `field` is the wrong one: the target, its faults or the time. */
export class InvalidFaultInjection extends Data.TaggedError("InvalidFaultInjection")<{
  readonly field: "target" | "faults" | "for"
  readonly message: string
}> {}

/** Switches the faults of deployments and routes. Times are in clock milliseconds. */
export interface FaultInjection {
  /** Every deployment and route with faults. */
  readonly status: Effect.Effect<ReadonlyArray<FaultStatus>>
  /**
   * Switches faults of a deployment or a route on. Those that are on there are replaced. They are off after the time, and when
   * a reload changes or removes them.
   */
  readonly start: (target: string, options: Start) => Effect.Effect<FaultStatus, InvalidFaultInjection>
  /** Switches the faults of a target off, or those of all. Returns the targets whose faults were on. */
  readonly stop: (target?: string) => Effect.Effect<ReadonlyArray<string>, InvalidFaultInjection>
}

/** The configured faults of a deployment or a route. */
export interface Definition {
  readonly kind: FaultStatus["kind"]
  readonly faults: ReadonlyArray<Fault>
}

/** By the name of the deployment or the route: no two have one name. */
export type Definitions = ReadonlyMap<string, Definition>

/** Faults that are on. */
interface Active {
  readonly definition: Definition
  readonly faults: ReadonlyArray<Fault>
  readonly resolved: ReadonlyArray<ResolvedFault>
  readonly until: number
  /** Completes when they are switched off. */
  readonly over: Deferred.Deferred<void>
}

/** An attempt as far as it matters to a draw. `route` is the one that was called. */
export interface Drawn {
  readonly deployment: string
  readonly route: string
  readonly operation: Operation
  readonly streaming: boolean
}

export class ActiveFaults {
  readonly #random: () => number
  readonly #active = new Map<string, Active>()

  constructor(random: () => number) {
    this.#random = random
  }

  /** Whether anything is switched on. */
  get isOn(): boolean {
    return this.#active.size > 0
  }

  /**
   * The fault of an attempt that starts now, if any: of the deployment, else of the route. One random number is drawn for each
   * of them with faults that are on, and none if nothing is on.
   */
  draw(attempt: Drawn, now: number): InjectedFault | undefined {
    const { deployment, route } = attempt
    const drawn = this.#drawOf(deployment, attempt, now)
    return drawn === undefined && route !== deployment ? this.#drawOf(route, attempt, now) : drawn
  }

  #drawOf(target: string, attempt: Drawn, now: number): InjectedFault | undefined {
    const active = this.#active.get(target)
    if (active === undefined || now >= active.until) return undefined
    let left = this.#random()
    for (const fault of active.resolved) {
      if (left < fault.share) return appliesTo(fault, attempt) ? new InjectedFault(fault, active.over) : undefined
      left -= fault.share
    }
    return undefined
  }

  statusOf(target: string, { faults, kind }: Definition, now: number): FaultStatus {
    const active = this.#active.get(target)
    const isOn = active !== undefined && now < active.until
    return { target, kind, faults, active: isOn ? { faults: active.faults, until: active.until } : undefined }
  }

  /** Switches faults on. They go off after the time, in a fibre of `scope`. */
  start(
    target: string,
    definition: Definition,
    { for: duration, faults: names }: Start,
    scope: Scope.Scope,
  ): Effect.Effect<void> {
    return Effect.clockWith((clock) => {
      const wait = Duration.fromInputUnsafe(duration)
      const faults = names === undefined ? definition.faults : definition.faults.filter(isNamed(names))
      const active: Active = {
        definition,
        faults,
        resolved: faults.map(Faults.resolve),
        until: clock.currentTimeMillisUnsafe() + Duration.toMillis(wait),
        over: Deferred.makeUnsafe(),
      }
      const before = this.#active.get(target)
      this.#active.set(target, active)
      if (before !== undefined) Deferred.doneUnsafe(before.over, Exit.void)
      const expire = Effect.suspend(() =>
        this.#active.get(target) === active
          ? Effect.andThen(this.stop(target), Effect.logInfo(`Fault injection is over: ${target}`))
          : Effect.void,
      )
      const timer = Effect.andThen(Effect.raceFirst(Effect.sleep(wait), Deferred.await(active.over)), expire)
      return Effect.andThen(
        Effect.logWarning(
          `Fault injection is on until ${new Date(active.until).toISOString()}: ${target}, ${faults.map(Faults.describe).join("; ")}`,
        ),
        Effect.forkIn(timer, scope, { startImmediately: true }),
      )
    })
  }

  /** Switches the faults of a target off, if they are on. */
  stop(target: string): Effect.Effect<boolean> {
    return Effect.sync(() => {
      const active = this.#active.get(target)
      if (active === undefined) return false
      this.#active.delete(target)
      Deferred.doneUnsafe(active.over, Exit.void)
      return true
    })
  }

  /** Switches off what these definitions change or do not have any more. */
  replace(next: Definitions): Effect.Effect<void> {
    const gone = [...this.#active].filter(([target, { definition }]) => !Equal.equals(next.get(target), definition))
    return Effect.forEach(
      gone,
      ([target]) =>
        Effect.andThen(
          this.stop(target),
          Effect.logWarning(`Fault injection is off: ${target}, because the reload changed its faults`),
        ),
      { discard: true },
    )
  }

  /** The targets whose faults are on. */
  get targets(): ReadonlyArray<string> {
    return [...this.#active.keys()]
  }
}

/** Whether a fault has an effect on an attempt. Only streams have tokens, and only chat is refused. */
const appliesTo = ({ effect, latency }: ResolvedFault, { operation, streaming }: Drawn): boolean => {
  switch (effect._tag) {
    case "None":
    case "Abort":
      return true
    case "Refusal":
      return operation === "chat"
    case "Disconnect":
    case "Stall":
      return streaming || latency > 0
  }
}

const isNamed =
  (names: ReadonlyArray<string>) =>
  (fault: Fault): boolean =>
    names.includes(Faults.nameOf(fault))

/** The faults of a router. `definitions` are those in force, and fibres that switch faults off run in `scope`. */
export const make = (active: ActiveFaults, definitions: () => Definitions, scope: Scope.Scope): FaultInjection => {
  const find = (target: string): Effect.Effect<Definition, InvalidFaultInjection> => {
    const found = definitions().get(target)
    return found === undefined ? Effect.fail(unknownTarget(target, [...definitions().keys()])) : Effect.succeed(found)
  }
  return {
    status: Effect.map(Clock.currentTimeMillis, (now) =>
      Array.from(definitions(), ([target, definition]) => active.statusOf(target, definition, now)),
    ),
    start: (target, options) =>
      Effect.flatMap(find(target), (definition) => {
        const problem = invalid(definition, target, options)
        if (problem !== undefined) return Effect.fail(problem)
        return Effect.andThen(
          active.start(target, definition, options, scope),
          Effect.map(Clock.currentTimeMillis, (now) => active.statusOf(target, definition, now)),
        )
      }),
    stop: (target) =>
      Effect.flatMap(
        target === undefined ? Effect.succeed(active.targets) : Effect.as(find(target), [target]),
        (targets) => Effect.filter(targets, (each) => stopped(active, each)),
      ),
  }
}

const stopped = (active: ActiveFaults, target: string): Effect.Effect<boolean> =>
  Effect.tap(active.stop(target), (wasOn) =>
    wasOn ? Effect.logInfo(`Fault injection is switched off: ${target}`) : Effect.void,
  )

const unknownTarget = (target: string, known: ReadonlyArray<string>): InvalidFaultInjection =>
  new InvalidFaultInjection({
    field: "target",
    message:
      known.length === 0
        ? `"${target}" has no faults: no deployment and no route has. Configure them under \`faults\``
        : `"${target}" has no faults. Those with faults: ${known.join(", ")}`,
  })

const invalid = (
  { faults }: Definition,
  target: string,
  { faults: wanted, for: duration }: Start,
): InvalidFaultInjection | undefined => {
  const millis = Duration.toMillis(Duration.fromInputUnsafe(duration))
  if (!(millis > 0) || millis === Number.POSITIVE_INFINITY) {
    return new InvalidFaultInjection({
      field: "for",
      message: "expected a duration above 0 that ends, such as 10 minutes",
    })
  }
  if (wanted === undefined) return undefined
  const names = faults.map(Faults.nameOf)
  const unknown = wanted.find((name) => !names.includes(name))
  if (unknown === undefined && wanted.length > 0) return undefined
  const what = unknown === undefined ? "names no fault" : `"${unknown}" is no fault of "${target}"`
  return new InvalidFaultInjection({ field: "faults", message: `${what}. Its faults: ${names.join(", ")}` })
}
