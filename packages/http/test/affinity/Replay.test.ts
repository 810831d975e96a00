/**
 * Sessions of agents, replayed through gateways over four accounts that each have a prompt cache of their own. What counts is the
 * input that was read from the caches, against what one account alone would have given.
 */
import { afterAll, assert, beforeAll, describe, it } from "@effect/vitest"
import { clean, start, url } from "../cli/Process.ts"
import type { TestRedis } from "../state/TestRedis.ts"
import * as Redis from "../state/TestRedis.ts"
import type { Options, Replayed } from "./Session.ts"
import * as Session from "./Session.ts"
import type { StandIn } from "./StandIn.ts"
import * as StandInServer from "./StandIn.ts"

/** Four accounts, and one that answers alone. */
let accounts: ReadonlyArray<StandIn>
let redis: TestRedis | undefined
/** A gateway of its own, two that share a Redis, and one with two workers. */
let gateway: string
let sharing: ReadonlyArray<string> = []

const names = (vendor: string) => ["one", "two", "three", "four"].map((name) => `${vendor}-${name}`).join(", ")

const configuration = (state: string) => `
server: { expose: full }
${state}
deployments:
${accounts
  .flatMap(({ url }, index) => {
    const name = ["one", "two", "three", "four", "alone"][index]
    return [
      `  openai-${name}: { provider: openai, model: gpt, baseUrl: "${url}/v1", apiKey: any }`,
      `  anthropic-${name}: { provider: anthropic, model: claude, baseUrl: "${url}", apiKey: any }`,
    ]
  })
  .join("\n")}
defaults: { retry: { times: 0 }, circuit: { failures: 3 } }
routes:
${["openai", "anthropic"]
  .flatMap((vendor) => [
    `  ${vendor}: { balance: round-robin, across: [${names(vendor)}], affinity: { by: session, for: 1h } }`,
    `  ${vendor}-prefix: { balance: round-robin, across: [${names(vendor)}], affinity: { by: prefix } }`,
    `  ${vendor}-scattered: { balance: round-robin, across: [${names(vendor)}] }`,
  ])
  .join("\n")}
`

beforeAll(async () => {
  accounts = await Promise.all(Array.from({ length: 5 }, StandInServer.start))
  redis = Redis.installed ? await Redis.start() : undefined
  const launch = (state = "") => url(start(["--port", "0"], { files: { "understudy.yaml": configuration(state) } }))
  const shared = redis === undefined ? [] : [1, 2].map(() => launch(`state: { redis: "${redis?.url}" }`))
  ;[gateway = "", ...sharing] = await Promise.all([launch(), ...shared])
}, 120_000)

afterAll(async () => {
  clean()
  await Promise.all(accounts.map(({ close }) => close()))
  await redis?.kill()
})

let sessions = 0

type Vendor = "openai" | "anthropic"

const replayOf: Record<Vendor, (options: Options) => Promise<Replayed>> = {
  openai: Session.openAi,
  anthropic: Session.anthropic,
}

/** Replays a conversation that no other test has. */
const replay = (
  vendor: Vendor,
  { route = vendor, turns = 60, ...options }: Partial<Options> & { readonly route?: string },
) => {
  const name = options.name ?? `agent-${++sessions + 100}`
  return replayOf[vendor]({ urls: [gateway], model: route, turns, name, ...options })
}

const lone = new Map<string, Promise<Replayed>>()

/** What one account alone gives. The names of conversations have one length, so that they all have as many tokens. */
const alone = (vendor: Vendor, turns = 60): Promise<Replayed> => {
  const known = lone.get(`${vendor} ${turns}`)
  const replayed = known ?? replay(vendor, { turns, route: `${vendor}-alone` })
  lone.set(`${vendor} ${turns}`, replayed)
  return replayed
}

const atLeast = (share: number, { cached }: Replayed, reference: Replayed, what: string): void => {
  assert.isAbove(reference.cached, 100_000)
  assert.isAtLeast(cached / reference.cached, share, `${what}: ${cached} of ${reference.cached} tokens`)
}

/** How many turns had each result. */
const counts = ({ affinity }: Replayed): Readonly<Record<string, number>> => {
  const counted: Record<string, number> = {}
  for (const result of affinity) counted[String(result)] = (counted[String(result)] ?? 0) + 1
  return counted
}

describe.each(["openai", "anthropic"] as const)(
  "a session of 60 turns over four accounts of %s",
  { timeout: 120_000 },
  (vendor) => {
    it("reads as much from the caches as one account would have given, by the session of its headers", async () => {
      const one = await alone(vendor)
      const kept = await replay(vendor, { headers: { "x-session-id": "ses-1" } })
      atLeast(0.99, kept, one, "kept")
      assert.deepStrictEqual(counts(kept), { new: 1, kept: 59 })
      const scattered = await replay(vendor, { route: `${vendor}-scattered`, headers: { "x-session-id": "ses-1" } })
      assert.isBelow(scattered.cached / one.cached, 0.95, "without affinity the caches are of less use")
    })

    it("reads as much without any session, by the messages alone", async () => {
      const kept = await replay(vendor, { route: `${vendor}-prefix` })
      atLeast(0.99, kept, await alone(vendor), "by prefix")
      assert.deepStrictEqual(counts(kept), { new: 1, kept: 59 })
      const fallen = await replay(vendor, {})
      assert.deepStrictEqual(counts(fallen), { new: 1, kept: 59 })
    })

    it("keeps 95 % when its account goes out in the middle and comes back", async () => {
      const already = new Map(accounts.map((account) => [account, account.counted.length]))
      const before = (turn: number) => {
        if (turn === 30) {
          const kept = accounts.find((account) => account.counted.length === 30 + (already.get(account) ?? 0))
          assert.isDefined(kept, "one account has answered all turns so far")
          kept.isDown = true
        }
        if (turn === 45) for (const account of accounts) account.isDown = false
      }
      const moved = await replay(vendor, { before, headers: { "x-session-id": `ses-out-${vendor}` } })
      const { kept = 0, new: fresh = 0, ...moves } = counts(moved)
      assert.strictEqual(fresh, 1)
      assert.strictEqual(kept, 58, JSON.stringify(moves))
      assert.deepStrictEqual(moves, { "moved; reason=overloaded": 1 })
      atLeast(0.95, moved, await alone(vendor), "with an outage")
    })

    it("keeps each of several sessions at once", async () => {
      const all = await Promise.all(
        Array.from({ length: 6 }, (_, at) =>
          replay(vendor, { turns: 20, headers: { "x-claude-code-session-id": `ses-${vendor}-${at}` } }),
        ),
      )
      const one = await alone(vendor, 20)
      assert.isAbove(one.cached, 10_000)
      for (const kept of all) {
        assert.deepStrictEqual(counts(kept), { new: 1, kept: 19 })
        assert.isAtLeast(kept.cached / one.cached, 0.95)
      }
    })

    it.skipIf(!Redis.installed)("keeps it through two gateways that share a Redis", async () => {
      const bySession = await replay(vendor, { urls: sharing, headers: { "session-id": `shared-${vendor}` } })
      const byPrefix = await replay(vendor, { urls: sharing, route: `${vendor}-prefix` })
      const one = await alone(vendor)
      // A machine that is very busy may lose Redis for a moment.
      for (const kept of [bySession, byPrefix]) atLeast(0.95, kept, one, "through two gateways")
    })
  },
)
