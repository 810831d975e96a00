/**
 * One case, played and simulated: its calls through a gateway in a process of its own, to stand-ins on a socket, in real time; and the
 * rehearsal of its configuration in its scenario.
 */
import type { PlannedCall } from "@understudy/core/Rehearsal"
import { usualTraffic } from "@understudy/core/Rehearsal"
import type { Call } from "@understudy/core/Tape"
import * as Tape from "@understudy/core/Tape"
import * as Traffic from "@understudy/core/internal/rehearsal/Traffic"
import * as Config from "@understudy/http/Config"
import * as Rehearsed from "@understudy/http/internal/rehearsal/Rehearsed"
import * as ScenarioFile from "@understudy/http/internal/rehearsal/ScenarioFile"
import { withPrices } from "@understudy/providers/Config"
import * as Effect from "effect/Effect"
import * as Stream from "effect/Stream"
import { mkdtempSync, readFileSync, rmSync, writeFileSync } from "node:fs"
import { tmpdir } from "node:os"
import { join } from "node:path"
import * as Ports from "../rolling/Ports.ts"
import * as Process from "../rolling/Process.ts"
import type { Case } from "./Case.ts"
import * as Clients from "./Clients.ts"
import * as Figures from "./Figures.ts"
import * as StandIn from "./StandIn.ts"

export interface Options {
  readonly seconds: number
  readonly seed: number
  /** The command `understudy`: its sources, or its bundle. */
  readonly main: string
}

/** The scenario of a case. */
const scenarioOf = ({ name, scenario }: Case) => Effect.orDie(Effect.fromResult(ScenarioFile.parse(scenario, name)))

/** The calls of a case that begins at `start`, in clock milliseconds: those that its rehearsal makes. */
export const callsOf = Effect.fnUntraced(function* (each: Case, start: number, { seconds, seed }: Options) {
  const { traffic } = yield* scenarioOf(each)
  const between = { start, end: start + seconds * 1000, seed }
  return [...Traffic.calls({ ...usualTraffic, ...traffic }, ["assistant"], between)]
})

/** The rehearsal of a case. */
export const simulate = Effect.fnUntraced(function* (each: Case, { seconds, seed }: Options) {
  const configuration = yield* Effect.flatMap(
    Config.parse(each.configuration("http://127.0.0.1:1"), each.name),
    withPrices,
  )
  const scenario = yield* scenarioOf(each)
  return yield* Rehearsed.run(configuration, { scenario, for: `${seconds} seconds`, seed })
})

const folder = Effect.acquireRelease(
  Effect.sync(() => mkdtempSync(join(tmpdir(), "understudy-calibration-"))),
  (folder) => Effect.sync(() => rmSync(folder, { recursive: true, force: true })),
)

/** How long before the first call the clients are ready, in milliseconds. */
const lead = 500

/** Plays the calls of a case. Returns how they ended for their clients, and what the gateway recorded of them. */
export const play = Effect.fnUntraced(function* (each: Case, options: Options) {
  const own = yield* folder
  const deployments = ["primary", "backup"]
  const standIn = yield* StandIn.make({ scenario: yield* scenarioOf(each), deployments, seed: options.seed })
  const [config, tape] = [join(own, "understudy.yaml"), join(own, "calls.tape")]
  const sections = `server: { overload: false }\nrecord: { file: ${JSON.stringify(tape)} }\n`
  writeFileSync(config, sections + each.configuration(standIn.url))
  const port = yield* Ports.lasting
  const args = [options.main, "serve", "--config", config, "--port", String(port)]
  const gateway = yield* Process.start(process.execPath, args)
  const url = `http://127.0.0.1:${port}`
  yield* Process.ready(gateway, `${url}/ready`)
  const start = StandIn.now() + lead
  const calls: ReadonlyArray<PlannedCall> = yield* callsOf(each, start, options)
  standIn.begin(start, calls)
  const ended = yield* Clients.run(url, calls)
  gateway.child.kill("SIGTERM")
  yield* gateway.ended
  return { ended, recorded: yield* recordedOn(tape) }
}, Effect.scoped)

/** The calls on a tape. */
const recordedOn = (file: string) =>
  Tape.read(Stream.make(new Uint8Array(readFileSync(file)))).pipe(
    Stream.runCollect,
    Effect.map((items) => items.filter((item): item is Call => item._tag === "Call")),
  )

/** Plays and simulates a case. */
export const calibrate = Effect.fnUntraced(function* (each: Case, options: Options) {
  const simulated = Figures.simulated(yield* simulate(each, options))
  const { ended, recorded } = yield* play(each, options)
  return { live: Figures.live(ended, recorded), simulated }
})
