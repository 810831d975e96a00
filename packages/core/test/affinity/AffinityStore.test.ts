import { assert, describe, it } from "@effect/vitest"
import * as Schema from "effect/Schema"
import { MemoryConversations } from "../../src/affinity/AffinityStore.ts"

const hour = 3_600_000

describe("MemoryConversations", () => {
  it("gives the deployment of the first key that has one", () => {
    const store = new MemoryConversations()
    store.set(["b", "c"], "second", hour, 0)
    store.set(["c"], "third", hour, 0)
    assert.strictEqual(store.find(["a", "b", "c"], hour, 1), "second")
    assert.strictEqual(store.find(["c", "b"], hour, 1), "third")
    assert.isUndefined(store.find(["a"], hour, 1))
    assert.isUndefined(store.find([], hour, 1))
  })

  it("keeps a conversation for `ttl` after it was found, and no longer where it was only looked at", () => {
    const store = new MemoryConversations()
    store.set(["a"], "one", hour, 0)
    store.set(["b"], "one", hour, 0)
    assert.strictEqual(store.find(["a"], hour, hour - 1), "one")
    assert.strictEqual(store.find(["b"], undefined, hour - 1), "one")
    assert.strictEqual(store.find(["a"], hour, 2 * hour - 2), "one")
    assert.isUndefined(store.find(["b"], hour, hour))
    assert.isUndefined(store.find(["a"], hour, 4 * hour))
  })

  it("forgets those used least recently when it is full", () => {
    const store = new MemoryConversations(10)
    store.set(["used"], "one", hour, 0)
    for (let other = 0; other < 100; other++) {
      store.set([`other ${other}`], "two", hour, 0)
      assert.strictEqual(store.find(["used"], hour, 0), "one")
    }
    assert.isUndefined(store.find(["other 0"], hour, 0))
    assert.strictEqual(store.find(["other 99"], hour, 0), "two")
  })

  const operations = {
    operations: Schema.Array(
      Schema.Struct({
        key: Schema.Int.check(Schema.isBetween({ minimum: 0, maximum: 30 })),
        finds: Schema.Boolean,
      }),
    ),
  }

  it.prop("remembers the latest of each of the half of its keys used last", operations, ({ operations }) => {
    const store = new MemoryConversations(8)
    const used: Array<number> = []
    const latest = new Map<number, string>()
    operations.forEach(({ finds, key }, at) => {
      if (!finds) {
        latest.set(key, String(at))
        store.set([String(key)], String(at), hour, 0)
      } else {
        const found = store.find([String(key)], hour, 0)
        if (found === undefined) return
        assert.strictEqual(found, latest.get(key))
      }
      used.push(key)
      for (const recent of [...new Set(used.toReversed())].slice(0, 4)) {
        assert.strictEqual(store.find([String(recent)], undefined, 0), latest.get(recent))
      }
    })
  })
})
