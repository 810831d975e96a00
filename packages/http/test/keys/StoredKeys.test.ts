/** The keys of the database in the memory of a gateway. */
import { assert, it } from "@effect/vitest"
import * as Context from "effect/Context"
import * as Effect from "effect/Effect"
import * as Exit from "effect/Exit"
import * as Layer from "effect/Layer"
import * as Scope from "effect/Scope"
import { SqlClient } from "effect/sql/SqlClient"
import { Keyring } from "../../src/auth/Keyring.ts"
import * as StoredKeys from "../../src/keys/StoredKeys.ts"
import * as Changes from "../../src/store/Changes.ts"
import * as Store from "../../src/store/Store.ts"
import * as StoreStatus from "../../src/store/StoreStatus.ts"
import { onEach } from "../store/Databases.ts"

const row = (id: string, lastUsedAt: number | null) => ({
  id,
  name: id,
  hash: `digest of ${id}`,
  hint: "abcd",
  role: "caller",
  tags: "[]",
  metadata: "{}",
  disabled: 0,
  created_at: 1,
  updated_at: 1,
  last_used_at: lastUsedAt,
})

onEach("keys of the database", ({ database }) => {
  it.live("are written with their last use, unless another gateway used them later", () =>
    Effect.gen(function* () {
      const store = yield* Layer.build(
        Layer.provideMerge(Changes.layer, Layer.merge(Store.layer(yield* Effect.promise(database)), StoreStatus.layer)),
      )
      const sql = Context.get(store, SqlClient)
      yield* sql`INSERT INTO keys ${sql.insert([row("used", 5), row("unused", null), row("used elsewhere", 9_000)])}`
      const keys = new Keyring([], true)
      const scope = yield* Scope.make()
      yield* Effect.provideContext(Layer.buildWithScope(StoredKeys.layer(keys), scope), store)
      for (const key of keys.keys()) {
        if (key.virtualKey?.id === "used") key.usedAt = 7_000
        if (key.virtualKey?.id === "used elsewhere") key.usedAt = 8_000
      }
      yield* Scope.close(scope, Exit.void)
      const rows = yield* sql<{ readonly id: string; readonly at: number | null }>`
        SELECT id, last_used_at AS at FROM keys ORDER BY id`
      assert.deepStrictEqual(
        rows.map(({ at, id }) => [id, at]),
        [
          ["unused", null],
          ["used", 7_000],
          ["used elsewhere", 9_000],
        ],
      )
    }),
  )
})
