/** What many deployments and many keys cost: a call and a start with 1,000 or 10,000 of them, against one. */
import { type Configuration, deployment, program, startGateway } from "./gateway.ts"
import { each, endAll, interleave, measured, press, shape, startAll, whole } from "./measure.ts"
import type { Revision } from "./revision.ts"
import { startup } from "./startup.ts"
import { bar, median, type Row, type Section } from "./table.ts"
import type { Asked, Setting, Spec } from "./target.ts"

/** A gateway with one or many of something. */
interface Case {
  readonly title: string
  readonly configuration: (setting: Setting, count: number) => Configuration
  readonly many: number
  /** How it is called. */
  readonly headers: (count: number) => Asked["headers"]
  /** CPU of a call of the many, of that of the one. */
  readonly atMost: number
}

const named = (prefix: string, count: number) => Array.from({ length: count }, (_, index) => `${prefix}-${index}`)

const deployments = (setting: Setting, count: number, route: (names: ReadonlyArray<string>) => unknown) => {
  const names = named("deployment", count)
  return {
    deployments: Object.fromEntries(names.map((name) => [name, deployment("openai", setting.upstream.port)])),
    routes: { bench: route(names) },
  }
}

const secret = (id: string) => `secret-of-${id}-of-the-benchmark`

const inFallback: Case = {
  title: "1,000 deployments in a fallback",
  configuration: (setting, count) => deployments(setting, count, (names) => ({ fallback: names })),
  many: 1000,
  headers: () => ({}),
  atMost: 1.1,
}

const byLatency: Case = {
  title: "1,000 deployments, balanced by latency",
  configuration: (setting, count) => deployments(setting, count, (names) => ({ balance: "latency", across: names })),
  many: 1000,
  headers: () => ({}),
  atMost: 1.3,
}

const manyKeys: Case = {
  title: "10,000 keys",
  configuration: (setting, count) => ({
    ...deployments(setting, 1, (names) => ({ fallback: names })),
    keys: named("key", count).map((id) => ({ id, key: secret(id) })),
  }),
  many: 10_000,
  headers: (count) => ({ authorization: `Bearer ${secret(`key-${count - 1}`)}` }),
  atMost: 1.05,
}

const cases: ReadonlyArray<Case> = [inFallback, byLatency, manyKeys]

/** A gateway of a case. Its name is its column. */
const spec = (scaled: Case, count: number, revision: Revision | undefined): Spec & Required<Pick<Spec, "program">> => {
  const kind = count === 1 ? "one" : "many"
  const options = (setting: Setting) => ({
    configuration: scaled.configuration(setting, count),
    ...(revision && { revision }),
  })
  const headers = scaled.headers(count)
  return {
    name: revision === undefined ? kind : `against-${kind}`,
    title: revision === undefined ? kind : `${kind}, ${revision.name}`,
    start: async (setting) => ({ ...(await startGateway(setting, options(setting))), headers }),
    program: async (setting) => ({ ...(await program(setting, options(setting))), headers }),
  }
}

const specs = (setting: Setting, scaled: Case) =>
  [undefined, ...(setting.against === undefined ? [] : [setting.against])].flatMap((revision) => [
    spec(scaled, 1, revision),
    spec(scaled, scaled.many, revision),
  ])

/** CPU of a call in microseconds. */
const calls = async (setting: Setting, scaled: Case): Promise<Row> => {
  const seconds = setting.quick ? 0.8 : 1.5
  const running = await startAll<number>(setting, specs(setting, scaled))
  for (const { target } of running) await press(setting, target, whole(target), shape.connections, 2)
  await interleave(
    setting,
    running,
    async (target) => {
      const { cpu, requests } = await measured(setting, target, whole(target), shape.connections, seconds)
      return cpu / requests
    },
    (cpu) => `${scaled.title}: ${cpu.toFixed(0)} µs of CPU`,
  )
  endAll(running)
  return { title: `${scaled.title}: CPU a call, µs`, digits: 0, values: each(running, median) }
}

/** Milliseconds until the first answer. */
const starts = async (setting: Setting, scaled: Case): Promise<Row> => {
  const running = specs(setting, scaled).map((spec) => ({ spec, samples: new Array<number>() }))
  for (let round = 1; round <= setting.rounds; round++) {
    for (const { samples, spec } of running) {
      const { answer } = await startup(await spec.program(setting), 0)
      samples.push(answer)
      setting.say(`round ${round}/${setting.rounds} ${spec.title.padEnd(20)} ${scaled.title}: ${answer.toFixed(0)} ms`)
    }
  }
  return {
    title: `${scaled.title}: start until the first answer, ms`,
    digits: 0,
    values: Object.fromEntries(running.map(({ samples, spec }) => [spec.name, median(samples)])),
  }
}

export const scale = async (given: Setting): Promise<Section> => {
  const setting = { ...given, includes: () => true }
  const called: Array<{ readonly scaled: Case; readonly row: Row }> = []
  for (const scaled of cases) called.push({ scaled, row: await calls(setting, scaled) })
  const keys = await starts(setting, manyKeys)
  return {
    title: "scale",
    columns: specs(setting, manyKeys),
    ratios: [
      { of: "many", to: "one" },
      { of: "against-many", to: "against-one" },
    ],
    rows: [...called.map(({ row }) => row), keys],
    bars: [
      ...called.map(({ row, scaled }) =>
        bar(`${scaled.title}: CPU of a call, of one`, row, "many", "one", { atMost: scaled.atMost }),
      ),
      bar("10,000 keys: start, of one key", keys, "many", "one", { atMost: 1.3 }),
    ],
  }
}
