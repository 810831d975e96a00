/** What the tests of imports have in common: YAML and JSON in, documents and lines of reports out, every one of them decoded. */
import { assert } from "@effect/vitest"
import * as Lint from "@understudy/core/Lint"
import type { Route } from "@understudy/core/Route"
import * as Yaml from "effect/encoding/Yaml"
import * as Result from "effect/Result"
import * as Config from "../../src/Config.ts"
import type { Problem } from "../../src/Config.ts"
import type { Imported } from "../../src/import/ImportReader.ts"
import * as Litellm from "../../src/import/litellm/Litellm.ts"
import * as Portkey from "../../src/import/portkey/Portkey.ts"
import * as Priorities from "../../src/import/priorities/Priorities.ts"

/** An import as far as tests look at it: the sections of its document, and its report as lines. */
export interface Looked {
  readonly document: Readonly<Record<string, unknown>>
  readonly deployments: Readonly<Record<string, Readonly<Record<string, unknown>>>>
  readonly routes: Readonly<Record<string, unknown>>
  readonly defaults: unknown
  readonly report: ReadonlyArray<string>
  /** Every deployment that a name leads to when one after the other fails, its branches aside. */
  readonly chain: (name: string) => ReadonlyArray<string>
  /** What `understudy check` would warn of. */
  readonly warnings: ReadonlyArray<string>
}

const lines = (problems: ReadonlyArray<Problem>) => problems.map(({ message, path }) => `${path}: ${message}`)

/** Addresses where addresses are wanted, and something everywhere else. */
const environment = (name: string): string => (name.endsWith("_BASE") ? "https://resource.example" : "set")

const look = (imported: Result.Result<Imported, ReadonlyArray<Problem>>): Looked => {
  const { document, report } = Result.getOrThrowWith(imported, (problems) => new Error(lines(problems).join("\n")))
  // The gateway's own sections are decoded by the gateway's tests.
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
    deployments: deployments as Looked["deployments"],
    routes: routes as Looked["routes"],
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
    case "OnError":
    case "Policies":
      return chainOf(route.route, chain)
  }
}

/** LiteLLM's YAML, imported; the import decodes, or the test fails. */
export const litellm = (yaml: string): Looked => {
  const document = Yaml.parse(yaml)
  assert.isTrue(Litellm.is(document))
  return look(Litellm.read(document as Readonly<Record<string, unknown>>))
}

export const portkey = (config: unknown): Looked => look(Portkey.read(config))

export const priorities = (document: Readonly<Record<string, unknown>>): Looked => {
  assert.isTrue(Priorities.is(document))
  return look(Priorities.read(document))
}
