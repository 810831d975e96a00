/** Programs that end with a scope, with all that they printed. */
import * as Data from "effect/Data"
import * as Effect from "effect/Effect"
import { spawn } from "node:child_process"
import type { ChildProcess } from "node:child_process"

export interface Program {
  readonly child: ChildProcess
  readonly printed: () => string
  /** Waits until the program has ended. */
  readonly ended: Effect.Effect<void>
}

const isOver = (child: ChildProcess): boolean => child.exitCode !== null || child.signalCode !== null

/** Starts a program, and ends it when the scope closes: by SIGTERM, so that it ends its own processes, or after ten seconds by force. */
export const start = (command: string, args: ReadonlyArray<string>) =>
  Effect.acquireRelease(
    Effect.sync((): Program => {
      const child = spawn(command, args, { stdio: ["ignore", "pipe", "pipe"] })
      let printed = ""
      const keep = (bytes: Buffer) => (printed = (printed + bytes.toString()).slice(-200_000))
      child.stdout.on("data", keep)
      child.stderr.on("data", keep)
      child.once("error", (error) => (printed += String(error)))
      const ended = Effect.callback<void>((resume) => {
        if (isOver(child)) return resume(Effect.void)
        const done = () => resume(Effect.void)
        child.once("exit", done)
        return Effect.sync(() => child.off("exit", done))
      })
      return { child, printed: () => printed, ended }
    }),
    ({ child, ended }) =>
      Effect.suspend(() => {
        if (child.pid === undefined || isOver(child)) return Effect.void
        child.kill("SIGTERM")
        return Effect.timeoutOrElse(ended, {
          duration: "10 seconds",
          orElse: () =>
            Effect.andThen(
              Effect.sync(() => child.kill("SIGKILL")),
              ended,
            ),
        })
      }),
  )

/** A program ended that should run, or otherwise than it should. */
export class ProgramEnded extends Data.TaggedError("ProgramEnded")<{ readonly message: string }> {}

/** Waits until `GET url` returns 200. Fails with what the program printed if it ends first. */
export const ready = (program: Program, url: string): Effect.Effect<void, ProgramEnded> =>
  Effect.tryPromise(async () => {
    const response = await fetch(url)
    await response.arrayBuffer()
    return response.ok
  }).pipe(
    Effect.orElseSucceed(() => false),
    Effect.flatMap((isReady) => {
      if (isReady) return Effect.void
      if (isOver(program.child)) {
        return Effect.fail(new ProgramEnded({ message: `a program ended:\n${program.printed()}` }))
      }
      return Effect.andThen(Effect.sleep(50), ready(program, url))
    }),
  )
