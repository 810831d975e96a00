/**
 * Routes as Mermaid flowcharts, which Markdown viewers and https://mermaid.live render.
 *
 * A deployment is a box. A balance, a named route and policies are frames around their contents. A dotted arrow leads to
 * the next deployment.
 */
import * as Duration from "effect/Duration"
import { layers } from "../deployment/Deployment.ts"
import type { Options, Providers } from "../deployment/Deployment.ts"
import * as AffinityPolicy from "../policy/AffinityPolicy.ts"
import type { Condition } from "../route/Condition.ts"
import type { After } from "../policy/HedgePolicy.ts"
import { isQuantile } from "../policy/HedgePolicy.ts"
import type { Route } from "../route/Route.ts"
import * as Split from "../route/Split.ts"
import * as Acceptance from "../policy/Acceptance.ts"
import * as Faults from "../policy/Fault.ts"
import type { Policies } from "../policy/Policies.ts"
import type { TimesByReason } from "../policy/Retry.ts"
import * as QueuePolicy from "../policy/QueuePolicy.ts"

/** A part of the chart: its lines, and the ids of the nodes where a call enters and where it continues from. */
interface Shape {
  readonly lines: ReadonlyArray<string>
  readonly first: string
  readonly last: string
}

/**
 * The flowchart of the route or the deployment of that name. A name that is not in `routes` is drawn as a deployment.
 *
 * ```ts
 * Mermaid.flowchart("assistant", { assistant: Route.fallback("gpt-4o", "sonnet") })
 * ```
 *
 * With the deployments, their boxes say how many accounts they have, and whether calls wait at their limits.
 */
export const flowchart = (
  name: string,
  routes: Readonly<Record<string, Route>>,
  deployments: Readonly<Record<string, Drawn>> = {},
): string => {
  const chart: Chart = { routes, deployments, nodes: 0 }
  const route = routeOf(chart, name, [])
  const { first, lines } = route === undefined ? deployment(chart, name) : draw(chart, route, [name])
  return ["flowchart LR", `  call(["${escape(name)}"]) --> ${first}`, ...lines.map((line) => `  ${line}`)].join("\n")
}

/** As much of a deployment as is drawn. `accounts`: how many it rotates over, if not one for each layer of its `provider`. */
export interface Drawn extends Pick<Options, "limits"> {
  readonly accounts?: number | undefined
  readonly provider?: Providers<unknown, unknown> | undefined
}

/** The chart that is drawn, and the number of its nodes so far, which gives each an id. */
interface Chart {
  readonly routes: Readonly<Record<string, Route>>
  readonly deployments: Readonly<Record<string, Drawn>>
  nodes: number
}

const nextId = (chart: Chart): string => `n${++chart.nodes}`

/** The route of that name, unless it is one of `path`: a cycle is not drawn again. */
const routeOf = ({ routes }: Chart, name: string, path: ReadonlyArray<string>): Route | undefined =>
  Object.hasOwn(routes, name) && !path.includes(name) ? routes[name] : undefined

const box = (chart: Chart, text: string): Shape => {
  const id = nextId(chart)
  return { lines: [`${id}["${escape(text)}"]`], first: id, last: id }
}

/** `gpt-4o (2 accounts, queue of 100)` */
const deployment = (chart: Chart, name: string): Shape => {
  const drawn = Object.hasOwn(chart.deployments, name) ? chart.deployments[name] : undefined
  const accounts = drawn?.accounts ?? (drawn?.provider === undefined ? 1 : layers(drawn.provider).length)
  const queue = QueuePolicy.resolve(drawn?.limits?.queue)
  const notes = [
    ...(accounts > 1 ? [`${accounts} accounts`] : []),
    ...(queue === undefined ? [] : [`queue of ${queue.max}`]),
  ]
  return box(chart, notes.length === 0 ? name : `${name} (${notes.join(", ")})`)
}

const frame = (chart: Chart, title: string, inner: ReadonlyArray<Shape>): Shape => {
  const id = nextId(chart)
  const lines = inner.flatMap(({ lines }) => lines.map((line) => `  ${line}`))
  return { lines: [`subgraph ${id}["${escape(title)}"]`, ...lines, "end"], first: id, last: id }
}

/** `path`: the names of the routes around this one. */
const draw = (chart: Chart, route: Route, path: ReadonlyArray<string>): Shape => {
  switch (route._tag) {
    case "Target": {
      const inner = routeOf(chart, route.name, path)
      return inner === undefined
        ? deployment(chart, route.name)
        : frame(chart, route.name, [draw(chart, inner, [...path, route.name])])
    }
    case "Fallback":
      return route.routes.length === 0
        ? box(chart, "none")
        : route.routes.map((each) => draw(chart, each, path)).reduce(chain)
    case "Balance":
      return frame(
        chart,
        route.affinity === undefined
          ? route.strategy
          : `${route.strategy}, ${AffinityPolicy.describe(AffinityPolicy.resolve(route.affinity))}`,
        route.across.map((name) => deployment(chart, name)),
      )
    case "Hedge":
      return frame(
        chart,
        `hedge after ${delay(route.hedge.after)}`,
        route.across.map((name) => deployment(chart, name)),
      )
    case "When":
      return drawCases(chart, route, path)
    case "Split":
      return drawSplit(chart, route, path)
    case "Policies":
      return frame(chart, policies(route.policies), [draw(chart, route.route, path)])
    case "OnError":
      return drawOnError(chart, route, path)
  }
}

type When = Extract<Route, { readonly _tag: "When" }>

const drawCases = (chart: Chart, { cases, otherwise }: When, path: ReadonlyArray<string>): Shape => {
  const fork = nextId(chart)
  const branches = [...cases, { if: undefined, use: otherwise }].map(({ if: condition, use }) => {
    const shape = draw(chart, use, path)
    const label = condition === undefined ? "else" : conditions(condition)
    return { ...shape, lines: [...shape.lines, `${fork}{"when"} -- "${escape(label)}" --> ${shape.first}`] }
  })
  return frame(chart, "first matching case", branches)
}

type SplitRoute = Extract<Route, { readonly _tag: "Split" }>

const drawSplit = (chart: Chart, { arms, by }: SplitRoute, path: ReadonlyArray<string>): Shape => {
  const fork = nextId(chart)
  const branches = arms.map(({ share, use }) => {
    const shape = draw(chart, use, path)
    const arrow = `${fork}{"split"} -- "${escape(Split.percent(share, arms))}" --> ${shape.first}`
    return { ...shape, lines: [...shape.lines, arrow] }
  })
  return frame(chart, `split by ${by}`, branches)
}

type OnError = Extract<Route, { readonly _tag: "OnError" }>

const drawOnError = (chart: Chart, { reasons, route, use }: OnError, path: ReadonlyArray<string>): Shape => {
  const shape = draw(chart, route, path)
  const inner = shape.first === shape.last ? shape : frame(chart, "any of", [shape])
  const branch = draw(chart, use, path)
  const arrow = `${inner.last} -. ${reasons.join(" or ")} .-> ${branch.first}`
  return { lines: [...inner.lines, ...branch.lines, arrow], first: inner.first, last: inner.last }
}

const chain = (before: Shape, after: Shape): Shape => ({
  lines: [...before.lines, ...after.lines, `${before.last} -. else .-> ${after.first}`],
  first: before.first,
  last: after.last,
})

const delay = (after: After): string => (isQuantile(after) ? after : Duration.format(Duration.fromInputUnsafe(after)))

/** `tags vip, inputTokens above 8000` */
const conditions = (condition: Condition): string =>
  Object.entries(condition)
    .map(
      ([what, value]) =>
        `${what} ${JSON.stringify(value)
          .replace(/["[\]{}]/g, "")
          .replaceAll(":", " ")}`,
    )
    .join(", ")

/** `fallbackOn any, protect continue, retry.times 0, timeout.total 9s` */
const policies = ({
  accept,
  cache,
  fallbackOn,
  faults,
  retry,
  shadow,
  sse,
  stream,
  timeout,
  unsupportedParams,
}: Policies): string =>
  [
    ...(cache === undefined ? [] : [`cache ${Duration.format(Duration.fromInputUnsafe(cache.ttl))}`]),
    ...(sse === undefined ? [] : [`sse.keepAlive ${Duration.format(Duration.fromInputUnsafe(sse.keepAlive))}`]),
    ...(shadow === undefined ? [] : [`shadow ${shadow.to} ${Math.round(shadow.share * 10_000) / 100} %`]),
    ...(fallbackOn === undefined ? [] : [`fallbackOn ${fallbackOn}`]),
    ...(accept === undefined ? [] : [`accept ${Acceptance.describe(accept).join(" and ")}`]),
    ...(unsupportedParams === undefined ? [] : [`unsupportedParams ${unsupportedParams}`]),
    ...(stream?.protect === undefined ? [] : [`protect ${stream.protect}`]),
    ...(faults === undefined ? [] : [`faults ${faults.map(Faults.nameOf).join(" ")}`]),
    ...label("retry", retry),
    ...label("timeout", timeout),
  ].join(", ")

const label = (name: string, policy: Policies["retry"] | Policies["timeout"]): ReadonlyArray<string> =>
  Object.entries(policy ?? {}).flatMap(
    ([key, value]: readonly [string, Duration.Input | TimesByReason | undefined]): ReadonlyArray<string> => {
      if (value === undefined) return []
      if (key === "times") return [`${name}.times ${String(value)}`]
      if (key === "timesByReason")
        return Object.entries(value).map(([reason, times]) => `${name}.times ${times} after ${reason}`)
      return [`${name}.${key} ${Duration.format(Duration.fromInputUnsafe(value as Duration.Input))}`]
    },
  )

/** Escapes the characters that have a meaning inside Mermaid's quotes as Mermaid's entities. */
const escape = (text: string): string =>
  text.replace(/[#"&<>`\\;]/g, (character) => `#${character.charCodeAt(0)};`).replace(/\s+/g, " ")
