/** The faults of a deployment or a route as JSON: of the API, and of the page. */
import * as Faults from "@understudy/core/internal/policy/Fault"
import type { FaultStatus } from "@understudy/core/Router"
import { Fault } from "@understudy/providers/internal/config/Faults"
import * as Schema from "effect/Schema"
import * as Timestamp from "../config/Timestamp.ts"

/** Each fault as the configuration has it, with its name. `active`: the names of those that are on, and until when. */
export interface FaultsJson {
  readonly target: string
  readonly kind: "deployment" | "route"
  readonly faults: ReadonlyArray<typeof Fault.Encoded>
  readonly active: { readonly faults: ReadonlyArray<string>; readonly until: string } | null
}

const encode = Schema.encodeUnknownSync(Fault)

export const of = ({ active, faults, kind, target }: FaultStatus): FaultsJson => ({
  target,
  kind,
  faults: faults.map((fault) => encode({ ...fault, name: Faults.nameOf(fault) })),
  active:
    active === undefined ? null : { faults: active.faults.map(Faults.nameOf), until: Timestamp.print(active.until) },
})
