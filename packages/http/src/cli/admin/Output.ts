/**
 * What the commands of `/admin` print, and the confirmation that deletions need.
 */
import * as Prompt from "effect/cli/Prompt"
import * as Console from "effect/Console"
import * as Effect from "effect/Effect"
import * as Stdio from "effect/Stdio"
import { plain } from "../../observe/PlainText.ts"
import type { Reply } from "./AdminClient.ts"
import { CommandFailed } from "./AdminClient.ts"

/** Options of every command. */
export interface Common {
  readonly url: string | undefined
  /** Print the JSON of the API in place of tables. */
  readonly json: boolean
}

/** Prints lines. Names in them were chosen by others: they cannot change the terminal. */
export const print = (lines: ReadonlyArray<string>): Effect.Effect<void> => Console.log(lines.map(plain).join("\n"))

/** Prints the JSON of a reply, or these lines. */
export const show = <A>(
  { json, value }: Reply<A>,
  common: Common,
  lines: (value: A) => ReadonlyArray<string>,
): Effect.Effect<void> => print(common.json ? JSON.stringify(json, undefined, 2).split("\n") : lines(value))

/** Asks on a terminal, with the answer no by default. Without a terminal it fails, unless `yes`. */
export const confirm = Effect.fnUntraced(function* (text: string, yes: boolean) {
  if (yes) return
  const question = plain(text)
  const { stdinIsTerminal, stdoutIsTerminal } = yield* Stdio.Stdio
  if (!(yield* stdinIsTerminal) || !(yield* stdoutIsTerminal)) {
    return yield* new CommandFailed({ message: `${question} There is no terminal to ask on: add --yes.` })
  }
  if (!(yield* Prompt.run(Prompt.Confirm({ message: question })))) {
    return yield* new CommandFailed({ message: "Nothing is deleted." })
  }
})
