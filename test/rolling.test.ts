/** The rolling restart in small: `npm run rolling` makes more calls, for two minutes. */
import { assert, describe, it } from "@effect/vitest"
import * as Effect from "effect/Effect"
import { join } from "node:path"
import { install } from "../packages/http/test/Programs.ts"
import * as Proxy from "../scorecard/rolling/Proxy.ts"
import * as Rolling from "../scorecard/rolling/Rolling.ts"

for (const proxy of Proxy.proxies) {
  if (!Proxy.isInstalled(proxy)) install(proxy)
  if (!Proxy.isInstalled(proxy)) process.stderr.write(`${proxy} is not installed: its rolling restart is SKIPPED\n`)
}

describe.concurrent("two gateways that are restarted one after the other under load", { timeout: 120_000 }, () => {
  for (const proxy of Proxy.proxies) {
    it.live.skipIf(!Proxy.isInstalled(proxy))(`fail no call behind ${proxy}`, () =>
      Effect.gen(function* () {
        const report = yield* Rolling.play({
          proxy,
          main: join(import.meta.dirname, "..", "packages", "http", "src", "main.js"),
          seconds: 0,
          rate: 40,
          streams: 0.5,
          streamSeconds: 1,
          delay: 2,
          limit: 30_000,
          // As with the shipped 1 s and the default delay of 5 s, a gateway gets no calls long before it rejects them.
          edit: (text) => text.replace("inter 1s", "inter 250ms"),
        })
        assert.deepStrictEqual(report.failures, [], report.log)
        assert.strictEqual(report.restarts.length, 2)
        assert.isAbove(report.complete, 20)
        assert.isAbove(report.streamed, 20)
      }),
    )
  }
})
