/** Two gateways as processes of their own, and the Redis they share. */
import { afterAll, assert, beforeAll, describe, it } from "@effect/vitest"
import { ask, clean, start, url } from "../cli/Process.ts"
import type { TestRedis } from "./TestRedis.ts"
import * as Redis from "./TestRedis.ts"

let redis: TestRedis

/** Names of deployments are the keys in Redis: each test has its own. */
const configuration = (name: string, rest = "") => `
state: { redis: "${redis.url}" }
deployments:
  ${name}: { provider: simulated, model: s${rest} }
  backup: { provider: simulated, model: s }
routes: { assistant: { fallback: [${name}, backup], retry: { times: 0 } } }
`

const pair = (name: string, rest?: string) => {
  const files = { "understudy.yaml": configuration(name, rest) }
  const both = [start(["--port", "0"], { files }), start(["--port", "0"], { files })] as const
  return Promise.all(both.map(async (process) => ({ process, base: await url(process) })))
}

const by = async (base: string): Promise<string | null> => {
  const answer = await ask(base)
  assert.strictEqual(answer.status, 200, await answer.text())
  return answer.headers.get("x-understudy-deployment")
}

/** The words of a stream, and how it ended. */
const spoken = (stream: string): string =>
  [...stream.matchAll(/"content":"([^"]*)"|\[DONE\]/g)].map(([all, words = all]) => words).join("")

const fault = (base: string, name: string, body: object) =>
  fetch(`${base}/simulated/${name}`, {
    method: "POST",
    headers: { "content-type": "application/json" },
    body: JSON.stringify(body),
  }).then(({ status }) => assert.strictEqual(status, 200))

const metrics = (base: string) => fetch(`${base}/metrics`).then((answer) => answer.text())

const degraded = async (base: string) => /^understudy_state_degraded (\d)/m.exec(await metrics(base))?.[1]

const until = async (what: string, holds: () => Promise<boolean>): Promise<void> => {
  for (let times = 0; times < 400; times++) {
    if (await holds()) return
    await new Promise((resolve) => setTimeout(resolve, 25))
  }
  assert.fail(`never: ${what}`)
}

describe.skipIf(!Redis.installed)("gateways that share a Redis", { timeout: 60_000 }, () => {
  beforeAll(async () => {
    redis = await Redis.start()
  })
  afterAll(async () => {
    clean()
    await redis.kill()
  })

  it("share a deployment's limit of three requests a minute", async () => {
    const [a, b] = await pair("three", ", limits: { rpm: 3 }")
    const answered = [await by(a!.base), await by(b!.base), await by(a!.base), await by(b!.base), await by(a!.base)]
    assert.deepStrictEqual(answered, ["three", "three", "three", "backup", "backup"])
    assert.strictEqual(await degraded(a!.base), "0")
  })

  it("share a key's limit of three requests a minute", async () => {
    const keys = "keys: [{ id: shared, key: sk-shared, limits: { rpm: 3 } }, { id: beside, key: sk-beside }]\n"
    const files = { "understudy.yaml": `${configuration("held")}${keys}` }
    const bases = await Promise.all([1, 2].map(() => url(start(["--port", "0"], { files }))))
    const asks = async (key: string) => {
      const statuses: Array<number> = []
      for (const base of [...bases, ...bases]) statuses.push((await ask(base, {}, { "x-api-key": key })).status)
      return statuses
    }
    assert.deepStrictEqual(await asks("sk-shared"), [200, 200, 200, 429])
    assert.deepStrictEqual(await asks("sk-beside"), [200, 200, 200, 200])
  })

  it("share cached responses", async () => {
    const kept = configuration("kept").replace("retry: { times: 0 }", "retry: { times: 0 }, cache: { ttl: 1m }")
    const files = { "understudy.yaml": kept }
    const [a = "", b = ""] = await Promise.all([1, 2].map(() => url(start(["--port", "0"], { files }))))
    let questions = 0
    // A machine that is very busy may lose Redis for a moment: then another question is asked.
    await until("the other gives what one kept", async () => {
      const question = { stream: true, messages: [{ role: "user", content: `Question ${++questions}?` }] }
      const [first, second] = [await ask(a, question), await ask(b, question)]
      const [kept, given] = [await first.text(), await second.text()]
      assert.strictEqual(first.headers.get("x-understudy-cache"), "miss")
      if (second.headers.get("x-understudy-cache") !== "hit") return false
      assert.strictEqual(spoken(given), spoken(kept))
      return true
    })
  })

  it("share an open circuit", async () => {
    const [a, b] = await pair("broken")
    await fault(a!.base, "broken", { status: 500 })
    assert.strictEqual(await by(b!.base), "broken")
    for (let times = 0; times < 3; times++) assert.strictEqual(await by(a!.base), "backup")
    assert.strictEqual(await by(b!.base), "backup")
    assert.match(await metrics(b!.base), /understudy_circuit_state\{deployment="broken"\} 2/)
  })

  it("share a cooldown", async () => {
    const [a, b] = await pair("tired")
    await fault(a!.base, "tired", { status: 429, retryAfter: "30s" })
    assert.strictEqual(await by(b!.base), "tired")
    assert.strictEqual(await by(a!.base), "backup")
    assert.strictEqual(await by(b!.base), "backup")
  })

  it("serve from their own memory while Redis is down, then share again", async () => {
    const gateways = await pair("loaded")
    const load = { on: true }
    let slowest = 0
    let answers = 0
    const loading = gateways.map(async ({ base }) => {
      while (load.on) {
        const before = performance.now()
        await by(base)
        answers++
        slowest = Math.max(slowest, performance.now() - before)
      }
    })
    const all = (value: string) => async () =>
      (await Promise.all(gateways.map(({ base }) => degraded(base)))).every((each) => each === value)
    await redis.kill()
    await until("degraded", all("1"))
    const then = answers
    await until("answers without it", async () => answers > then + 50)
    await redis.restart()
    await until("shared again", all("0"))
    redis.freeze()
    await until("degraded by silence", all("1"))
    redis.thaw()
    await until("shared once more", all("0"))
    load.on = false
    await Promise.all(loading)
    assert.isBelow(slowest, 2000)
    for (const { process } of gateways) {
      const warnings = process.printed().match(/Redis is unavailable/g)?.length ?? 0
      // Twice it was; a machine that is very busy may lose it for a moment more.
      assert.isTrue(warnings >= 2 && warnings <= 4, `${warnings} warnings`)
      assert.strictEqual(process.printed().match(/Redis is available again/g)?.length, warnings)
    }
    const [a, b] = gateways
    await fault(a!.base, "loaded", { status: 500 })
    for (let times = 0; times < 3; times++) await by(a!.base)
    assert.strictEqual(await by(b!.base), "backup")
  })

  it("stop on a signal while Redis does not respond", async () => {
    const [a] = await pair("stopped")
    assert.strictEqual(await by(a!.base), "stopped")
    redis.freeze()
    a!.process.child.kill("SIGINT")
    await a!.process.ended
    redis.thaw()
  })
})

describe("a gateway without its Redis", () => {
  it("fails to start, naming the address without its password", async () => {
    const failing = start(["--port", "0"], {
      files: {
        "understudy.yaml":
          'state: { redis: "redis://me:hemligt@127.0.0.1:1" }\ndeployments: { a: { provider: simulated, model: s } }\n',
      },
    })
    assert.strictEqual(await failing.ended, 1)
    assert.match(failing.printed(), /^state\.redis: cannot connect to Redis at 127\.0\.0\.1:1: .*ECONNREFUSED/m)
    assert.notInclude(failing.printed(), "hemligt")
  })
})
