/**
 * Runs real clients as programs of their own against a gateway whose deployments fail. No account is used: the vendors
 * are the fault server.
 *
 *     npm run clients                 all of what follows
 *     npm run clients -- turns        Claude Code and Codex read a file with a tool though the primary is down;
 *                                     `--fault cut-2` breaks it in another way, `--backup gemini` has another vendor answer
 *     npm run clients -- failures     every client asks of routes on which all deployments fail; with all clients and all
 *                                     failures, the table in docs/clients.md is written anew
 *
 *     npm run clients -- operations   the SDKs of OpenAI and Cohere call each endpoint besides chat on a route whose primary is down;
 *                                     the table in docs/clients.md is written anew
 *
 * `--only claude,openai-py` names clients, `--failure overloaded,quota` failures. The programs come from the npm registry and
 * from PyPI, some 2 GB on disk, and are kept in the system's temporary folder.
 */
import { parseArgs } from "node:util"
import { clients } from "./Client.ts"
import { write, writeOperations } from "./Document.ts"
import type { Failure } from "./Failures.ts"
import { failureNames, observe } from "./Failures.ts"
import * as Operations from "./Operations.ts"
import { agents, turn } from "./Turn.ts"
import { isVendor, vendors } from "./Vendor.ts"

const { positionals, values } = parseArgs({
  allowPositionals: true,
  options: {
    only: { type: "string" },
    failure: { type: "string" },
    fault: { type: "string", default: "503" },
    backup: { type: "string" },
  },
})
const { backup, fault } = values
if (backup !== undefined && !isVendor(backup))
  throw new Error(`--backup takes one of ${Object.keys(vendors).join(", ")}`)

const listed = (names: string | undefined, all: ReadonlyArray<string>, flag: string): ReadonlyArray<string> => {
  const chosen = names?.split(",") ?? all
  for (const name of chosen) if (!all.includes(name)) throw new Error(`${flag} takes any of ${all.join(", ")}`)
  return chosen
}
const only = listed(values.only, Object.keys(clients), "--only")
const failing = listed(values.failure, failureNames, "--failure") as ReadonlyArray<Failure>

const [what] = positionals
if (what === undefined || what === "turns") {
  for (const [name, agent] of Object.entries(agents)) {
    if (only.includes(name) && !(await turn(name, agent, { backup, fault }))) process.exitCode = 1
  }
}
if (what === undefined || what === "operations") {
  const observed = await Operations.observe()
  writeOperations(observed)
  const answers = [...observed.values()].flatMap((answers) => [...answers.values()])
  if (answers.some((answer) => answer !== "answered")) process.exitCode = 1
}
if (what === undefined || what === "failures") {
  const outcomes = await observe(Object.fromEntries(only.map((name) => [name, clients[name]!])), failing)
  if (values.only === undefined && values.failure === undefined) write(outcomes)
  else console.log(JSON.stringify(outcomes, undefined, 2))
}
