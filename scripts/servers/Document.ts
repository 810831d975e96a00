/** Writes what was observed of the servers into docs/providers.md, between its markers. */
import { readFileSync, writeFileSync } from "node:fs"
import { join } from "node:path"
import { servers } from "./Server.ts"

/** One question to one server, and what came of it. */
export interface Row {
  readonly server: string
  readonly question: string
  readonly answered: string
  readonly reason: string
  readonly attempts: number
  /** Which deployment answers an ordinary call afterwards. */
  readonly next: string
}

const file = join(import.meta.dirname, "../../docs/providers.md")
const [begin, end] = ["<!-- servers: begin -->", "<!-- servers: end -->"]

export const write = (rows: ReadonlyArray<Row>): void => {
  const text = readFileSync(file, "utf8")
  const [before, after] = [text.slice(0, text.indexOf(begin)), text.slice(text.indexOf(end))]
  writeFileSync(file, `${before}${begin}\n\n${table(rows)}\n\n${after}`)
}

const cells = (texts: ReadonlyArray<string>): string =>
  `| ${texts.map((text) => text.replaceAll("|", "\\|")).join(" | ")} |`

export const table = (rows: ReadonlyArray<Row>): string =>
  Object.values(servers)
    .flatMap(({ title, version }) => {
      const own = rows.filter(({ server }) => server === title)
      if (own.length === 0) return []
      return [
        [
          `**${title} ${version}**`,
          "",
          cells(["request", "answered by", "server's error", "failed attempts at the server", "next call answered by"]),
          cells(["---", "---", "---", "---", "---"]),
          ...own.map(({ answered, attempts, next, question, reason }) =>
            cells([question, answered, reason, String(attempts), next]),
          ),
        ].join("\n"),
      ]
    })
    .join("\n\n")
