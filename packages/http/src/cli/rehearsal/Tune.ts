/**
 * `understudy tune [CONFIG] --vary …`: rehearses variants of a configuration in a scenario, with the same calls and the same chance, and
 * prints which of them no other one beats in availability, p95 latency and cost together.
 */
import type { Report } from "@understudy/core/Rehearsal"
import { withPrices } from "@understudy/providers/Config"
import * as Console from "effect/Console"
import * as Effect from "effect/Effect"
import * as Option from "effect/Option"
import * as Result from "effect/Result"
import * as Config from "../../Config.ts"
import * as DotEnv from "../../DotEnv.ts"
import * as Pareto from "../../rehearsal/Pareto.ts"
import type { Variant } from "../../rehearsal/Vary.ts"
import * as Vary from "../../rehearsal/Vary.ts"
import * as ConfigSource from "../ConfigSource.ts"
import * as Simulation from "../Simulation.ts"
import * as Table from "../Table.ts"
import * as ReportText from "./ReportText.ts"
import * as Simulate from "./Simulate.ts"

interface Input {
  readonly file: Option.Option<string>
  readonly scenario: string
  readonly vary: ReadonlyArray<string>
  readonly max: number
  readonly all: boolean
  readonly rate: Option.Option<string>
  readonly length: string
  readonly seed: number
  readonly json: boolean
}

export const tune = Effect.fnUntraced(function* ({
  all,
  file: given,
  json,
  length,
  max,
  rate,
  scenario,
  seed,
  vary,
}: Input) {
  const options = yield* Simulate.optionsOf({ length, rate, scenario, seed })
  const file = yield* ConfigSource.file(Option.getOrUndefined(given))
  const name = Simulate.nameOf(file)
  const parsed = yield* Config.parseDocument(file === undefined ? Simulation.yaml : yield* Config.read(file), name)
  const variants = yield* invalidVary(
    Result.flatMap(Vary.parse(vary), (settings) => Vary.variants(parsed.document, settings, max)),
  )
  // All are decoded before the first is rehearsed, so that an impossible value is an error at once.
  const candidates = yield* Effect.forEach([{ changes: [], document: parsed.document }, ...variants], (variant) =>
    Config.decodeDocument({ ...parsed, document: variant.document }, name).pipe(
      Effect.flatMap(withPrices),
      Effect.map((configuration) => ({ variant, configuration })),
    ),
  ).pipe(Effect.provide(DotEnv.layer(file)))
  if (!json) yield* Console.log(Simulate.headline(options).join("\n"))
  const points = yield* Effect.forEach(candidates, ({ configuration, variant }, index) =>
    Effect.map(
      Simulate.rehearse(configuration, { name: `${index + 1} of ${candidates.length}`, lines: false }, options),
      (report) => pointOf(variant, report),
    ),
  )
  yield* Console.log(
    json
      ? JSON.stringify({
          ...Simulate.optionsJson(options),
          configuration: name,
          variants: variants.length,
          points: rows(points, all).map(toJson),
        })
      : ["", ...lines(points, name, all)].join("\n"),
  )
})

const invalidVary = <A>(result: Result.Result<A, string>): Effect.Effect<A, Simulate.InvalidOption> =>
  Effect.fromResult(Result.mapError(result, (message) => new Simulate.InvalidOption({ message: `--vary ${message}` })))

/** A rehearsed variant. The current configuration is the variant without changes. */
interface Point extends Pareto.Figures {
  readonly variant: Variant
  readonly report: Report
}

/** Costs are compared in millionths of a dollar, because sums of the same prices in another order differ by less. */
const pointOf = (variant: Variant, report: Report): Point => ({
  variant,
  report,
  availability: report.availability,
  p95: report.latency.p95,
  cost: Math.round(report.cost * 1e6) / 1e6,
})

/** A row of the table, and the point of the front that beats it. */
interface Row {
  readonly point: Point
  readonly beatenBy: Point | undefined
}

/** The current configuration, then the points of the front by availability, then, if `all`, the others. */
const rows = ([current, ...others]: ReadonlyArray<Point>, all: boolean): ReadonlyArray<Row> => {
  if (current === undefined) return []
  const sorted = others.toSorted(Pareto.compare)
  const front = Pareto.front([current, ...sorted])
  const row = (point: Point): Row => ({ point, beatenBy: front.find((other) => Pareto.dominates(other, point)) })
  const best = sorted.filter((point) => front.includes(point))
  return [row(current), ...best.map(row), ...(all ? sorted.filter((point) => !front.includes(point)).map(row) : [])]
}

/** Rows of equal figures, in one group each, whose first row has the fewest changes. */
const grouped = (rows: ReadonlyArray<Row>): ReadonlyArray<readonly [Row, ...ReadonlyArray<Row>]> => {
  const groups = new Map<string, [Row, ...Array<Row>]>()
  for (const row of rows) {
    const { availability, cost, p95 } = row.point
    const figures = JSON.stringify([availability, p95, cost])
    const group = groups.get(figures)
    if (group === undefined) groups.set(figures, [row])
    else if (row.point.variant.changes.length < group[0].point.variant.changes.length) group.unshift(row)
    else group.push(row)
  }
  return [...groups.values()]
}

const lines = (points: ReadonlyArray<Point>, name: string, all: boolean): ReadonlyArray<string> => {
  const groups = grouped(rows(points, all))
  const numbered = groups.map((group, index) => ({ group, title: index === 0 ? name : String(index) }))
  const titles = new Map(numbered.flatMap(({ group, title }) => group.map(({ point }) => [point, title])))
  return [
    ...Table.lines(
      [
        ["", "availability", "p95", "cost", ""],
        ...numbered.map(({ group: [{ beatenBy, point }], title }) => [
          title,
          ReportText.percent(point.availability, 3),
          point.p95 === undefined ? "–" : `${(point.p95 / 1000).toFixed(2)} s`,
          `$${point.cost.toFixed(3)}`,
          beatenBy === undefined ? "" : `beaten by ${titles.get(beatenBy)}`,
        ]),
      ],
      [1, 2, 3],
    ),
    ...numbered.flatMap(({ group: [{ point }, ...alike], title }) => {
      const changed = Vary.yaml(point.variant)
        .split("\n")
        .filter((line) => line !== "")
      const content = [...changed, ...alikeLines(alike)].map((line) => `  ${line}`)
      return content.length === 0 ? [] : ["", title, ...content]
    }),
    ...(all ? [] : ["", frontText(points)]),
  ]
}

const maxAlike = 3

const alikeLines = (alike: ReadonlyArray<Row>): ReadonlyArray<string> => {
  if (alike.length === 0) return []
  const more = alike.length - maxAlike
  return [
    "# same figures with",
    ...alike.slice(0, maxAlike).map(({ point }) => `#   ${changesText(point.variant)}`),
    ...(more > 0 ? [`#   and ${more} more`] : []),
  ]
}

const changesText = ({ changes }: Variant): string =>
  changes.map(({ path, value }) => `${Vary.text(path)}=${value}`).join(", ")

const frontText = (points: ReadonlyArray<Point>): string => {
  const shown = rows(points, false).length - 1
  const variants = points.length - 1
  return `On the Pareto front: ${shown} of ${variants} variants.${shown < variants ? " --all shows the others." : ""}`
}

const toJson = ({ beatenBy, point: { report, variant } }: Row) => ({
  changes: variant.changes.map(({ path, value }) => ({ path: Vary.text(path), value })),
  yaml: Vary.yaml(variant),
  pareto: beatenBy === undefined,
  calls: report.calls,
  availability: report.availability,
  latency: report.latency,
  cost: report.cost,
  attemptsPerCall: report.attemptsPerCall,
})
