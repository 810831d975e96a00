/**
 * Converts the configuration of Portkey's gateway.
 *
 * Portkey applies a configuration to every call, whatever model it names. The route `*` does so too. Each model name that
 * a condition tests becomes a route.
 *
 * Sources: portkey.ai/docs, "Configs", "Fallbacks", "Load balancing", "Conditional routing", "Request timeouts".
 */
import * as Result from "effect/Result"
import type { Problem } from "../../config/ConfigError.ts"
import type { Document, Imported, RouteDocument } from "../ImportReader.ts"
import type { NotImported } from "../Report.ts"
import { withCache, compact, uniqueName } from "../ImportReader.ts"
import { total } from "../TotalTimeout.ts"
import type { Leaf, Target, Weighted } from "./Targets.ts"
import * as Targets from "./Targets.ts"

/** The converted configuration with a report; or the problems, if no target can be imported. */
export const read = (input: unknown): Result.Result<Imported, ReadonlyArray<Problem>> => {
  const report: Array<NotImported> = []
  const { cache, tree } = Targets.read(input, report)
  if (tree === undefined) {
    return Result.fail([...report, { path: "", message: "has no target that can be imported" }])
  }
  const names = [...new Set(modelsOf(tree)), "*"]
  const deployments: Record<string, unknown> = {}
  const taken = new Set(names)
  const known = new Map<string, string>()

  /** The name of the deployment for a leaf, called with the model `called`. */
  const deploy = (leaf: Leaf, called: string, weight: number | undefined): string => {
    const key = `${leaf.path} ${leaf.model === undefined ? called : ""}`
    const before = known.get(key)
    if (before !== undefined) return before
    const model = leaf.model ?? called
    const name = uniqueName(taken, model === "*" ? `${leaf.name}/*` : leaf.name)
    known.set(key, name)
    deployments[name] = {
      provider: leaf.keys["provider"],
      model,
      ...leaf.keys,
      ...compact({ weight }),
      ...leaf.policies,
    }
    return name
  }

  const write = (target: Target, called: string): RouteDocument => {
    switch (target._tag) {
      case "Leaf":
        return deploy(target, called, undefined)
      case "Fallback": {
        const { after, targets } = target
        if (after === undefined) return { fallback: targets.map((each) => write(each, called)), fallbackOn: "any" }
        return targets
          .map((each) => write(each, called))
          .reduceRight((use, each) => ({ fallback: [each], onError: [{ reasons: after, use }] }))
      }
      case "Balance": {
        const heads = target.targets.flatMap((each) => headsOf(each, target.warn))
        const even = heads.every(({ weight }) => weight === heads[0]?.weight)
        const across = heads.map(({ leaf, weight }) => deploy(leaf, called, even ? undefined : weight))
        const rest = heads.flatMap(({ rest }) => rest).map((each) => write(each, called))
        const balance = { balance: "shuffle", across }
        return rest.length === 0 ? balance : { fallback: [balance, ...rest], fallbackOn: "any" }
      }
      case "When": {
        const cases: Array<Document> = []
        for (const { use, alternatives } of target.cases) {
          const open = alternatives.filter(({ model }) => model === undefined || model === called)
          if (open.some(({ metadata }) => Object.keys(metadata).length === 0)) {
            return whenOf(cases, write(use, called))
          }
          for (const { metadata } of open) cases.push({ if: { metadata }, use: write(use, called) })
        }
        return whenOf(cases, write(target.otherwise, called))
      }
    }
  }

  const routes = Object.fromEntries(names.map((name) => [name, withCache(write(tree, name), cache)]))
  const defaults = compact({ timeout: compact({ total: total(Object.values(deployments)) }) })
  return Result.succeed({ document: { ...compact({ defaults }), deployments, routes }, report: distinct(report) })
}

/** The report without repeated problems: a target is converted once for each route. */
const distinct = (report: ReadonlyArray<NotImported>): ReadonlyArray<NotImported> => [
  ...new Map(report.map((problem) => [`${problem.path}: ${problem.message}`, problem])).values(),
]

const whenOf = (cases: ReadonlyArray<Document>, otherwise: RouteDocument): RouteDocument =>
  cases.length === 0 ? otherwise : { when: cases, else: otherwise }

/** The deployments of a balance, each with the targets to try after it. Portkey can balance routes; a balance here takes deployments. */
const headsOf = (
  { target, weight }: Weighted,
  warn: (message: string) => void,
): ReadonlyArray<{ readonly leaf: Leaf; readonly weight: number; readonly rest: ReadonlyArray<Target> }> => {
  switch (target._tag) {
    case "Leaf":
      return [{ leaf: target, weight, rest: [] }]
    case "Balance": {
      const sum = target.targets.reduce((sum, { weight }) => sum + weight, 0)
      return target.targets
        .map((each) => ({ ...each, weight: sum === 0 ? 0 : (weight * each.weight) / sum }))
        .flatMap((each) => headsOf(each, warn))
    }
    case "Fallback": {
      const [first, ...rest] = target.targets
      warn(
        "a balance takes only deployments: it gets the first target of each inner fallback, and the other targets follow the balance",
      )
      return first === undefined
        ? []
        : headsOf({ target: first, weight }, warn).map((head, index) =>
            index === 0 ? { ...head, rest: [...head.rest, ...rest] } : head,
          )
    }
    case "When":
      warn("a balance takes only deployments: inner conditions are not imported, and the balance gets their default")
      return headsOf({ target: target.otherwise, weight }, warn)
  }
}

/** The model names that conditions test. */
const modelsOf = (target: Target): ReadonlyArray<string> => {
  switch (target._tag) {
    case "Leaf":
      return []
    case "Fallback":
      return target.targets.flatMap(modelsOf)
    case "Balance":
      return target.targets.flatMap((each) => modelsOf(each.target))
    case "When":
      return [
        ...target.cases.flatMap(({ use, alternatives }) => [
          ...alternatives.flatMap(({ model }) => model ?? []),
          ...modelsOf(use),
        ]),
        ...modelsOf(target.otherwise),
      ]
  }
}
