/**
 * Files of multipart bodies, on disk until their request has ended: a retry or a fallback reads them again, and none is held in
 * memory. A file has no name on disk once it is open, so that nothing of it is left when the process ends.
 */
import type { File } from "@understudy/core/Operation"
import * as Effect from "effect/Effect"
import type * as Scope from "effect/Scope"
import * as Stream from "effect/Stream"
import { randomUUID } from "node:crypto"
import type { FileHandle } from "node:fs/promises"
import { open, unlink } from "node:fs/promises"
import { tmpdir } from "node:os"
import { join } from "node:path"

/** The disk is full, or cannot be written to. */
export class CannotStore {
  readonly _tag = "CannotStore"
  readonly cause: unknown
  constructor(cause: unknown) {
    this.cause = cause
  }
}

/** What a file is called in its body. */
export type Description = Pick<File, "name" | "filename" | "mediaType">

/**
 * Writes the bytes of a file to disk, where only this process can read them, and gives the file. It is closed with the scope of the
 * request. `accept` is told of each chunk before it is written, and may fail.
 */
export const store = <E, E2>(
  description: Description,
  content: Stream.Stream<Uint8Array, E>,
  accept: (bytes: number) => Effect.Effect<void, E2>,
): Effect.Effect<File, E | E2 | CannotStore, Scope.Scope> =>
  Effect.flatMap(
    Effect.acquireRelease(opened, (handle) => Effect.promise(() => handle.close())),
    (handle) => {
      let size = 0
      return Effect.map(
        Stream.runForEach(content, (chunk) => {
          const at = size
          size += chunk.length
          return Effect.andThen(
            accept(chunk.length),
            attempt(() => writeAll(handle, chunk, at)),
          )
        }),
        (): File => ({ ...description, size, open: () => read(handle, size) }),
      )
    },
  )

const attempt = <A>(run: () => Promise<A>): Effect.Effect<A, CannotStore> =>
  Effect.tryPromise({ try: run, catch: (cause) => new CannotStore(cause) })

const opened: Effect.Effect<FileHandle, CannotStore> = Effect.suspend(() => {
  const path = join(tmpdir(), `understudy-${randomUUID()}`)
  return Effect.flatMap(
    attempt(() => open(path, "wx+", 0o600)),
    (handle) =>
      attempt(() => unlink(path)).pipe(
        Effect.as(handle),
        Effect.tapError(() => Effect.promise(() => handle.close())),
      ),
  )
})

const writeAll = async (handle: FileHandle, chunk: Uint8Array, at: number): Promise<void> => {
  let written = 0
  while (written < chunk.length) {
    const { bytesWritten } = await handle.write(chunk, written, chunk.length - written, at + written)
    written += bytesWritten
  }
}

/** How much of a file is in memory while it is sent, in bytes. */
const chunkSize = 64 * 1024

async function* read(handle: FileHandle, size: number): AsyncGenerator<Uint8Array> {
  for (let at = 0; at < size;) {
    const chunk = Buffer.allocUnsafe(Math.min(chunkSize, size - at))
    const { bytesRead } = await handle.read(chunk, 0, chunk.length, at)
    if (bytesRead === 0) throw new Error("an uploaded file is shorter than it was")
    at += bytesRead
    yield chunk.subarray(0, bytesRead)
  }
}
