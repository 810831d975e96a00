/**
 * A scenario: how the deployments of a configuration behave, what befalls them, and who calls. It is data, and names deployments
 * as little as it can, so that it fits any configuration.
 */
import * as Duration from "effect/Duration"
import type { Behavior, Change, Incident, Phase } from "./Behavior.ts"
import * as Behaviors from "./Behavior.ts"
import type { Traffic } from "./Traffic.ts"
import * as Wildcard from "../route/Wildcard.ts"

export interface Scenario {
  readonly name: string
  readonly description: string
  /**
   * How deployments behave, by their names, in which a `*` stands for any text. The most specific that matches applies, over
   * `Behavior.usual`.
   */
  readonly deployments?: Readonly<Record<string, Partial<Behavior>>> | undefined
  readonly incidents?: ReadonlyArray<ScenarioIncident> | undefined
  /** Over `Traffic.usual`. */
  readonly traffic?: Partial<Traffic> | undefined
}

/** What befalls some deployments, from some time after the beginning on. */
export interface ScenarioIncident {
  readonly from: Duration.Input
  readonly for: Duration.Input
  readonly where: Place
  readonly change: Change
}

/** Which deployments: those that all of these name. Without any, all deployments. */
export interface Place {
  /** Names, in which a `*` stands for any text. */
  readonly deployments?: ReadonlyArray<string> | undefined
  readonly vendor?: string | undefined
  readonly region?: string | undefined
}

/** A deployment, as a scenario knows it. */
export interface Placed {
  readonly name: string
  readonly vendor: string | undefined
  readonly region: string | undefined
}

/** The phases of a deployment in a scenario that begins at `start`, in clock milliseconds. */
export const phasesOf = (
  { deployments = {}, incidents = [] }: Scenario,
  deployment: Placed,
  start: number,
): ReadonlyArray<Phase> => {
  const pattern = Wildcard.find(Object.keys(deployments), deployment.name)
  const own = pattern === undefined ? undefined : deployments[pattern]
  const mine = incidents.flatMap((each): ReadonlyArray<Incident> => {
    if (!isAt(each.where, deployment)) return []
    const from = start + millis(each.from)
    return [{ from, until: from + millis(each.for), change: each.change }]
  })
  return Behaviors.phases({ ...Behaviors.usual, ...own }, mine)
}

/** Names and patterns of a scenario that match no deployment, each with its path. */
export const unmatched = (
  { deployments = {}, incidents = [] }: Scenario,
  fleet: ReadonlyArray<Placed>,
): ReadonlyArray<readonly [path: string, pattern: string]> => {
  const isUnmatched = (pattern: string) => !fleet.some(({ name }) => matches(pattern, name))
  return [
    ...Object.keys(deployments).flatMap((pattern) => (isUnmatched(pattern) ? [["deployments", pattern] as const] : [])),
    ...incidents.flatMap(({ where }, index) => {
      const { deployments = [], region, vendor } = where
      const path = `incidents[${index}].where`
      return [
        ...deployments.filter(isUnmatched).map((pattern) => [`${path}.deployments`, pattern] as const),
        ...(vendor !== undefined && !fleet.some((each) => each.vendor === vendor)
          ? [[`${path}.vendor`, vendor] as const]
          : []),
        ...(region !== undefined && !fleet.some((each) => each.region === region)
          ? [[`${path}.region`, region] as const]
          : []),
      ]
    }),
  ]
}

const isAt = ({ deployments, region, vendor }: Place, placed: Placed): boolean =>
  (deployments === undefined || deployments.some((pattern) => matches(pattern, placed.name))) &&
  (vendor === undefined || vendor === placed.vendor) &&
  (region === undefined || region === placed.region)

const matches = (pattern: string, name: string): boolean => Wildcard.match(pattern, name) !== undefined

const millis = (input: Duration.Input): number => Duration.toMillis(Duration.fromInputUnsafe(input))
