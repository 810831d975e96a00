/**
 * `understudy replay TAPE…`: makes the calls of a tape again, through a configuration, by the real engine under virtual time.
 */
import * as Rehearsal from "@understudy/core/Rehearsal"
import * as Console from "effect/Console"
import * as Data from "effect/Data"
import * as Effect from "effect/Effect"
import * as Option from "effect/Option"
import type { Configuration } from "../../Config.ts"
import * as Rehearsed from "../../rehearsal/Rehearsed.ts"
import { forEachItem } from "./Tape.ts"
import * as Progress from "./Progress.ts"
import * as ReportFile from "./ReportFile.ts"
import * as ReportText from "./ReportText.ts"
import * as Simulate from "./Simulate.ts"

/** A tape without calls. */
export class EmptyTape extends Data.TaggedError("EmptyTape")<object> {
  override get message(): string {
    return "There is no call on the tape."
  }
}

interface Input {
  readonly files: ReadonlyArray<string>
  readonly config: Option.Option<string>
  readonly against: Option.Option<string>
  readonly seed: number
  readonly json: boolean
  readonly html: Option.Option<string>
}

export const replay = Effect.fnUntraced(function* ({ against, config, files, html, json, seed }: Input) {
  const configurations = [yield* Simulate.load(Option.getOrUndefined(config))]
  if (Option.isSome(against)) configurations.push(yield* Simulate.load(against.value))
  const tape = new Rehearsal.TapeContent()
  for (const file of files) yield* forEachItem(file, (item) => tape.add(item))
  const [first, last] = [tape.calls[0], tape.calls.at(-1)]
  if (first === undefined || last === undefined) return yield* new EmptyTape()
  yield* ReportFile.check(html)
  const headline = headlineOf(tape, first.at, last.at)
  if (!json) yield* Console.log(headline.join("\n"))
  const reports = yield* Effect.forEach(configurations, ({ configuration, name }) =>
    Effect.map(
      rehearse(configuration, { name, length: last.at - first.at, lines: !json }, { tape, seed }),
      (report) => ({ name, report }),
    ),
  )
  yield* Console.log(
    json
      ? JSON.stringify({
          seed,
          sample: tape.sample,
          lost: tape.lost,
          damaged: tape.damaged,
          injected: tape.injected,
          reports: reports.map(({ name, report }) => ({ configuration: name, ...report })),
        })
      : ["", ...ReportText.lines(reports)].join("\n"),
  )
  yield* ReportFile.write(html, reports, headline)
})

const rehearse = (
  configuration: Configuration,
  shown: Progress.Options,
  options: Pick<Rehearsal.ReplayOptions<unknown>, "tape" | "seed">,
) => {
  Simulate.withoutStacks()
  return Progress.showing(shown, (onProgress) => Rehearsed.replay(configuration, { ...options, onProgress }))
}

const headlineOf = ({ calls, damaged, injected, lost, sample }: Rehearsal.TapeContent, from: number, until: number) => [
  `${ReportText.number(calls.length)} calls from ${time(from)} to ${time(until)} UTC`,
  ...(sample < 1
    ? [
        `${(sample * 100).toFixed(1)} % of the calls were recorded: limits, quotas and circuits meet only so many of the calls.`,
      ]
    : []),
  ...(lost > 0 ? [`${ReportText.number(lost)} calls were lost when the tape was recorded.`] : []),
  ...(injected > 0
    ? [`${ReportText.number(injected)} attempts had an injected fault: nothing is drawn from them.`]
    : []),
  ...(damaged > 0 ? [`${damaged} parts of the tape cannot be read: see \`understudy tape\`.`] : []),
]

const time = (at: number): string => new Date(at).toISOString().slice(0, 16).replace("T", " ")
