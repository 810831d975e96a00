/**
 * The progress of a rehearsal, as a bar on standard error. Without a terminal there is none.
 */
import type { Progress } from "@understudy/core/Rehearsal"
import * as Effect from "effect/Effect"

/** Shows the progress of a rehearsal that lasts so many milliseconds of virtual time, and clears it when it has ended. */
export const showing = <A, E, R>(
  name: string,
  length: number,
  run: (onProgress: (progress: Progress) => void) => Effect.Effect<A, E, R>,
): Effect.Effect<A, E, R> => {
  const { stderr } = process
  if (!stderr.isTTY) return run(() => {})
  let start: number | undefined
  const show = ({ at, availability, calls }: Progress): void => {
    start ??= at - minute
    const share = Math.min(1, (at - start) / length)
    stderr.write(
      `\r${bar(share)} ${(share * 100).toFixed(0).padStart(3)} %  ${name}: ${calls.toLocaleString("en-US")} calls, ${(availability * 100).toFixed(2)} % answered `,
    )
  }
  return Effect.ensuring(
    run(show),
    Effect.sync(() => stderr.write(eraseLine)),
  )
}

/** The control sequence that erases a line, however wide the terminal is: some say that they have no columns. */
const eraseLine = "\r\u001B[K"

const minute = 60_000
const width = 24

const bar = (share: number): string => {
  const done = Math.round(share * width)
  return "█".repeat(done) + "░".repeat(width - done)
}
