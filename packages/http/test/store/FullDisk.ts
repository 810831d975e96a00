/** A file system with room for so many more characters; then it fails as a full disk does. */
import * as Effect from "effect/Effect"
import * as FileSystem from "effect/FileSystem"

export const make = Effect.map(FileSystem.FileSystem, (real) => {
  let room = Infinity
  const writeFileString: FileSystem.FileSystem["writeFileString"] = (path, text, options) => {
    const taken = Math.min(room, text.length)
    room -= taken
    const written = real.writeFileString(path, text.slice(0, taken), options)
    return taken === text.length ? written : Effect.andThen(written, real.writeFileString("/dev/full", "-"))
  }
  return {
    files: FileSystem.FileSystem.of({ ...real, writeFileString }),
    leave: (characters: number) => {
      room = characters
    },
  }
})
