/**
 * A route as a picture: Mermaid's text, which Markdown viewers and https://mermaid.live draw.
 *
 * A deployment is a box; a balance, another route and policies are frames around theirs; a dotted arrow leads to who is
 * asked next.
 */
import * as Duration from "effect/Duration"
import type { Condition } from "../route/Condition.ts"
import type { After } from "../policy/HedgePolicy.ts"
import { isQuantile } from "../policy/HedgePolicy.ts"
import type { Route } from "../route/Route.ts"
import type { Policies } from "../policy/Policies.ts"

/** What was drawn: its lines, and the boxes where a call comes in and where it goes on from. */
interface Drawn {
  readonly lines: ReadonlyArray<string>
  readonly first: string
  readonly last: string
}

/** Draws the route or the deployment of that name; a name that is none of `routes` is taken for a deployment's. */
export const flowchart = (name: string, routes: Readonly<Record<string, Route>>): string => {
  let count = 0
  const box = (text: string): Drawn => {
    const id = `n${++count}`
    return { lines: [`${id}["${escape(text)}"]`], first: id, last: id }
  }
  const frame = (title: string, inner: ReadonlyArray<Drawn>): Drawn => {
    const id = `n${++count}`
    const lines = inner.flatMap(({ lines }) => lines.map((line) => `  ${line}`))
    return { lines: [`subgraph ${id}["${escape(title)}"]`, ...lines, "end"], first: id, last: id }
  }
  /** `within` names the routes that led here, none of which is drawn again. */
  const named = (name: string, within: ReadonlyArray<string>): Route | undefined =>
    Object.hasOwn(routes, name) && !within.includes(name) ? routes[name] : undefined

  const draw = (route: Route, within: ReadonlyArray<string>): Drawn => {
    switch (route._tag) {
      case "Target": {
        const inner = named(route.name, within)
        return inner === undefined ? box(route.name) : frame(route.name, [draw(inner, [...within, route.name])])
      }
      case "Fallback":
        return route.routes.length === 0 ? box("nobody") : route.routes.map((each) => draw(each, within)).reduce(chain)
      case "Balance":
        return frame(route.strategy, route.across.map(box))
      case "Hedge":
        return frame(`hedge after ${delay(route.hedge.after)}`, route.across.map(box))
      case "When": {
        const fork = `n${++count}`
        const ways = [...route.cases, { if: undefined, use: route.otherwise }].map(({ if: condition, use }) => {
          const drawn = draw(use, within)
          const label = condition === undefined ? "else" : conditions(condition)
          return { ...drawn, lines: [...drawn.lines, `${fork}{"when"} -- "${escape(label)}" --> ${drawn.first}`] }
        })
        return frame("one of these ways", ways)
      }
      case "Policies":
        return frame(policies(route.policies), [draw(route.route, within)])
      case "OnError": {
        const tried = draw(route.route, within)
        const inner = tried.first === tried.last ? tried : frame("these", [tried])
        const use = draw(route.use, within)
        const arrow = `${inner.last} -. ${route.reasons.join(" or ")} .-> ${use.first}`
        return { lines: [...inner.lines, ...use.lines, arrow], first: inner.first, last: inner.last }
      }
    }
  }

  const whole = named(name, [])
  const { first, lines } = whole === undefined ? box(name) : draw(whole, [name])
  return ["flowchart LR", `  call(["${escape(name)}"]) --> ${first}`, ...lines.map((line) => `  ${line}`)].join("\n")
}

const chain = (before: Drawn, after: Drawn): Drawn => ({
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
const policies = ({ accept, cache, fallbackOn, retry, sse, stream, timeout, unsupportedParams }: Policies): string =>
  [
    ...(cache === undefined ? [] : [`cache ${Duration.format(Duration.fromInputUnsafe(cache.ttl))}`]),
    ...(sse === undefined ? [] : [`sse.keepAlive ${Duration.format(Duration.fromInputUnsafe(sse.keepAlive))}`]),
    ...(fallbackOn === undefined ? [] : [`fallbackOn ${fallbackOn}`]),
    ...(accept === undefined ? [] : [`accept ${accept}`]),
    ...(unsupportedParams === undefined ? [] : [`unsupportedParams ${unsupportedParams}`]),
    ...(stream?.protect === undefined ? [] : [`protect ${stream.protect}`]),
    ...label("retry", retry),
    ...label("timeout", timeout),
  ].join(", ")

const label = (name: string, policy: Policies["retry"] | Policies["timeout"]): ReadonlyArray<string> =>
  Object.entries(policy ?? {}).flatMap(([key, value]: readonly [string, Duration.Input | undefined]) =>
    value === undefined
      ? []
      : [`${name}.${key} ${key === "times" ? String(value) : Duration.format(Duration.fromInputUnsafe(value))}`],
  )

/** Mermaid's own entities, for whatever means something inside its quotes: a name can say nothing but itself. */
const escape = (text: string): string =>
  text.replace(/[#"&<>`\\;]/g, (character) => `#${character.charCodeAt(0)};`).replace(/\s+/g, " ")
