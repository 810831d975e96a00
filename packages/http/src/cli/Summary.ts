/**
 * A summary of a configuration: routes, deployments and keys.
 */
import type { Route } from "@understudy/core/Route"
import { percent } from "@understudy/core/internal/route/Split"
import { shownLimits } from "../api/admin/Fields.ts"
import type { Configuration } from "../Config.ts"
import * as Format from "./Format.ts"
import { section } from "./Table.ts"

/** A line for each route, each deployment and each key, in columns. */
export const lines = ({ deployments, keys, routes }: Configuration): ReadonlyArray<string> => [
  ...section(
    "routes",
    Object.entries(routes).map(([name, route]) => [name, describe(route)]),
  ),
  ...section(
    "deployments",
    Object.entries(deployments).map(([name, { model, provider }]) => [name, provider, model]),
  ),
  ...section(
    "keys",
    keys.map(({ id, limits = {}, routes }) => [
      id,
      routes?.join(", ") ?? "all",
      Object.keys(limits).length === 0 ? "" : Format.limits(shownLimits(limits)),
    ]),
  ),
]

/** `gpt-4o, then latency(sonnet, sonnet-east), then local` */
export const describe = (route: Route): string => {
  switch (route._tag) {
    case "Target":
      return route.name
    case "Fallback":
      return route.routes.map(nested).join(", then ")
    case "Balance":
      return `${route.strategy}(${route.across.join(", ")})`
    case "Hedge":
      return `hedge(${route.across.join(", ")})`
    case "When":
      return `when(${[...route.cases.map(({ use }) => use), route.otherwise].map(describe).join("; ")})`
    case "Split":
      return `split(${route.arms.map(({ share, use }) => `${nested(use)} ${percent(share, route.arms)}`).join(", ")})`
    case "OnError":
      return `${describe(route.route)}, after ${route.reasons.join(" or ")} ${nested(route.use)}`
    case "Policies":
      return describe(route.route)
  }
}

/** A description in parentheses where it would be ambiguous without. */
const nested = (route: Route): string => {
  const inner = route._tag === "Policies" ? route.route : route
  const several = inner._tag === "OnError" || (inner._tag === "Fallback" && inner.routes.length > 1)
  return several ? `(${describe(route)})` : describe(route)
}
