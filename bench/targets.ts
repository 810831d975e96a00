/** The bare proxy and Understudy: each in a process of its own, all in front of one upstream. */
import { join } from "node:path"
import { fileURLToPath } from "node:url"
import { freePort, startServer } from "./children.ts"
import { program, startGateway, usual, type Vendor } from "./gateway.ts"
import type { Revision } from "./revision.ts"
import type { Setting, Spec } from "./target.ts"

/** The upstream itself: what every delay is added to. */
export const upstream: Spec = {
  name: "upstream",
  title: "the upstream",
  start: (setting) => Promise.resolve(setting.upstream),
}

export const proxy: Spec = {
  name: "proxy",
  title: "bare Node proxy",
  start: async ({ upstream }) => {
    const { child, port } = await startServer("proxy.ts", [`http://127.0.0.1:${upstream.port}`])
    return { child, port, model: "stand-in", headers: {} }
  },
  program: async ({ folder, upstream }) => {
    const port = await freePort()
    const file = fileURLToPath(new URL("proxy.ts", import.meta.url))
    const args = [file, `http://127.0.0.1:${upstream.port}`, `${port}`]
    return { name: "the proxy", args, cwd: folder, port, model: "stand-in", headers: {} }
  },
}

/** Understudy in front of two deployments of the upstream. */
const understudy = (
  name: string,
  title: string,
  vendor: Vendor,
  revision?: Revision,
  more: (setting: Setting) => object = () => ({}),
): Spec => {
  const options = (setting: Setting) => ({
    configuration: { ...usual(vendor, setting.upstream.port), ...more(setting) },
    ...(revision && { revision }),
    ...(setting.profile !== undefined &&
      name === "gateway" && { node: ["--cpu-prof", `--cpu-prof-dir=${setting.profile}`] }),
  })
  return {
    name,
    title,
    start: (setting) => startGateway(setting, options(setting)),
    program: (setting) => program(setting, options(setting)),
  }
}

export const gateway = understudy("gateway", "Understudy", "openai")

/** Called over OpenAI's API for Anthropic deployments. */
export const translating = understudy("translating", "translating", "anthropic")

/** With a ledger in SQLite, and in the empty PostgreSQL of BENCH_POSTGRES if it is set. */
export const ledgers: ReadonlyArray<Spec> = [
  understudy("ledger", "with a ledger", "openai", undefined, ({ folder }) => ({
    database: `sqlite:${join(folder, "ledger.db")}`,
  })),
  ...(process.env["BENCH_POSTGRES"] === undefined
    ? []
    : [
        understudy("ledger-postgres", "with PostgreSQL", "openai", undefined, () => ({
          database: process.env["BENCH_POSTGRES"],
        })),
      ]),
]

/** The targets of another revision. */
export const revised = ({
  against,
}: Setting): { readonly gateway: ReadonlyArray<Spec>; readonly translating: ReadonlyArray<Spec> } =>
  against === undefined
    ? { gateway: [], translating: [] }
    : {
        gateway: [understudy("against", `Understudy ${against.name}`, "openai", against)],
        translating: [understudy("against-translating", `translating ${against.name}`, "anthropic", against)],
      }
