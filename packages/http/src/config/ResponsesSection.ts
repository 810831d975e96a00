/**
 * The `responses` section of a configuration: whether responses of OpenAI's Responses API are stored, and for how long.
 */
import type { Problem } from "@understudy/providers/Config"
import { PositiveDuration } from "@understudy/providers/internal/config/DurationText"
import { countOrNone, flag } from "@understudy/providers/internal/config/Fields"
import * as Duration from "effect/Duration"
import * as Schema from "effect/Schema"
import type { Database } from "../store/Store.ts"

const optional = Schema.optionalKey

export const ResponsesSection = Schema.Struct({
  store: optional(flag),
  keep: optional(PositiveDuration),
  background: optional(countOrNone),
  webSocket: optional(flag),
})

export interface ResponsesSettings {
  /** Whether responses are stored, unless a call says `store: false`. */
  readonly store: boolean
  /** How long a response is kept after the last call that continued it. */
  readonly keep: Duration.Duration
  /** How many responses a process runs in the background at once. */
  readonly background: number
  /** Whether clients may call over WebSockets, whether or not responses are stored. */
  readonly webSocket: boolean
}

export const defaults: ResponsesSettings = { store: false, keep: Duration.days(30), background: 100, webSocket: true }

/** The section with its defaults filled in. */
export const settings = (section: typeof ResponsesSection.Type): ResponsesSettings => ({ ...defaults, ...section })

/** The problem of a section that stores responses without a database. */
export const missingDatabase = (
  { store }: typeof ResponsesSection.Type,
  database: Database | undefined,
): ReadonlyArray<Problem> =>
  store === true && database === undefined
    ? [
        {
          path: "responses.store",
          message: "needs a database: add `database: sqlite:./understudy.db` or a postgres:// address",
        },
      ]
    : []
