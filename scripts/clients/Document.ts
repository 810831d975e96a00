/** Writes what was observed of the clients into the documentation, between its markers. */
import { readFileSync, writeFileSync } from "node:fs"
import { join } from "node:path"
import type { Client } from "./Client.ts"
import { clients } from "./Client.ts"
import type { Outcome, Outcomes } from "./Failures.ts"
import { failureNames, failures } from "./Failures.ts"
import type { Answers } from "./Operations.ts"

const file = join(import.meta.dirname, "../../docs/clients.md")

/** Replaces what is between the markers of that name. */
const replace = (name: string, markdown: string): void => {
  const text = readFileSync(file, "utf8")
  const [begin, end] = [`<!-- ${name}: begin -->`, `<!-- ${name}: end -->`]
  const [before, after] = [text.slice(0, text.indexOf(begin)), text.slice(text.indexOf(end))]
  writeFileSync(file, `${before}${begin}\n\n${markdown}\n\n${after}`)
}

export const write = (outcomes: Outcomes): void => replace("clients", `${counts(outcomes)}\n\n${shown(outcomes)}`)

/** The calls of other endpoints than chat, and what became of them in each client. */
export const writeOperations = (observed: ReadonlyMap<Pick<Client, "title">, Answers>): void => {
  const calls = [...new Set([...observed.values()].flatMap((answers) => [...answers.keys()]))]
  const cell = (text: string): string => text.replaceAll("|", "\\|")
  replace(
    "operations",
    [
      row(["call", ...[...observed.keys()].map(({ title }) => title)]),
      row(["---", ...[...observed.keys()].map(() => "---")]),
      ...calls.map((call) => row([call, ...[...observed.values()].map((answers) => cell(answers.get(call) ?? ""))])),
    ].join("\n"),
  )
}

const row = (cells: ReadonlyArray<string>): string => `| ${cells.join(" | ")} |`

/** Requests and the seconds from the first to the last; `+` where the client was still asking. */
const count = ({ code, requests, seconds }: Outcome): string => {
  const span = requests > 1 ? `/${seconds < 10 ? seconds.toFixed(1) : Math.round(seconds)}` : ""
  return `${requests}${span}${code === undefined ? "+" : ""}`
}

const counts = (outcomes: Outcomes): string =>
  [
    row(["client", ...failureNames.map((name) => failures[name])]),
    row(["---", ...failureNames.map(() => "---")]),
    ...Object.entries(outcomes).map(([name, of]) =>
      row([
        `${clients[name]!.title} ${clients[name]!.version}`,
        ...failureNames.map((failure) => (of[failure] === undefined ? "" : count(of[failure]))),
      ]),
    ),
  ].join("\n")

/** The failures whose words are shown: one of each kind of ending. */
const told = ["rate-limit", "overloaded", "bad-key", "context-length", "cut-2"] as const

const shown = (outcomes: Outcomes): string =>
  told
    .map((failure) =>
      [
        `**${failures[failure]}**`,
        "",
        row(["client", "error shown to the user"]),
        row(["---", "---"]),
        ...Object.entries(outcomes).map(([name, of]) => row([clients[name]!.title, words(of[failure])])),
      ].join("\n"),
    )
    .join("\n\n")

const longest = 160

const words = (outcome: Outcome | undefined): string => {
  if (outcome === undefined) return ""
  const text = outcome.shown.replaceAll("|", "\\|").replaceAll("`", "'")
  const cut = text.length > longest ? `${text.slice(0, longest)} …` : text
  return outcome.code === undefined ? `still retrying: ${cut}` : outcome.code === 0 ? `(as a response) ${cut}` : cut
}
