/**
 * The fields of keys, teams and budgets, as `/admin` receives and shows them. Absent values are shown as null.
 */
import { KeyBudget } from "../../config/BudgetsSection.ts"
import { KeyLimits, Tags } from "../../config/KeysSection.ts"
import { Tag } from "../../config/Tag.ts"
import * as Timestamp from "../../config/Timestamp.ts"
import type { KeyLimits as VirtualKeyLimits } from "../../auth/VirtualKey.ts"
import { roles } from "../../auth/VirtualKey.ts"
import { flag, source, text, word } from "@understudy/providers/internal/config/Fields"
import { priorities } from "@understudy/core/Policies"
import { printDuration } from "@understudy/providers/internal/config/DurationText"
import * as Duration from "effect/Duration"
import * as Schema from "effect/Schema"

const optional = Schema.optionalKey

const maxName = 200

const name = (example: string) =>
  source({
    from: Schema.String,
    to: Schema.String,
    expected: `a text of at most ${maxName} characters, such as ${example}`,
    parse: (text) => (text.trim() === "" || text.length > maxName ? undefined : text.trim()),
    print: (text) => text,
  })

const Routes = Schema.NonEmptyArray(
  text("the name of a route or a deployment").pipe(
    Schema.annotateKey({ messageMissingKey: "is missing: name a route, or leave out `routes` to allow all" }),
  ),
).annotate({
  expected: "a list of names of routes and deployments; leave it out to allow all",
})

/** The longest metadata of a key or a team, as JSON text. */
const maxMetadata = 16_384

const Metadata = Schema.Record(Schema.String, Schema.Json)
  .annotate({ expected: "a mapping" })
  .check(
    Schema.makeFilter((metadata) => JSON.stringify(metadata).length <= maxMetadata, {
      expected: `a mapping of at most ${maxMetadata} characters as JSON`,
    }),
  )

/** How many budgets and tags a key may have: every call reserves in all of them. */
const most = 100

const few = { expected: `a list of at most ${most} elements` }

const Budgets = Schema.Array(KeyBudget)
  .annotate({ expected: 'a list such as [{ "amount": 5, "window": "month" }]' })
  .check(Schema.makeFilter((budgets) => budgets.length <= most, few))

const keyFields = {
  name: name("ci").pipe(Schema.annotateKey({ messageMissingKey: "is missing: give the key a name, such as ci" })),
  team: optional(text("the name or the id of a team")),
  role: optional(word(roles)),
  routes: optional(Routes),
  limits: optional(KeyLimits),
  tags: optional(Tags.check(Schema.makeFilter((tags) => tags.length <= most, few))),
  metadata: optional(Metadata),
  expiresAt: optional(Timestamp.Timestamp),
  disabled: optional(flag),
}

const teamFields = {
  name: name("platform").pipe(
    Schema.annotateKey({ messageMissingKey: "is missing: give the team a name, such as platform" }),
  ),
  routes: optional(Routes),
  limits: optional(KeyLimits),
  metadata: optional(Metadata),
  disabled: optional(flag),
}

export const KeyInput = Schema.Struct({ ...keyFields, budgets: optional(Budgets) })
export const KeyChanged = Schema.Struct(keyFields)
export const TeamInput = Schema.Struct({ ...teamFields, budgets: optional(Budgets) })
export const TeamChanged = Schema.Struct(teamFields)

export type KeyChanged = typeof KeyChanged.Type
export type TeamChanged = typeof TeamChanged.Type

/** What is limited: one of these by its name, or `all`. */
export const scopeTypes = ["key", "team", "tag", "route", "deployment", "vendor"] as const

const named = (type: (typeof scopeTypes)[number]) => optional(text(`the name of a ${type}`))

const expectedScope = {
  expected: '"all", or one of key, team, tag, route, deployment and vendor, such as { "team": "platform" }',
}

const Scope = Schema.Union([
  word(["all"]),
  Schema.Struct({
    key: named("key"),
    team: named("team"),
    tag: optional(Tag),
    route: named("route"),
    deployment: named("deployment"),
    vendor: named("vendor"),
  }),
]).annotate(expectedScope)

export const BudgetInput = Schema.Struct({
  scope: Scope.pipe(Schema.annotateKey({ messageMissingKey: `is missing: expected ${expectedScope.expected}` })),
  ...KeyBudget.fields,
})

export type BudgetInput = typeof BudgetInput.Type

/** What a rotation may say. `overlap`: how long the former text is accepted; default: not at all. */
const overlap = source<number, string>({
  from: Schema.String,
  to: Schema.Finite,
  expected: 'a duration of at most 30 days, such as "24h", "30m" or "7d"',
  parse: (text) => {
    const [, amount, unit] = /^(\d{1,6})(s|m|h|d)$/.exec(text.trim().replace(/\s/g, "")) ?? []
    const millis = Number(amount) * (units.get(unit ?? "") ?? Number.NaN)
    return millis <= maxOverlap ? millis : undefined
  },
  print: (millis) => `${Math.round(millis / 1000)}s`,
})

const units: ReadonlyMap<string, number> = new Map([
  ["s", 1000],
  ["m", 60_000],
  ["h", 3_600_000],
  ["d", 86_400_000],
])

const maxOverlap = 30 * 86_400_000

export const Rotation = Schema.Struct({ overlap: optional(overlap) })

// ---------------------------------------------------------------------------------------------------------------------
// What is shown
// ---------------------------------------------------------------------------------------------------------------------

const nullable = Schema.NullOr

const Limits = Schema.Struct({
  rpm: optional(Schema.Finite),
  tpm: optional(Schema.Finite),
  rpd: optional(Schema.Finite),
  concurrency: optional(Schema.Finite),
  cpm: optional(Schema.Finite),
  queue: optional(
    Schema.Struct({
      max: optional(Schema.Finite),
      maxWait: optional(Schema.String),
      priority: optional(Schema.Literals(priorities)),
    }),
  ),
})

/** Limits as they are shown. */
export const shownLimits = (limits: VirtualKeyLimits): typeof Limits.Type => {
  const { queue, ...counts } = limits
  if (queue === undefined) return counts as typeof Limits.Type
  const { maxWait, ...others } = queue
  const wait = maxWait === undefined ? undefined : { maxWait: printDuration(Duration.fromInputUnsafe(maxWait)) }
  return { ...counts, queue: { ...others, ...wait } } as typeof Limits.Type
}

const Time = Schema.String

const Source = Schema.Literals(["database", "configuration"])

export const Budget = Schema.Struct({
  id: Schema.String,
  scope: Schema.Union([
    Schema.Literal("all"),
    ...scopeTypes.map((type) => Schema.Struct({ [type]: Schema.String })),
  ] as ReadonlyArray<Schema.Codec<Scope>>),
  amount: Schema.Finite,
  window: Schema.String,
  timeZone: nullable(Schema.String),
  then: Schema.Union([Schema.Literal("refuse"), Schema.Struct({ use: Schema.String })]),
  alerts: Schema.Array(Schema.Finite),
  spent: Schema.Finite,
  reserved: Schema.Finite,
  remaining: Schema.Finite,
  resetsAt: nullable(Time),
  source: Source,
  createdAt: nullable(Time),
  updatedAt: nullable(Time),
})

/** A scope as it is shown. */
export type Scope = "all" | { readonly [type: string]: string }

export const Key = Schema.Struct({
  id: Schema.String,
  name: Schema.String,
  hint: nullable(Schema.String),
  team: nullable(Schema.String),
  teamId: nullable(Schema.String),
  role: Schema.Literals([...roles, "operator"]),
  routes: nullable(Schema.Array(Schema.String)),
  limits: nullable(Limits),
  tags: Schema.Array(Schema.String),
  metadata: Schema.Record(Schema.String, Schema.Json),
  expiresAt: nullable(Time),
  disabled: Schema.Boolean,
  formerKeyUntil: nullable(Time),
  source: Source,
  createdAt: nullable(Time),
  updatedAt: nullable(Time),
  lastUsedAt: nullable(Time),
})

export type Key = typeof Key.Type
export type Budget = typeof Budget.Type

/** A new or rotated key, with its text, which is shown once. */
export const NewKey = Schema.Struct({
  ...Key.fields,
  key: optional(Schema.String),
  budgets: optional(Schema.Array(Budget)),
  note: optional(Schema.String),
})

export const KeyWithBudgets = Schema.Struct({ ...Key.fields, budgets: Schema.Array(Budget) })

export const Team = Schema.Struct({
  id: Schema.String,
  name: Schema.String,
  routes: nullable(Schema.Array(Schema.String)),
  limits: nullable(Limits),
  metadata: Schema.Record(Schema.String, Schema.Json),
  disabled: Schema.Boolean,
  keys: Schema.Finite,
  createdAt: Time,
  updatedAt: Time,
})

export type Team = typeof Team.Type

export const TeamWithBudgets = Schema.Struct({ ...Team.fields, budgets: Schema.Array(Budget) })

export const AuditEntry = Schema.Struct({
  seq: Schema.Finite,
  at: Time,
  actor: Schema.String,
  action: Schema.Literals(["create", "update", "delete", "rotate"]),
  kind: Schema.Literals(["key", "team", "budget", "faults"]),
  id: Schema.String,
  before: Schema.Json,
  after: Schema.Json,
})
