/** Helpers for the tests of imports: they take YAML or JSON, and decode every imported document. */
import { assert } from "@effect/vitest"
import * as Lint from "@understudy/core/Lint"
import type { Route } from "@understudy/core/Route"
import * as Toml from "effect/encoding/Toml"
import * as Yaml from "effect/encoding/Yaml"
import * as Result from "effect/Result"
import * as Config from "../../src/Config.ts"
import type { Problem } from "../../src/Config.ts"
import type { Imported } from "../../src/import/ImportReader.ts"
import * as Bifrost from "../../src/import/bifrost/Bifrost.ts"
import * as Formats from "../../src/import/Formats.ts"
import * as Litellm from "../../src/import/litellm/Litellm.ts"
import * as Portkey from "../../src/import/portkey/Portkey.ts"
import * as Priorities from "../../src/import/priorities/Priorities.ts"
import * as TensorZero from "../../src/import/tensorzero/TensorZero.ts"

/** An import: the sections of its document, and its report as lines. */
export interface Inspected {
  readonly document: Readonly<Record<string, unknown>>
  readonly deployments: Readonly<Record<string, Readonly<Record<string, unknown>>>>
  readonly routes: Readonly<Record<string, unknown>>
  readonly defaults: unknown
  readonly report: ReadonlyArray<string>
  /** The deployments that are tried for a name when each fails, without error branches. */
  readonly chain: (name: string) => ReadonlyArray<string>
  /** The warnings of `understudy check`. */
  readonly warnings: ReadonlyArray<string>
}

const lines = (problems: ReadonlyArray<Problem>) => problems.map(({ message, path }) => `${path}: ${message}`)

/** An address for variables that hold one, another text for each of the others. */
const environment = (name: string): string =>
  /_BASE$|_ENDPOINT$/.test(name) ? "https://resource.example" : `value of ${name}`

const inspect = (imported: Result.Result<Imported, ReadonlyArray<Problem>>): Inspected => {
  const { document, report } = Result.getOrThrowWith(imported, (problems) => new Error(lines(problems).join("\n")))
  // The tests of `http` decode the gateway's own sections.
  const { defaults = {}, deployments, routes = {} } = document
  const decoded = Config.decode({ defaults, deployments, routes }, environment)
  assert.deepStrictEqual(Result.isFailure(decoded) ? lines(decoded.failure) : [], [], JSON.stringify(document))
  const settings = Result.getOrThrow(decoded)
  const chain = (name: string): ReadonlyArray<string> => {
    const route = settings.routes[name]
    return route === undefined ? [name] : chainOf(route, chain)
  }
  const linted = Result.getOrThrow(Lint.lint(settings.routes, settings.deployments, settings.defaults))
  return {
    chain,
    warnings: lines(linted.warnings),
    document,
    deployments: deployments as Inspected["deployments"],
    routes: routes as Inspected["routes"],
    defaults,
    report: lines(report),
  }
}

const chainOf = (route: Route, chain: (name: string) => ReadonlyArray<string>): ReadonlyArray<string> => {
  switch (route._tag) {
    case "Target":
      return chain(route.name)
    case "Fallback":
      return route.routes.flatMap((each) => chainOf(each, chain))
    case "Balance":
    case "Hedge":
      return route.across
    case "When":
      return chainOf(route.otherwise, chain)
    case "Split":
      return route.arms.flatMap(({ use }) => chainOf(use, chain))
    case "OnError":
    case "Policies":
      return chainOf(route.route, chain)
  }
}

/** Imports LiteLLM's YAML, and decodes the result. */
export const litellm = (yaml: string): Inspected => {
  const document = Yaml.parse(yaml)
  assert.isTrue(Formats.litellm.is(document))
  return inspect(Litellm.read(document as Readonly<Record<string, unknown>>))
}

export const portkey = (config: unknown): Inspected => inspect(Portkey.read(config))

/** Imports a Bifrost configuration, and decodes the result. */
export const bifrost = (document: Readonly<Record<string, unknown>>): Inspected => {
  assert.strictEqual(Formats.detect(document, "yaml")?.name, "bifrost")
  return inspect(Bifrost.read(document))
}

/** Imports the TOML of TensorZero, and decodes the result. */
export const tensorzero = (toml: string): Inspected => {
  const document: Readonly<Record<string, unknown>> = JSON.parse(JSON.stringify(Result.getOrThrow(Toml.parse(toml))))
  assert.strictEqual(Formats.detect(document, "toml")?.name, "tensorzero")
  return inspect(TensorZero.read(document))
}

export const priorities = (document: Readonly<Record<string, unknown>>): Inspected => {
  assert.isTrue(Formats.priorities.is(document))
  return inspect(Priorities.read(document))
}
