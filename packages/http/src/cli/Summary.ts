/**
 * A configuration in a few lines: what can be called, who answers, and by whose model.
 */
import type { Route } from "@understudy/core/Route"
import type { Settings } from "@understudy/providers/Config"

/** A line for each route and each deployment, in columns. */
export const lines = ({ deployments, routes }: Settings): ReadonlyArray<string> => [
  ...section(
    "routes",
    Object.entries(routes).map(([name, route]) => [name, describe(route)]),
  ),
  ...section(
    "deployments",
    Object.entries(deployments).map(([name, { model, provider }]) => [name, provider, model]),
  ),
]

/** `gpt-4o, then latency(sonnet, sonnet-east), then local` */
export const describe = (route: Route): string => {
  switch (route._tag) {
    case "Target":
      return route.name
    case "Fallback":
      return route.routes
        .map((each) => (each._tag === "Fallback" && each.routes.length > 1 ? `(${describe(each)})` : describe(each)))
        .join(", then ")
    case "Balance":
      return `${route.strategy}(${route.across.join(", ")})`
    case "Policies":
      return describe(route.route)
  }
}

/** Rows under a title, each column as wide as its widest cell. */
export const section = (title: string, rows: ReadonlyArray<ReadonlyArray<string>>): ReadonlyArray<string> => {
  if (rows.length === 0) return []
  const width = (column: number): number => Math.max(...rows.map((row) => row[column]?.length ?? 0))
  const cells = (row: ReadonlyArray<string>): string =>
    row.map((cell, column) => (column === row.length - 1 ? cell : cell.padEnd(width(column)))).join("  ")
  return [title, ...rows.map((row) => `  ${cells(row)}`)]
}
