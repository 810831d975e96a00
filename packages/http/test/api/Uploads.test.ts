/** Files of requests on disk, where the file system fails. */
import { assert, describe, it } from "@effect/vitest"
import * as Effect from "effect/Effect"
import * as Stream from "effect/Stream"
import type * as Fs from "node:fs/promises"
import { vi } from "vitest"
import { store } from "../../src/api/Uploads.ts"

const handles = vi.hoisted((): Array<Fs.FileHandle> => [])

vi.mock("node:fs/promises", async (load) => {
  const fs = await load<typeof Fs>()
  return {
    ...fs,
    open: (...of: Parameters<typeof fs.open>) =>
      fs.open(...of).then((handle) => {
        handles.push(handle)
        return handle
      }),
    // The file goes; what is asked for is refused, as by a file system that went read-only.
    unlink: (path: string) => fs.unlink(path).then(() => Promise.reject(new Error("EROFS"))),
  }
})

describe("Uploads.store", () => {
  it.live("closes a file whose name cannot be removed", () =>
    Effect.gen(function* () {
      const description = { name: "file", filename: "a.wav", mediaType: "audio/wav" }
      const failure = yield* Effect.flip(
        Effect.scoped(store(description, Stream.make(new Uint8Array(9)), () => Effect.void)),
      )
      assert.strictEqual(failure._tag, "CannotStore")
      // A closed handle has the descriptor -1.
      assert.deepStrictEqual(
        handles.map(({ fd }) => fd),
        [-1],
      )
    }),
  )
})
