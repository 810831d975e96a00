/**
 * The `routes` of a configuration: a name, a list, a `fallback` or a `balance`. Which of these an author meant is told
 * by the shape, and every message is about that one.
 */
import * as Route from "@understudy/core/Route"
import { strategies } from "@understudy/core/Strategy"
import { closest, didYouMean } from "@understudy/core/Suggestion"
import * as Predicate from "effect/Predicate"
import * as Result from "effect/Result"
import * as Schema from "effect/Schema"
import type { Place } from "./Issues.ts"
import { decode, within } from "./Issues.ts"
import * as Policies from "./Policies.ts"
import type { Problem } from "./Problem.ts"
import { found, unfit, unknownKey } from "./Problem.ts"

// ---------------------------------------------------------------------------------------------------------------------
// Keys
// ---------------------------------------------------------------------------------------------------------------------

/** The keys of each shape; `fallback`, `balance` and `across` themselves are read one by one, below. */
const shapes = <Timeout extends Schema.Codec<Route.Policies["timeout"], unknown>>(timeout: Timeout) => {
  const policies = {
    retry: Schema.optionalKey(Policies.Retry),
    timeout: Schema.optionalKey(timeout),
    stream: Schema.optionalKey(Policies.Stream),
  }
  return {
    Fallback: Schema.Struct({ fallback: Schema.Unknown, ...policies }),
    Balance: Schema.Struct({
      balance: Schema.optionalKey(Schema.Unknown),
      across: Schema.optionalKey(Schema.Unknown),
      ...policies,
    }),
  }
}

/** A whole route may limit the whole call; a part of one cannot. */
export const Whole = shapes(Policies.Timeout.route)
const Part = shapes(Policies.Timeout.part)

const known = ["fallback", "balance", "across", "retry", "timeout", "stream"]

const expected = "a name, a list of names, { fallback: [...] } or { balance: STRATEGY, across: [...] }"

// ---------------------------------------------------------------------------------------------------------------------
// Reading
// ---------------------------------------------------------------------------------------------------------------------

/**
 * What was made of a route: as much as could be, so that its names can be checked though other things are wrong.
 * `places` tells where in the document each part stands, by its place in the route as `Plan.Problem` gives it.
 */
export interface Reading {
  readonly route: Route.Route | undefined
  readonly problems: ReadonlyArray<Problem>
  readonly places: ReadonlyMap<string, string>
}

/** Reads the route called `name`. */
export const read = (name: string, input: unknown, place: Place): Reading => {
  const problems: Array<Problem> = []
  const places = new Map<string, string>()

  const routeAt = (input: unknown, place: Place, part: string, keys: typeof Whole | typeof Part) => {
    places.set(part, place.path)
    if (Predicate.isString(input) && input.trim() !== "") return Route.target(input)
    if (Array.isArray(input)) return fallbackOf(input, place, part)
    if (!Predicate.isObject(input)) return refuse(unfit(place.path, expected, place.written))
    if ("fallback" in input) {
      if ("balance" in input || "across" in input) {
        return refuse({
          path: place.path,
          message: "a route is either a `fallback` or a `balance`: nest one in the other",
        })
      }
      return withPolicies(input, place, keys.Fallback, fallbackOf(input["fallback"], within(place, "fallback"), part))
    }
    return "balance" in input || "across" in input
      ? withPolicies(input, place, keys.Balance, balanceOf(input, place, part))
      : refuse(...shapeless(input, place))
  }

  const fallbackOf = (input: unknown, place: Place, part: string): Route.Route | undefined => {
    const items = listOf(input, place, "a list of at least one name or route")
    const routes: Array<Route.Route> = []
    items.forEach((item, index) => {
      const route = routeAt(item, within(place, index), `${part}[${routes.length}]`, Part)
      if (route !== undefined) routes.push(route)
    })
    const [first, ...others] = routes
    return first === undefined ? undefined : Route.fallback(first, ...others)
  }

  const balanceOf = (input: object, place: Place, part: string): Route.Route | undefined => {
    const { across, balance } = input as { readonly across?: unknown; readonly balance?: unknown }
    const strategy = strategies.find((each) => each === balance)
    if (strategy === undefined) refuse(noStrategy(balance, within(place, "balance")))
    const list = within(place, "across")
    const names: Array<string> = []
    listOf(across, list, "a list of at least one deployment's name").forEach((name, index) => {
      const place = within(list, index)
      if (!Predicate.isString(name)) return refuse(unfit(place.path, "the name of a deployment", place.written))
      places.set(`${part}[${names.length}]`, place.path)
      return names.push(name)
    })
    const [first, ...others] = names
    return first === undefined ? undefined : Route.balance(strategy ?? "ordered", [first, ...others])
  }

  const withPolicies = (
    input: unknown,
    place: Place,
    keys: (typeof Whole | typeof Part)["Fallback" | "Balance"],
    route: Route.Route | undefined,
  ): Route.Route | undefined => {
    const decoded = decode<{ readonly [Key in keyof Route.Policies]: Route.Policies[Key] }>(
      keys,
      input,
      place,
      Policies.misplaced,
    )
    if (Result.isFailure(decoded)) return refuse(...decoded.failure) ?? route
    const { retry, stream, timeout } = decoded.success
    const retried = retry === undefined ? route : route?.pipe(Route.retry(retry))
    const shielded = stream === undefined ? retried : retried?.pipe(Route.stream(stream))
    return timeout === undefined ? shielded : shielded?.pipe(Route.timeout(timeout))
  }

  const listOf = (input: unknown, { path, written }: Place, expected: string): ReadonlyArray<unknown> => {
    if (Array.isArray(input) && input.length > 0) return input
    refuse(
      Array.isArray(input)
        ? { path, message: `expected ${expected}, found an empty list` }
        : unfit(path, expected, written),
    )
    return []
  }

  const refuse = (...found: ReadonlyArray<Problem>): undefined => {
    problems.push(...found)
  }

  const route = routeAt(input, place, `routes.${name}`, Whole)
  return { route, problems, places }
}

/** A mapping of no known shape: its keys are misspelt, or it is of a kind that there is not. */
const shapeless = (input: object, place: Place): ReadonlyArray<Problem> => {
  const keys = Object.keys(input)
  const misspelt = keys.filter((key) => closest(key, ["fallback", "balance", "across"]) !== undefined)
  if (misspelt.length > 0) return misspelt.map((key) => unknownKey(place.path, key, known))
  const kind = keys.length === 0 ? "an empty mapping" : `a mapping of ${keys.join(", ")}`
  return [{ path: place.path, message: `expected ${expected}, found ${kind}` }]
}

const noStrategy = (input: unknown, { path, written }: Place): Problem => {
  const names = strategies.join(", ")
  if (input === undefined) return { path, message: `is missing: name a strategy, one of ${names}` }
  const meant = Predicate.isString(written) ? didYouMean(written, strategies) : ""
  return { path, message: `expected one of ${names}, found ${found(written)}${meant}` }
}
