/**
 * The steps of a plan by its definition: every candidate resolved and every balance sorted at once. `Plan` makes the steps one
 * by one, and must make these.
 */
import type { Candidate } from "../../src/deployment/Candidate.ts"
import * as Health from "../../src/deployment/Health.ts"
import type { Call } from "../../src/model/Call.ts"
import type { ReasonTag } from "../../src/model/ProviderError.ts"
import type { Bound, Leaf } from "../../src/route/BoundRoute.ts"
import * as Condition from "../../src/route/Condition.ts"
import * as Plan from "../../src/route/Plan.ts"
import * as Split from "../../src/route/Split.ts"
import type { Strategy } from "../../src/route/Strategy.ts"

interface Branch {
  readonly after: ReadonlyArray<ReasonTag>
}

export interface EagerStep {
  readonly leaf: Leaf
  readonly availability: Plan.Availability
  readonly peers: ReadonlyArray<Leaf>
  readonly hedge: number | undefined
  readonly branch: Branch | undefined
  readonly errorBranches: ReadonlyArray<Branch>
  readonly arm: string | undefined
}

export const steps = (route: Bound, call: Call, random: Plan.Random): ReadonlyArray<EagerStep> => {
  const all = resolve(route, call, random, { branch: undefined, errorBranches: [], arm: undefined })
  return all.map((step, index) => {
    const isFollowed = all.slice(index + 1).some((other) => comesAfter(step, other))
    return step.availability._tag === "Available" && !isFollowed
      ? { ...step, leaf: step.leaf.atEnd ?? step.leaf }
      : step
  })
}

/** Whether `other`, a later step, may be tried after this step timed out. */
const comesAfter = ({ branch, errorBranches }: EagerStep, other: EagerStep): boolean =>
  other.availability._tag === "Available" &&
  (other.branch === undefined ||
    other.branch === branch ||
    errorBranches.some((each) => each === other.branch && each.after.includes("Timeout")))

const resolve = (
  route: Bound,
  call: Call,
  random: Plan.Random,
  scope: Pick<EagerStep, "branch" | "errorBranches" | "arm">,
): ReadonlyArray<EagerStep> => {
  const step = (leaf: Leaf, peers: ReadonlyArray<Leaf>): EagerStep => ({
    leaf,
    availability:
      peers.length > 0 && weightOf(leaf.candidate) === 0
        ? { _tag: "ZeroWeight" }
        : availabilityOf(leaf.candidate, call),
    peers,
    hedge: undefined,
    ...scope,
  })
  switch (route._tag) {
    case "Leaf":
      return [step(route, [])]
    case "Fallback":
      return route.routes.flatMap((each) => resolve(each, call, random, scope))
    case "Balance": {
      const tried = route.across.filter(({ candidate }) => weightOf(candidate) > 0)
      const excluded = route.across.filter(({ candidate }) => weightOf(candidate) === 0)
      return [...order(route.strategy, tried, call.streaming, route.turn, random), ...excluded].map((leaf) =>
        step(leaf, route.across),
      )
    }
    case "Hedge":
      return route.across.map((leaf) => ({
        ...step(leaf, route.across),
        hedge: Health.delay(route.after, leaf.candidate.health, call.streaming),
      }))
    case "When": {
      const taken = route.cases.find((each) => Condition.holds(each.if, call))
      return resolve(taken?.use ?? route.otherwise, call, random, scope)
    }
    case "Split": {
      const index = Split.armOf(route.split, call)
      const names = [scope.arm, route.split.arms[index]!.use].filter((name) => name !== undefined)
      return resolve(route.arms[index]!, call, random, { ...scope, arm: names.join("/") })
    }
    case "OnError": {
      const branch: Branch = { after: route.reasons }
      return [
        ...resolve(route.route, call, random, { ...scope, errorBranches: [branch, ...scope.errorBranches] }),
        ...resolve(route.use, call, random, { ...scope, branch }),
      ]
    }
  }
}

const weightOf = ({ deployment }: Candidate): number => deployment.weight ?? 1

const availabilityOf = (candidate: Candidate, call: Call): Plan.Availability => {
  const capability = Plan.checkCapabilities(candidate, call)
  return capability._tag === "Available" ? Plan.checkContextWindow(candidate, call) : capability
}

const order = (
  strategy: Strategy,
  leaves: ReadonlyArray<Leaf>,
  streaming: boolean,
  turn: number,
  random: Plan.Random,
): ReadonlyArray<Leaf> => {
  const sorted = (score: (leaf: Leaf) => number) =>
    leaves.toSorted((a, b) => (score(a) === score(b) ? 0 : score(a) - score(b)))
  switch (strategy) {
    case "ordered":
      return leaves
    case "round-robin": {
      const first = turn % Math.max(1, leaves.length)
      return [...leaves.slice(first), ...leaves.slice(0, first)]
    }
    case "shuffle":
      return shuffle(leaves, random)
    case "latency":
      return sorted(({ candidate: { health } }) => (streaming ? health.firstToken : health.latency) ?? -1)
    case "least-busy":
      return sorted(({ candidate }) => candidate.health.inFlight / weightOf(candidate))
    case "cost":
      return sorted(({ candidate: { deployment } }) =>
        deployment.price === undefined ? Infinity : deployment.price.input + deployment.price.output,
      )
  }
}

const shuffle = (leaves: ReadonlyArray<Leaf>, random: Plan.Random): ReadonlyArray<Leaf> => {
  const left = [...leaves]
  const drawn: Array<Leaf> = []
  while (left.length > 0) {
    let at = random() * left.reduce((sum, { candidate }) => sum + weightOf(candidate), 0)
    const index = left.findIndex(({ candidate }) => (at -= weightOf(candidate)) < 0)
    drawn.push(...left.splice(index < 0 ? left.length - 1 : index, 1))
  }
  return drawn
}
