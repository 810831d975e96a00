/** A disk that takes some of what is written and not the rest. */
import * as NodeServices from "@effect/platform-node/NodeServices"
import { assert, describe, it } from "@effect/vitest"
import * as Effect from "effect/Effect"
import * as FileSystem from "effect/FileSystem"
import { readFileSync } from "node:fs"
import * as LogFile from "../../src/observe/LogFile.ts"
import * as FullDisk from "../store/FullDisk.ts"

describe("LogFile", () => {
  it.effect("counts lost lines, including those of a partial write", () =>
    Effect.gen(function* () {
      const { files, leave } = yield* FullDisk.make
      const folder = yield* files.makeTempDirectoryScoped()
      const file = `${folder}/a.log`
      const append = yield* Effect.provideService(
        LogFile.open({ file, maxSize: 1000, maxFiles: 1 }),
        FileSystem.FileSystem,
        files,
      )
      const lines = ["one\n", "två\n", "three\n", "four\n"]
      // Nine characters are two lines, and the first of the third.
      leave(9)
      const lost = yield* Effect.flip(append(lines))
      assert.strictEqual(lost.lines, 2)
      assert.match(lost.cause, /^ENOSPC/)
      leave(0)
      assert.strictEqual((yield* Effect.flip(append(lines))).lines, 4)
      leave(Infinity)
      yield* append(["five\n"])
      assert.strictEqual(readFileSync(file, "utf8"), "one\ntvå\nt\nfive\n")
    }).pipe(Effect.scoped, Effect.provide(NodeServices.layer)),
  )
})
