/**
 * The `keys` section of a configuration: who may call, by keys of the gateway's own.
 */
import type { Route } from "@understudy/core/Route"
import { conditions } from "@understudy/core/Route"
import { didYouMean } from "@understudy/core/internal/route/Suggestion"
import { Limits } from "@understudy/providers/internal/config/Deployments"
import type { Problem } from "@understudy/providers/internal/config/ConfigError"
import { keyPath } from "@understudy/providers/internal/config/ConfigError"
import { count, secret, text, word } from "@understudy/providers/internal/config/Fields"
import * as Redacted from "effect/Redacted"
import * as Schema from "effect/Schema"
import type { VirtualKey } from "../auth/VirtualKey.ts"

const optional = Schema.optionalKey

const KeyLimits = Schema.Struct({ ...Limits.fields, cpm: optional(count) })

/** The section where these can be called. */
export const KeysSection = (callable: ReadonlyArray<string>) =>
  Schema.Array(
    Schema.Struct({
      id: text("a name for the key's holder, such as team-a").pipe(
        Schema.annotateKey({ messageMissingKey: "is missing: name the key's holder, such as team-a" }),
      ),
      key: secret.pipe(
        Schema.annotateKey({ messageMissingKey: 'is missing: give the secret that is sent, such as "${TEAM_A_KEY}"' }),
      ),
      limits: optional(KeyLimits),
      routes: optional(
        Schema.NonEmptyArray(
          word(callable).pipe(
            Schema.annotateKey({ messageMissingKey: "is missing: name a route, or leave `routes` out to mean all" }),
          ),
        ).annotate({ expected: "a list of names of routes and deployments" }),
      ),
    }),
  ).annotate({ expected: 'a list such as [{ id: team-a, key: "${TEAM_A_KEY}" }]' })

/** What each may not share with another: its name in the logs, and the secret that tells them apart. */
export const doubles = (keys: ReadonlyArray<VirtualKey>): ReadonlyArray<Problem> => {
  const [ids, secrets] = [new Set<string>(), new Set<string>()]
  return keys.flatMap(({ id, key }, index) => {
    const secret = Redacted.value(key)
    const problems = [
      ...(ids.has(id)
        ? [{ path: `keys[${index}].id`, message: `another key has the id "${id}": rename one of them` }]
        : []),
      ...(secrets.has(secret)
        ? [{ path: `keys[${index}].key`, message: "another key is the same: nobody could tell whose it is" }]
        : []),
    ]
    ids.add(id)
    secrets.add(secret)
    return problems
  })
}

/** Routes that look for callers that there are none of: what they have for them would never be taken. */
export const strangers = (
  routes: Readonly<Record<string, Route>>,
  keys: ReadonlyArray<VirtualKey>,
): ReadonlyArray<Problem> => {
  const ids = keys.map(({ id }) => id)
  return Object.entries(routes).flatMap(([name, route]) =>
    conditions(route)
      .flatMap(({ keys: callers = [] }) => callers)
      .filter((caller) => !ids.includes(caller))
      .map((caller) => ({
        path: keyPath("routes", name),
        message: `looks for the caller "${caller}", but no key has that id${didYouMean(caller, ids) || "."}`,
      })),
  )
}
