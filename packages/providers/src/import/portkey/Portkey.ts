/**
 * Portkey's gateway configuration as one of ours, by what Portkey's documentation says that it means.
 *
 * Portkey applies a configuration to a call whatever model it names. So does the route `*`; where conditions ask for the
 * model's name, each that they ask for is a route of its own.
 *
 * Sources: portkey.ai/docs, "Configs", "Fallbacks", "Load balancing", "Conditional routing", "Request timeouts".
 */
import * as Result from "effect/Result"
import type { Problem } from "../../config/ConfigError.ts"
import type { Document, Imported, Written } from "../ImportReader.ts"
import { keeping, isSet, unused } from "../ImportReader.ts"
import { total } from "../TotalTimeout.ts"
import type { Leaf, Target, Weighted } from "./Targets.ts"
import * as Targets from "./Targets.ts"

/** The document of ours that says the same, with a report of what it cannot say; or why there is none. */
export const read = (input: unknown): Result.Result<Imported, ReadonlyArray<Problem>> => {
  const report: Array<Problem> = []
  const { cache, tree } = Targets.read(input, report)
  if (tree === undefined) {
    return Result.fail([...report, { path: "", message: "has no target that could be made a deployment" }])
  }
  const names = [...new Set(modelsOf(tree)), "*"]
  const deployments: Record<string, unknown> = {}
  const taken = new Set(names)
  const known = new Map<string, string>()

  /** The deployment of a leaf, called by this name. */
  const deploy = (leaf: Leaf, called: string, weight: number | undefined): string => {
    const key = `${leaf.path} ${leaf.model === undefined ? called : ""}`
    const before = known.get(key)
    if (before !== undefined) return before
    const model = leaf.model ?? called
    const name = unused(taken, model === "*" ? `${leaf.name}/*` : leaf.name)
    known.set(key, name)
    deployments[name] = { provider: leaf.keys["provider"], model, ...leaf.keys, ...isSet({ weight }), ...leaf.policies }
    return name
  }

  const write = (target: Target, called: string): Written => {
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
        const heads = target.targets.flatMap((each) => headsOf(each, target.tell))
        const even = heads.every(({ weight }) => weight === heads[0]?.weight)
        const across = heads.map(({ leaf, weight }) => deploy(leaf, called, even ? undefined : weight))
        const rest = heads.flatMap(({ rest }) => rest).map((each) => write(each, called))
        const balance = { balance: "shuffle", across }
        return rest.length === 0 ? balance : { fallback: [balance, ...rest], fallbackOn: "any" }
      }
      case "When": {
        const cases: Array<Document> = []
        for (const { use, ways } of target.cases) {
          const open = ways.filter(({ model }) => model === undefined || model === called)
          if (open.some(({ metadata }) => Object.keys(metadata).length === 0)) {
            return whenOf(cases, write(use, called))
          }
          for (const { metadata } of open) cases.push({ if: { metadata }, use: write(use, called) })
        }
        return whenOf(cases, write(target.otherwise, called))
      }
    }
  }

  const routes = Object.fromEntries(names.map((name) => [name, keeping(write(tree, name), cache)]))
  const defaults = isSet({ timeout: isSet({ total: total(Object.values(deployments)) }) })
  return Result.succeed({ document: { ...isSet({ defaults }), deployments, routes }, report: once(report) })
}

/** What is found wherever a target is called from is told once. */
const once = (report: ReadonlyArray<Problem>): ReadonlyArray<Problem> => [
  ...new Map(report.map((problem) => [`${problem.path}: ${problem.message}`, problem])).values(),
]

const whenOf = (cases: ReadonlyArray<Document>, otherwise: Written): Written =>
  cases.length === 0 ? otherwise : { when: cases, else: otherwise }

/** Who is balanced, and who comes after it: a balance is one of deployments, where Portkey's may be one of routes. */
const headsOf = (
  { target, weight }: Weighted,
  tell: (message: string) => void,
): ReadonlyArray<{ readonly leaf: Leaf; readonly weight: number; readonly rest: ReadonlyArray<Target> }> => {
  switch (target._tag) {
    case "Leaf":
      return [{ leaf: target, weight, rest: [] }]
    case "Balance": {
      const sum = target.targets.reduce((sum, { weight }) => sum + weight, 0)
      return target.targets
        .map((each) => ({ ...each, weight: sum === 0 ? 0 : (weight * each.weight) / sum }))
        .flatMap((each) => headsOf(each, tell))
    }
    case "Fallback": {
      const [first, ...rest] = target.targets
      tell(
        "a balance is one of deployments: the first of each inner fallback is balanced, and the others come after all of these",
      )
      return first === undefined
        ? []
        : headsOf({ target: first, weight }, tell).map((head, index) =>
            index === 0 ? { ...head, rest: [...head.rest, ...rest] } : head,
          )
    }
    case "When":
      tell("a balance is one of deployments: inner conditions are left out, and their default is balanced")
      return headsOf({ target: target.otherwise, weight }, tell)
  }
}

/** Every model that a condition asks for by name. */
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
        ...target.cases.flatMap(({ use, ways }) => [...ways.flatMap(({ model }) => model ?? []), ...modelsOf(use)]),
        ...modelsOf(target.otherwise),
      ]
  }
}
