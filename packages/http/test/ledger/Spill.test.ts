/** The spill file on a disk that becomes full. */
import * as NodeServices from "@effect/platform-node/NodeServices"
import { assert, describe, it } from "@effect/vitest"
import * as Effect from "effect/Effect"
import * as FileSystem from "effect/FileSystem"
import { existsSync } from "node:fs"
import * as Rows from "../../src/ledger/Rows.ts"
import * as Spill from "../../src/ledger/Spill.ts"
import * as FullDisk from "../store/FullDisk.ts"

const entry = (id: string): Rows.Entry =>
  Rows.fromReceipt(
    {
      id,
      route: "r",
      model: "r",
      caller: undefined,
      team: undefined,
      tags: [],
      protocol: undefined,
      operation: "chat",
      streaming: false,
      startedAt: 0,
      needs: undefined,
      deployment: undefined,
      split: undefined,
      shadowOf: undefined,
      attempts: [],
      skipped: [],
      droppedParams: undefined,
      cache: "hit",
      affinity: undefined,
      firstTokenMillis: undefined,
      queuedMillis: undefined,
      outcome: "success",
      error: undefined,
      millis: 1,
      traceId: undefined,
      spanId: undefined,
    },
    {},
  )

describe("the spill file on a full disk", () => {
  it.effect("gives the calls it has, and counts one that was cut off as lost once", () =>
    Effect.gen(function* () {
      const { files, leave } = yield* FullDisk.make
      const file = `${yield* files.makeTempDirectoryScoped()}/spill.jsonl`
      const spill = yield* Effect.provideService(Spill.make({ file, maxSize: 1_000_000 }), FileSystem.FileSystem, files)
      const line = JSON.stringify(entry("a")).length + 1
      let lost = 0
      const append = (ids: ReadonlyArray<string>) =>
        Effect.catch(spill.append(ids.map(entry)), ({ calls }) => Effect.sync(() => void (lost += calls)))
      yield* append(["a"])
      // Two lines and a half.
      leave(2.5 * line)
      yield* append(["b", "c", "d", "e"])
      // Not even the end of the line that was cut off.
      yield* append(["f"])
      // That, and half a line.
      leave(1 + line / 2)
      yield* append(["g"])
      leave(Infinity)
      yield* append(["h", "i"])
      assert.strictEqual(lost, 4)
      const ids: Array<string> = []
      let [unreadable, cutOff] = [0, 0]
      while (spill.calls > 0) {
        const chunk = yield* spill.next(3)
        ids.push(...chunk.entries.map(({ call }) => call.id))
        unreadable += chunk.unreadable
        cutOff += chunk.cutOff
        yield* spill.done(chunk)
      }
      assert.deepStrictEqual(ids, ["a", "b", "c", "h", "i"])
      assert.deepStrictEqual({ unreadable, cutOff }, { unreadable: 2, cutOff: 2 })
      assert.isFalse(existsSync(file))
    }).pipe(Effect.scoped, Effect.provide(NodeServices.layer)),
  )
})
