/** Writes what was observed of the clients into docs/clients.md, between its markers. */
import { readFileSync, writeFileSync } from "node:fs"
import { join } from "node:path"
import { clients } from "./Client.ts"
import type { Outcome, Outcomes } from "./Failures.ts"
import { failureNames, failures } from "./Failures.ts"

const file = join(import.meta.dirname, "../../docs/clients.md")
const [begin, end] = ["<!-- clients: begin -->", "<!-- clients: end -->"]

export const write = (outcomes: Outcomes): void => {
  const text = readFileSync(file, "utf8")
  const [before, after] = [text.slice(0, text.indexOf(begin)), text.slice(text.indexOf(end))]
  writeFileSync(file, `${before}${begin}\n\n${counts(outcomes)}\n\n${shown(outcomes)}\n\n${after}`)
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
