/**
 * Operations besides chat: every fault at the primary that the operation can have, with a working backup, complete and streamed. A
 * stream is tried with every `protect` where it breaks after its first bytes, because none of them has an effect.
 */
import { protects } from "@understudy/core/Policies"
import { names } from "@understudy/providers/internal/testing/FaultName"
import * as Dialect from "./Dialect.ts"
import type { Mode } from "./Expected.ts"
import * as Expected from "./Expected.ts"
import * as Leaving from "./Leaving.ts"
import * as Pairs from "./Pairs.ts"
import * as Trial from "./Trial.ts"
import type { Vendor } from "./Vendor.ts"

export const operations = Object.keys(Dialect.operations) as ReadonlyArray<Dialect.Operation>

/** Operations that fare alike. */
interface Group {
  readonly title: string
  readonly mode: Mode
  readonly operations: ReadonlyArray<Dialect.Operation>
}

/** The columns of the table. */
export const groups: ReadonlyArray<Group> = [
  {
    title: "plain",
    mode: "plain",
    operations: ["completions", "moderations", "images", "transcriptions", "rerank"],
  },
  { title: "stream of events", mode: "stream", operations: ["completions", "images", "transcriptions"] },
  { title: "stream of bytes", mode: "stream", operations: ["speech"] },
]

/** The vendors of primary and backup: operations have OpenAI's shape, rerank also that of Bedrock. */
const vendorsOf = (operation: Dialect.Operation): ReadonlyArray<readonly [primary: Vendor, backup: Vendor]> =>
  operation === "rerank"
    ? [
        ["openai", "bedrock"],
        ["bedrock", "openai"],
      ]
    : [["openai", "openai"]]

const modesOf = (operation: Dialect.Operation): ReadonlyArray<Mode> =>
  groups.filter(({ operations }) => operations.includes(operation)).map(({ mode }) => mode)

/** Both fail: one fault of each kind, where the response is complete. */
export const pairs: ReadonlyArray<ReadonlyArray<Trial.Trial>> = operations
  .filter((operation) => modesOf(operation).includes("plain"))
  .map((operation) => Pairs.trials(operation, "openai", ["plain"]))

/** The client disconnects. */
export const leaving = (operation: Dialect.Operation) =>
  Leaving.playAll(
    operation,
    "openai",
    modesOf(operation).map((mode) => ({ mode, setting: "preamble" })),
  )

/** What is expected of a trial of an operation; `undefined` for other trials. */
export const expected = ({ dialect, mode, primary }: Trial.Trial): Expected.Expected | undefined => {
  const operation = operations.find((operation) => operation === dialect)
  return operation && Expected.ofOperation(primary, operation, mode)
}

export const trials = (operation: Dialect.Operation): ReadonlyArray<Trial.Trial> =>
  names.flatMap((primary) =>
    modesOf(operation)
      .filter((mode) => Expected.ofOperation(primary, operation, mode) !== undefined)
      .flatMap((mode) => {
        const hasSettings = mode === "stream" && Expected.isPastCommit(primary)
        return vendorsOf(operation).flatMap(([vendor, behind]) =>
          (hasSettings ? protects : ["preamble" as const]).map((setting) => ({
            dialect: operation,
            vendor,
            behind,
            setting,
            mode,
            primary,
            backup: "ok",
            retries: true,
            oneText: false,
          })),
        )
      }),
  )

/** What an outcome has against it; none if it is as expected. */
export const complaints = (outcome: Trial.Outcome): ReadonlyArray<string> => {
  const wanted = expected(outcome.trial)
  return wanted === undefined ? ["it has no expectation"] : Trial.against(outcome, wanted)
}
