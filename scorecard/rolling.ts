/**
 * `npm run rolling`: two gateways behind nginx, and then behind HAProxy, restarted one after the other for two minutes at 200
 * calls a second, half of them streams of 10 seconds. The gateways run the bundle, as installed ones do.
 * `-- --proxy nginx --seconds 30 --rate 100 --streams 0.25 --delay 5` for others. Fails if a call fails.
 */
import * as Effect from "effect/Effect"
import { execFileSync } from "node:child_process"
import { join } from "node:path"
import { parseArgs } from "node:util"
import * as Proxy from "./rolling/Proxy.ts"
import * as Rolling from "./rolling/Rolling.ts"

const { values: flags } = parseArgs({
  options: {
    proxy: { type: "string" },
    seconds: { type: "string", default: "120" },
    rate: { type: "string", default: "200" },
    streams: { type: "string", default: "0.5" },
    delay: { type: "string", default: "5" },
  },
})

const root = join(import.meta.dirname, "..")
execFileSync(process.execPath, ["scripts/bundle.ts"], { cwd: root })
const main = join(root, "packages", "http", "bundle", "main.js")

const at = (seconds: number): string => `at ${seconds.toFixed(2)} s`

const chosen = Proxy.proxies.filter((proxy) => flags.proxy === undefined || flags.proxy === proxy)
if (chosen.length === 0) throw new Error(`--proxy is one of ${Proxy.proxies.join(", ")}`)

for (const proxy of chosen) {
  if (!Proxy.isInstalled(proxy)) {
    console.error(`${proxy} is not installed`)
    process.exitCode = 1
    continue
  }
  const { complete, failures, log, mostOpen, restarts, seconds, streamed } = await Effect.runPromise(
    Rolling.play({
      proxy,
      main,
      seconds: Number(flags.seconds),
      rate: Number(flags.rate),
      streams: Number(flags.streams),
      streamSeconds: 10,
      delay: Number(flags.delay),
      limit: 60_000,
    }),
  )
  const total = complete + streamed + failures.length
  console.log(`${proxy}: ${restarts.length} restarts in ${seconds.toFixed(0)} s, ${total} calls`)
  console.log(`  complete  ${complete}`)
  console.log(`  streams   ${streamed}, up to ${mostOpen} at once`)
  console.log(`  failed    ${failures.length}`)
  if (failures.length === 0) continue
  process.exitCode = 1
  for (const { endedAt, gateway, readyAt, stoppedAt } of restarts)
    console.log(`    gateway ${gateway}: SIGTERM ${at(stoppedAt)}, ended ${at(endedAt)}, ready ${at(readyAt)}`)
  for (const { endedAt, how, sentAt } of failures.slice(0, 20))
    console.log(`    sent ${at(sentAt)}, failed ${at(endedAt)}: ${how}`)
  console.log(log.slice(-5000))
}
