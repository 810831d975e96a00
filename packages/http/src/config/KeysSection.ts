/**
 * The `keys` section of a configuration: virtual keys.
 */
import { priorities } from "@understudy/core/Policies"
import type { Route } from "@understudy/core/Route"
import { conditions } from "@understudy/core/Route"
import { didYouMean } from "@understudy/core/internal/route/Suggestion"
import { limits, queue } from "@understudy/providers/internal/config/Deployments"
import type { Problem } from "@understudy/providers/internal/config/ConfigError"
import { keyPath } from "@understudy/providers/internal/config/ConfigError"
import { count, secret, source, text, word } from "@understudy/providers/internal/config/Fields"
import * as Redacted from "effect/Redacted"
import * as Schema from "effect/Schema"
import type { ConfiguredKey, Team } from "../auth/VirtualKey.ts"
import { roles } from "../auth/VirtualKey.ts"
import { KeyBudget } from "./BudgetsSection.ts"
import { Tag } from "./Tag.ts"
import { Timestamp } from "./Timestamp.ts"

const optional = Schema.optionalKey

/** The limits of a key or a team. */
export const KeyLimits = Schema.Struct({
  ...limits,
  cpm: optional(count),
  queue: optional(Schema.Struct({ ...queue, priority: optional(word(priorities)) })),
})

/** A list of tags. */
export const Tags = Schema.Array(Tag).annotate({ expected: "a list of tags" })

/** A team by its name. Its limits are known if a database has a team with that name. */
const TeamName = source<Team, string>({
  from: Schema.String,
  to: Schema.Any,
  expected: "the name of a team",
  notes: { quotable: true },
  parse: (name) => (name.trim() === "" ? undefined : { id: name, name }),
  print: ({ name }) => name,
})

/** The schema of the section. `callable`: the names of routes and deployments. */
export const KeysSection = (callable: ReadonlyArray<string>) =>
  Schema.Array(
    Schema.Struct({
      id: text("a name for the key, such as team-a").pipe(
        Schema.annotateKey({ messageMissingKey: "is missing: give the key a name, such as team-a" }),
      ),
      key: secret.pipe(
        Schema.annotateKey({
          messageMissingKey: 'is missing: give the secret that clients send, such as "${TEAM_A_KEY}"',
        }),
      ),
      team: optional(TeamName),
      role: optional(word(roles)),
      tags: optional(Tags),
      expiresAt: optional(Timestamp),
      limits: optional(KeyLimits),
      budgets: optional(
        Schema.Array(KeyBudget).annotate({ expected: "a list such as [{ amount: 5, window: month }]" }),
      ),
      routes: optional(
        Schema.NonEmptyArray(
          word(callable).pipe(
            Schema.annotateKey({ messageMissingKey: "is missing: name a route, or remove `routes` to allow all" }),
          ),
        ).annotate({ expected: "a list of names of routes and deployments" }),
      ),
    }),
  ).annotate({ expected: 'a list such as [{ id: team-a, key: "${TEAM_A_KEY}" }]' })

/** The problems of keys with the id or the secret of another key. */
export const duplicates = (keys: ReadonlyArray<ConfiguredKey>): ReadonlyArray<Problem> => {
  const [ids, secrets] = [new Set<string>(), new Set<string>()]
  return keys.flatMap(({ id, key }, index) => {
    const secret = Redacted.value(key)
    const problems = [
      ...(ids.has(id)
        ? [{ path: `keys[${index}].id`, message: `another key has the id "${id}": rename one of them` }]
        : []),
      ...(secrets.has(secret)
        ? [{ path: `keys[${index}].key`, message: "another key has the same secret: each key needs its own" }]
        : []),
    ]
    ids.add(id)
    secrets.add(secret)
    return problems
  })
}

/** The problems of routes whose conditions name a key that does not exist. */
export const unknownKeys = (
  routes: Readonly<Record<string, Route>>,
  keys: ReadonlyArray<ConfiguredKey>,
): ReadonlyArray<Problem> => {
  const ids = keys.map(({ id }) => id)
  return Object.entries(routes).flatMap(([name, route]) =>
    conditions(route)
      .flatMap(({ keys = [] }) => keys)
      .filter((id) => !ids.includes(id))
      .map((id) => ({
        path: keyPath("routes", name),
        message: `has a condition for the key "${id}", but no key has that id${didYouMean(id, ids) || "."}`,
      })),
  )
}
