/**
 * What each client does, by its own defaults, when all deployments of its route fail: how often it asks, for how long,
 * and what it shows its user.
 */
import * as FaultServer from "@understudy/providers/testing"
import * as Effect from "effect/Effect"
import { existsSync, mkdirSync, readFileSync, writeFileSync } from "node:fs"
import { dirname, join } from "node:path"
import { stripVTControlCharacters } from "node:util"
import type { Client } from "./Client.ts"
import { question } from "./Client.ts"
import { install } from "./Install.ts"
import { folder, run, serve } from "../Process.ts"
import { vendors } from "./Vendor.ts"

/** How all deployments of a route fail, by the names of the fault server; `down` is a port that nothing listens on. */
export const failures = {
  "rate-limit": "429",
  "429-retry-after-2": "429, Retry-After 2",
  "429-retry-after-300": "429, Retry-After 300",
  overloaded: "503",
  "server-error": "500",
  down: "connection refused",
  "bad-key": "invalid keys",
  "unknown-model": "no such model",
  quota: "quota exhausted",
  "context-length": "context too long",
  "invalid-request": "400",
  "cut-2": "stream cut",
} as const

export type Failure = keyof typeof failures

export const failureNames = Object.keys(failures) as ReadonlyArray<Failure>

/** One client at one failure. `code` is `undefined` where it was still asking after the limit. */
export interface Outcome {
  readonly requests: number
  readonly seconds: number
  readonly code: number | undefined
  readonly shown: string
}

export type Outcomes = Readonly<Record<string, Readonly<Partial<Record<Failure, Outcome>>>>>

/** How long a client may go on asking. */
const limit = 75_000

/** How many run at a time: most of the time they wait. */
const atOnce = 6

/** Runs these clients through these failures. */
export const observe = async (
  clients: Readonly<Record<string, Client>>,
  names: ReadonlyArray<Failure>,
): Promise<Outcomes> => {
  for (const { packages } of Object.values(clients)) await install(packages)
  return Effect.runPromise(
    Effect.scoped(
      Effect.flatMap(FaultServer.make(), (upstream) => Effect.promise(() => observeAt(upstream, clients, names))),
    ),
  )
}

const observeAt = async (
  upstream: FaultServer.FaultServer,
  clients: Readonly<Record<string, Client>>,
  names: ReadonlyArray<Failure>,
): Promise<Outcomes> => {
  const cells = Object.entries(clients).flatMap(([name, client]) =>
    names.map((failure) => ({ name, client, failure, route: `${name}.${failure}` })),
  )
  const config = join(folder, "failures.yaml")
  const log = join(folder, "usage.log")
  const deployments = cells.flatMap(({ client, failure, route }) => {
    const url = failure === "down" ? "http://127.0.0.1:9" : upstream.url
    const backup = client.vendor === "openai" ? "anthropic" : "openai"
    return [
      `  ${route}.primary: { model: ${route}, ${vendors[client.vendor](url)} }`,
      `  ${route}.backup: { model: ${route}, ${vendors[backup](url)} }`,
    ]
  })
  const routes = cells.map(({ route }) => `  ${route}: [${route}.primary, ${route}.backup]`)
  writeFileSync(
    config,
    [
      `usageLog: { file: ${JSON.stringify(log)} }`,
      "defaults: { retry: { times: 0 } }",
      "deployments:",
      ...deployments,
      "routes:",
      ...routes,
    ].join("\n"),
  )
  for (const { failure, route } of cells) {
    if (failure !== "down") await Effect.runPromise(upstream.script(route, failure))
  }
  const gateway = await serve(config)
  const ended = new Map<string, Pick<Outcome, "code" | "shown">>()
  const waiting = [...cells]
  const worker = async () => {
    for (let cell = waiting.shift(); cell !== undefined; cell = waiting.shift()) {
      const { client, failure, route } = cell
      ended.set(route, await ask(client, gateway.url, route))
      console.log(`${client.title}, ${failures[failure]}: ${ended.get(route)?.shown}`)
    }
  }
  await Promise.all(Array.from({ length: atOnce }, worker))
  gateway.stop()
  await new Promise((resolve) => setTimeout(resolve, 1_000))
  const calls = readCalls(log)
  return Object.fromEntries(
    Object.keys(clients).map((name) => [
      name,
      Object.fromEntries(
        names.map((failure) => {
          const route = `${name}.${failure}`
          const { code, shown } = ended.get(route)!
          const times = calls.get(route) ?? []
          const seconds = times.length === 0 ? 0 : (Math.max(...times) - Math.min(...times)) / 1_000
          return [failure, { requests: times.length, seconds, code, shown }]
        }),
      ),
    ]),
  )
}

/** When each route was called, in milliseconds, by the gateway's usage log. */
const readCalls = (log: string): ReadonlyMap<string, ReadonlyArray<number>> => {
  const calls = new Map<string, Array<number>>()
  if (!existsSync(log)) return calls
  for (const line of readFileSync(log, "utf8").trim().split("\n")) {
    const { route, time } = JSON.parse(line) as { readonly route: string; readonly time: string }
    calls.set(route, [...(calls.get(route) ?? []), Date.parse(time)])
  }
  return calls
}

const ask = async (client: Client, gateway: string, route: string): Promise<Pick<Outcome, "code" | "shown">> => {
  const [home, work] = [join(folder, route, "home"), join(folder, route, "work")]
  for (const path of [home, work]) mkdirSync(path, { recursive: true })
  const { args, env, files = {}, program } = client.command({ gateway, model: route, home, prompt: question })
  for (const [path, text] of Object.entries(files)) {
    mkdirSync(dirname(join(home, path)), { recursive: true })
    writeFileSync(join(home, path), text)
  }
  const { code, err, out } = await run(limit, program, args, work, { PATH: process.env["PATH"], HOME: home, ...env })
  return { code, shown: code === 0 ? lastLine(out) : lastError(`${err}\n${out}`) }
}

const linesOf = (printed: string): ReadonlyArray<string> =>
  stripVTControlCharacters(printed)
    .split(/[\r\n]+/)
    .map((line) => line.trim())
    .filter((line) => line !== "")

const lastLine = (printed: string): string => linesOf(printed).at(-1) ?? ""

/** Lines that clients print beside what they tell. */
const noise = /^at |^Claude Code doesn't recognize|^warning|^\[claude-code:|^Ripgrep|^> |^Keychain|^Using FileKeychain/i

/** The last line that speaks of an error, else the last one. */
const lastError = (printed: string): string => {
  const lines = linesOf(printed).filter((line) => !noise.test(line))
  return lines.findLast((line) => /error|fail|limit|too long|ran out|unavailable/i.test(line)) ?? lines.at(-1) ?? ""
}
