import { assert, describe, it } from "@effect/vitest"
import * as Redacted from "effect/Redacted"
import * as Result from "effect/Result"
import * as Auth from "../../src/auth/Auth.ts"
import * as Keyring from "../../src/auth/Keyring.ts"
import type { VirtualKey } from "../../src/auth/VirtualKey.ts"

const key = (text: string) => ({ text, ...Keyring.operator(Redacted.make(text)) })

const stored = (text: string, rest: Partial<Keyring.StoredKey> = {}): Keyring.StoredKey => ({
  virtualKey: { id: "k1", name: "ci" },
  teamId: undefined,
  digest: Keyring.digestOf(text),
  length: text.length,
  previous: undefined,
  ...rest,
})

const team = { id: "t1", name: "platform" }

describe("Keyring", () => {
  it("finds each of ten thousand keys, and no other text", () => {
    const keys = Array.from({ length: 10_000 }, (_, index) => key(`sk-${index}`))
    const ring = new Keyring.Keyring(keys)
    for (const each of keys) assert.strictEqual(ring.find(each.text), each)
    for (const text of ["", "sk-", "sk-10000", "SK-1", " sk-1", "sk-1 "]) assert.isFalse(ring.has(text), text)
  })

  it("finds the first of two equal keys, and none in an empty keyring", () => {
    const [first, second] = [key("sk-1"), key("sk-1")]
    assert.strictEqual(new Keyring.Keyring([first, second]).find("sk-1"), first)
    assert.isTrue(new Keyring.Keyring([]).isOpen)
    assert.isUndefined(new Keyring.Keyring([]).find("sk-1"))
  })

  it("has the keys of a database until they are removed, beside those of the configuration", () => {
    const ring = new Keyring.Keyring([key("sk-1")], true)
    ring.put(stored("sk-2"))
    assert.isTrue(ring.has("sk-2"))
    assert.strictEqual(ring.byId("k1")?.name, "ci")
    ring.put(stored("sk-2", { virtualKey: { id: "k1", name: "ci", disabled: true } }))
    assert.isTrue(ring.find("sk-2")?.virtualKey?.disabled)
    ring.remove("k1")
    assert.isFalse(ring.has("sk-2"))
    assert.isUndefined(ring.byId("k1"))
    assert.isTrue(ring.has("sk-1"))
  })

  it("keeps a text of the configuration when a key of the database has it too", () => {
    const own = key("sk-1")
    const ring = new Keyring.Keyring([own], true)
    ring.put(stored("sk-1"))
    assert.strictEqual(ring.find("sk-1"), own)
    ring.remove("k1")
    assert.strictEqual(ring.find("sk-1"), own)
  })

  it("replaces the keys of the configuration, and keeps those that are the same, with their use, and those of the database", () => {
    const written = (id: string, text: string, rest: Partial<VirtualKey> = {}) =>
      Keyring.configured({ id, key: Redacted.make(text), ...rest })
    const ring = new Keyring.Keyring([key("sk-0"), written("a", "sk-a", { team }), written("b", "sk-b")], true)
    ring.putTeam({ ...team, id: "t9", limits: { rpm: 5 } })
    ring.put(stored("sk-2"))
    ring.put(stored("sk-b", { virtualKey: { id: "k2", name: "hidden" } }))
    const [operator, a] = [ring.find("sk-0"), ring.find("sk-a")]
    ring.find("sk-a")!.usedAt = 7
    const before = ring.version
    const named = { id: "platform", name: "platform" }
    assert.isTrue(
      ring.replaceConfigured([
        key("sk-0"),
        written("a", "sk-a", { team: named }),
        written("c", "sk-c", { team: named }),
      ]),
    )
    assert.isAbove(ring.version, before)
    assert.deepStrictEqual([ring.find("sk-0") === operator, ring.find("sk-a") === a, a?.usedAt], [true, true, 7])
    assert.strictEqual(ring.byId("a")?.team?.id, "t9")
    assert.strictEqual(ring.find("sk-c")?.virtualKey?.team?.limits?.rpm, 5)
    assert.isUndefined(ring.byId("b"))
    assert.isTrue(ring.has("sk-2"))
    assert.strictEqual(ring.find("sk-b")?.virtualKey?.id, "k2", "its text is free for the key of the database")
    ring.replaceConfigured([key("sk-0"), written("a", "sk-a2", { limits: { rpm: 1 } })])
    assert.isFalse(ring.has("sk-a"))
    assert.deepStrictEqual(ring.find("sk-a2")?.virtualKey, { id: "a", limits: { rpm: 1 } })
    assert.deepStrictEqual(
      [ring.hasOperator, ring.replaceConfigured([]), ring.hasOperator, ring.isOpen],
      [true, false, false, false],
    )
    assert.isFalse(ring.has("sk-0"))
  })

  it("changes the team of its keys, also of those of the configuration that name it", () => {
    const written = Keyring.configured({
      id: "a",
      key: Redacted.make("sk-a"),
      team: { id: "platform", name: "platform" },
    })
    const ring = new Keyring.Keyring([written], true)
    ring.putTeam(team)
    ring.put(stored("sk-2", { teamId: "t1" }))
    const teams = () => [ring.find("sk-a"), ring.find("sk-2")].map((key) => key?.virtualKey?.team)
    assert.deepStrictEqual(teams(), [team, team])
    const limited = { ...team, limits: { rpm: 1 } }
    ring.putTeam(limited)
    assert.deepStrictEqual(teams(), [limited, limited])
    assert.strictEqual(ring.byId("k1")?.team, limited)
    const renamed = { ...team, name: "infra" }
    ring.putTeam(renamed)
    assert.deepStrictEqual(teams(), [{ id: "platform", name: "platform" }, renamed])
  })
})

describe("a known key", () => {
  const now = Date.parse("2026-11-29T12:00:00Z")
  const ring = new Keyring.Keyring([key("sk-operator")], true)
  const auth = Auth.make({ keys: ring, hosts: [], origins: [] })
  const by = (text: string, at = now) =>
    Result.match(Auth.authenticate(auth, { url: "/", headers: { authorization: `Bearer ${text}` } }, at), {
      onSuccess: (key) => key?.virtualKey?.id ?? "operator",
      onFailure: ({ code, message, status }) => `${status} ${code}: ${message}`,
    })
  const put = (virtualKey: Partial<VirtualKey>, rest: Partial<Keyring.StoredKey> = {}) =>
    ring.put(stored("sk-2", { virtualKey: { id: "k1", name: "ci", ...virtualKey }, ...rest }))

  it("is accepted until it expires, is disabled, or its team is", () => {
    put({ expiresAt: now + 1 })
    assert.strictEqual(by("sk-2"), "k1")
    assert.strictEqual(by("sk-2", now + 1), '401 invalid_api_key: Key "ci" expired at 2026-11-29T12:00:00.001Z.')
    put({ disabled: true })
    assert.strictEqual(by("sk-2"), '401 invalid_api_key: Key "ci" is disabled.')
    ring.putTeam({ ...team, disabled: true })
    put({}, { teamId: "t1" })
    assert.strictEqual(by("sk-2"), '401 invalid_api_key: The team of key "ci", "platform", is disabled.')
    ring.putTeam(team)
    assert.strictEqual(by("sk-2"), "k1")
  })

  it("has its former secret until the overlap of its rotation ends", () => {
    put({}, { digest: Keyring.digestOf("sk-3"), previous: { digest: Keyring.digestOf("sk-2"), until: now + 5 } })
    assert.deepStrictEqual([by("sk-2"), by("sk-3")], ["k1", "k1"])
    assert.strictEqual(
      by("sk-2", now + 5),
      '401 invalid_api_key: Key "ci" was rotated: its former secret expired at 2026-11-29T12:00:00.005Z.',
    )
    assert.strictEqual(by("sk-3", now + 5), "k1")
    put({}, { digest: Keyring.digestOf("sk-4") })
    for (const text of ["sk-2", "sk-3"]) {
      assert.strictEqual(by(text), "401 invalid_api_key: Unknown key. Send a key of this gateway, not a provider's.")
    }
  })

  it("is looked up at a gateway without configured keys, where other requests need none", () => {
    const ring = new Keyring.Keyring([], true)
    const auth = Auth.make({ keys: ring, hosts: [], origins: [] })
    const by = (headers: Auth.Headers) =>
      Result.map(
        Auth.authenticate(auth, { url: "/", headers: { host: "localhost", ...headers } }, now),
        (key) => key?.virtualKey?.id,
      )
    ring.put(stored("sk-2"))
    assert.deepStrictEqual(by({ authorization: "Bearer sk-2" }), Result.succeed("k1"))
    assert.deepStrictEqual(by({ authorization: "Bearer anything" }), Result.succeed(undefined))
    assert.deepStrictEqual(by({}), Result.succeed(undefined))
    ring.put(stored("sk-2", { virtualKey: { id: "k1", disabled: true } }))
    assert.isTrue(Result.isFailure(by({ authorization: "Bearer sk-2" })))
  })
})
