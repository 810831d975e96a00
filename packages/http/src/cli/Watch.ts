/**
 * `serve --watch`: notices that the configuration file, or a `.env` that is read with it, has other contents. The contents are
 * compared, and not the events of a file system: editors that replace the file, the symbolic links of a Kubernetes ConfigMap and
 * network file systems are all noticed alike.
 */
import * as Effect from "effect/Effect"
import * as FileSystem from "effect/FileSystem"
import type * as Path from "effect/Path"
import { hash } from "node:crypto"
import * as DotEnv from "../DotEnv.ts"
import type { ConfigFiles } from "../ConfigFiles.ts"

/** The time between two readings. A file counts as written when two in a row are equal. */
const interval = "500 millis"

/** What the files have in them: equal for equal contents. */
export type Fingerprint = string

/** Reads the configuration file and the `.env` files. A file that cannot be read counts as one without contents. */
export const fingerprint = Effect.fnUntraced(function* (
  file: string,
): Effect.fn.Return<Fingerprint, never, FileSystem.FileSystem | Path.Path> {
  const files = yield* FileSystem.FileSystem
  const [configuration = null, ...dotEnv] = yield* Effect.forEach([file, ...(yield* DotEnv.files(file))], (name) =>
    Effect.orElseSucceed(files.readFileString(name), () => null),
  )
  return fingerprintOf({ configuration, dotEnv })
})

/** What these texts have in them. */
export const fingerprintOf = ({ configuration, dotEnv }: ConfigFiles): Fingerprint =>
  hash("sha256", JSON.stringify([configuration, ...dotEnv]))

/** Runs `changed` whenever the files have other contents than before, at first than `known`. Never ends. */
export const run = Effect.fnUntraced(function* (file: string, known: Fingerprint, changed: Effect.Effect<void>) {
  let [reported, last] = [known, known]
  while (true) {
    yield* Effect.sleep(interval)
    const now = yield* fingerprint(file)
    if (now !== reported && now === last) {
      reported = now
      yield* changed
    }
    last = now
  }
})
