/**
 * Decodes a configuration with the sections `defaults`, `deployments` and `routes` into the options of a `Router`.
 *
 * `decode` takes a parsed document (from YAML, JSON or code). It is pure and reports every problem at once, each with its
 * path. `withPrices` adds the vendors' prices, and `Router.layer(toOptions(settings))` makes the router. For `Router.Reload`, give
 * `toOptions` what is in force: deployments whose settings stay then keep their providers.
 */
import type { Defaults } from "@understudy/core/Policies"
import * as Deployment from "@understudy/core/Deployment"
import * as BoundRoute from "@understudy/core/internal/route/BoundRoute"
import type { Route } from "@understudy/core/Route"
import type * as Router from "@understudy/core/Router"
import type * as EffectConfig from "effect/Config"
import * as Effect from "effect/Effect"
import * as Equal from "effect/Equal"
import * as Predicate from "effect/Predicate"
import * as Result from "effect/Result"
import type * as Schema from "effect/Schema"
import * as Catalog from "./Catalog.ts"
import * as Deployments from "./config/Deployments.ts"
import type { Environment } from "./config/Interpolation.ts"
import * as Interpolation from "./config/Interpolation.ts"
import type { Location } from "./config/SchemaErrors.ts"
import { decode as decodeAt, within } from "./config/SchemaErrors.ts"
import * as Policies from "./config/Policies.ts"
import * as Prices from "./Prices.ts"
import type { Problem } from "./config/ConfigError.ts"
import { invalidValue, unknownKey } from "./config/ConfigError.ts"
import * as Routes from "./config/Routes.ts"
import type { ProviderStartError } from "./ProviderStartError.ts"

export type { Environment } from "./config/Interpolation.ts"
export type { Problem } from "./config/ConfigError.ts"
/** The environment variables that a parsed document uses. `decode` reads these from its environment. */
export { names as variables } from "./config/Interpolation.ts"

/** A decoded configuration. */
export interface Settings {
  readonly defaults: Defaults
  readonly deployments: Readonly<Record<string, Deployments.Settings>>
  readonly routes: Readonly<Record<string, Route>>
  /** The environment variables used in the value at a path, such as `deployments.gpt-4o.apiKey`. */
  readonly variables: ReadonlyMap<string, ReadonlyArray<string>>
}

/** Schemas of further sections, such as a gateway's `server`. A missing section is decoded as `{}`, or as `[]` if it is a list. */
export type Sections = Readonly<Record<string, Schema.ConstraintDecoder<unknown>>>

/** The decoded further sections. */
export type Decoded<Extra extends Sections> = { readonly [Name in keyof Extra]: Extra[Name]["Type"] }

type Failure = ReadonlyArray<Problem>

/** Decodes a parsed document; fails with every problem. */
export const decode = (input: unknown, environment: Environment): Result.Result<Settings, Failure> =>
  Result.map(decodeWith({}, input, environment), ({ settings }) => settings)

/** Decodes a parsed document with further sections, such as a gateway's `server`; fails with every problem. */
export const decodeWith = <Extra extends Sections>(
  sections: Extra,
  input: unknown,
  environment: Environment,
): Result.Result<{ readonly settings: Settings; readonly sections: Decoded<Extra> }, Failure> => {
  if (!Predicate.isObject(input)) {
    return Result.fail([invalidValue("", "a mapping with `deployments` and perhaps `routes` and `defaults`", input)])
  }
  const { problems: unresolved, value, variables } = Interpolation.interpolate(input, environment)
  const document = Predicate.isObject(value) ? value : {}
  const root: Location = { path: "", source: input }
  const problems: Array<Problem> = []
  const take = <A>(result: Result.Result<A, Failure>): A | undefined => {
    if (Result.isSuccess(result)) return result.success
    problems.push(...result.failure)
    return undefined
  }

  const known = [...Object.keys(sections), "defaults", "deployments", "routes"]
  for (const key of Object.keys(document)) if (!known.includes(key)) problems.push(unknownKey("", key, known))

  const extra = Object.fromEntries(
    Object.entries(sections).map(([name, schema]) => {
      const input = document[name] ?? absent(schema)
      return [name, input === undefined ? undefined : take(decodeAt(schema, input, within(root, name)))]
    }),
  )
  const defaults = take(decodeAt(Policies.Defaults, document["defaults"] ?? {}, within(root, "defaults"))) ?? {}
  const deployments = readAll(document["deployments"], within(root, "deployments"), problems, (_, input, place) =>
    take(Deployments.read(input, place)),
  )
  if (deployments.size === 0 && problems.every(({ path }) => path !== "deployments")) {
    problems.push({ path: "deployments", message: `is missing: ${atLeastOne}` })
  }
  const places = new Map<string, string>()
  const routes = readAll(document["routes"] ?? {}, within(root, "routes"), problems, (name, input, place) => {
    const reading = Routes.read(name, input, place)
    for (const [node, path] of reading.places) places.set(node, path)
    problems.push(...reading.problems)
    return reading.route
  })
  for (const { message, path } of nameProblems(routes, deployments, defaults)) {
    problems.push({ path: places.get(path) ?? path, message })
  }

  const blank = new Set(unresolved.map(({ path }) => path))
  const all = [...unresolved, ...problems.filter(({ path }) => !blank.has(path))]
  return all.length > 0
    ? Result.fail(all)
    : Result.succeed({
        settings: { defaults, deployments: readable(deployments), routes: readable(routes), variables },
        sections: extra as Decoded<Extra>,
      })
}

/** The value of a section that a document does not have: an empty list or mapping, or nothing. */
const absent = ({ ast }: Sections[string]): unknown => {
  if (ast._tag === "Arrays") return []
  return ast._tag === "Objects" ? {} : undefined
}

const atLeastOne = "set at least one, such as { gpt-4o: { provider: openai, model: gpt-4o } }"

/** Reads each entry of a section. An unreadable entry is kept as `undefined`, so that routes may still name it. */
const readAll = <A>(
  input: unknown,
  section: Location,
  problems: Array<Problem>,
  read: (name: string, input: unknown, place: Location) => A | undefined,
): ReadonlyMap<string, A | undefined> => {
  if (!Predicate.isObject(input)) {
    if (input !== undefined)
      problems.push(invalidValue(section.path, `a mapping of names to ${section.path}`, section.source))
    return new Map()
  }
  return new Map(Object.entries(input).map(([name, each]) => [name, read(name, each, within(section, name))]))
}

const readable = <A>(entries: ReadonlyMap<string, A | undefined>): Readonly<Record<string, A>> =>
  Object.fromEntries([...entries].flatMap(([name, each]) => (each === undefined ? [] : [[name, each]])))

/** Names that do not exist, are circular, or are used twice. Unreadable entries count as deployments. */
const nameProblems = (
  routes: ReadonlyMap<string, Route | undefined>,
  deployments: ReadonlyMap<string, Deployment.Options | undefined>,
  defaults: Defaults,
): Failure => {
  const unread = { model: "not read" }
  const candidates = new Map<string, { readonly deployment: Deployment.Options }>()
  for (const [name, deployment] of deployments) candidates.set(name, { deployment: deployment ?? unread })
  for (const [name, route] of routes) {
    if (route === undefined && !candidates.has(name)) candidates.set(name, { deployment: unread })
  }
  const compiled = BoundRoute.make(readable(routes), candidates, defaults)
  return Result.isFailure(compiled) ? compiled.failure : []
}

/** The settings, with the price of each deployment that does not set one, where the price of its model is known. */
export const withPrices = <Any extends Settings>(settings: Any): Effect.Effect<Any> =>
  Effect.map(Prices.fill(settings.deployments), (deployments) => ({ ...settings, deployments }))

/** The options of a router of vendors' providers. */
export type Options = Router.Options<
  Record<string, Deployment.Deployment<ProviderStartError | EffectConfig.ConfigError>>
>

/** The settings that options are made of. */
type OfRouter = Pick<Settings, "defaults" | "deployments" | "routes">

/** Settings that are in force, and the options that were made of them. */
export interface InForce {
  readonly settings: OfRouter
  readonly options: Options
  /** The environment variables that have other values now. They matter to deployments that do not set their credentials. */
  readonly changedVariables?: ReadonlySet<string> | undefined
}

/**
 * The options of `Router.layer`: the deployments with their vendors' layers, the routes and the defaults.
 *
 * For a reload, give the settings that are in force too: an account of a deployment whose vendor's settings are the same then
 * has the very same layer, so that its provider goes on running, whatever its place among the accounts.
 */
export const toOptions = (settings: OfRouter, inForce?: InForce): Options => ({
  deployments: Object.fromEntries(
    Object.entries(settings.deployments).map(([name, each]) => {
      const needed = Deployments.providerSettings(name, each, settings.defaults.timeout?.connect)
      const layers = needed.map(
        (account) => (inForce && runningProvider(name, account, inForce)) ?? Deployments.layer(account),
      )
      return [name, Deployments.toDeployment(each, layers)]
    }),
  ),
  routes: settings.routes,
  defaults: settings.defaults,
})

/** The layer that is in force for an account of a deployment, if these settings would make an equal provider. */
const runningProvider = (
  name: string,
  needed: Deployments.ProviderSettings,
  { changedVariables, options, settings: { defaults, deployments } }: InForce,
) => {
  const before = deployments[name]
  if (before === undefined) return undefined
  const index = Deployments.providerSettings(name, before, defaults.timeout?.connect).findIndex((account) =>
    Equal.equals(account, needed),
  )
  const running = options.deployments[name]
  if (index === -1 || running === undefined) return undefined
  const { credentials } = Catalog.vendors[needed.provider]
  const usesVariables = !credentials.keys.some((key) => key in needed.keys)
  return usesVariables && credentials.variables.some((name) => changedVariables?.has(name) === true)
    ? undefined
    : Deployment.layers(running.provider)[index]
}

/** The environment variables that a vendor's provider reads, or that any does, where a deployment does not set its credentials. */
export const credentialVariables = (vendor?: Catalog.VendorName): ReadonlyArray<string> =>
  vendor === undefined
    ? [...new Set(Object.values(Catalog.vendors).flatMap(({ credentials }) => credentials.variables))]
    : Catalog.vendors[vendor].credentials.variables
