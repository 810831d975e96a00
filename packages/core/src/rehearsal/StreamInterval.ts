/**
 * How often a modeled stream brings what there is of it: seldom, since each time costs a rehearsal time, but so often that no idle
 * timeout ends a stream that goes on.
 */
import * as Duration from "effect/Duration"
import type * as Generation from "../generation/Generation.ts"
import type * as Deployment from "../deployment/Deployment.ts"
import type { Route } from "../route/Route.ts"

/** In milliseconds. */
const usual = 2000
const shortest = 10

/** Milliseconds between two events of a stream of this router's deployments. */
export const of = ({
  defaults,
  deployments,
  routes = {},
}: Generation.Options<Readonly<Record<string, Deployment.Options>>, Readonly<Record<string, Route>>>): number => {
  const idles = [
    defaults?.timeout?.idle,
    ...Object.values(deployments).map(({ timeout }) => timeout?.idle),
    ...Object.values(routes).flatMap(idlesOf),
  ].map((idle) => (idle === undefined ? usual : Duration.toMillis(Duration.fromInputUnsafe(idle)) / 2))
  return Math.max(shortest, Math.min(usual, ...idles))
}

/** The idle timeouts inside a route. */
const idlesOf = (route: Route): ReadonlyArray<Duration.Input | undefined> => {
  switch (route._tag) {
    case "Target":
    case "Balance":
    case "Hedge":
      return []
    case "Fallback":
      return route.routes.flatMap(idlesOf)
    case "When":
      return [...route.cases.map(({ use }) => use), route.otherwise].flatMap(idlesOf)
    case "Split":
      return route.arms.flatMap(({ use }) => idlesOf(use))
    case "OnError":
      return [...idlesOf(route.route), ...idlesOf(route.use)]
    case "Policies":
      return [route.policies.timeout?.idle, ...idlesOf(route.route)]
  }
}
