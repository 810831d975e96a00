/**
 * Keys and teams by the names that people know them by, and those names by their ids.
 */
import { didYouMean } from "@understudy/core/internal/route/Suggestion"
import * as Effect from "effect/Effect"
import type * as Fields from "../../api/admin/Fields.ts"
import { plain } from "../../observe/PlainText.ts"
import type { AdminClient } from "./AdminClient.ts"
import * as Client from "./AdminClient.ts"
import { defined } from "./FlagFields.ts"

/** The first keys, at most `limit`, of a team if one is given. */
export const keys = (api: AdminClient, limit: number | undefined, team?: string) =>
  Client.pages(limit, (query) =>
    Client.reply(api.keys.list({ query: { ...query, ...defined({ team }) }, ...Client.withResponse })),
  )

/** The key with this id, or the only one with this name. */
export const key = (api: AdminClient, idOrName: string) =>
  Effect.catchIf(keyWithId(api, idOrName), isNotFound, () =>
    Effect.flatMap(keys(api, undefined), ({ value: { data } }) => {
      const named = data.filter(({ name }) => name === idOrName)
      const [first] = named
      if (first !== undefined && named.length === 1) return keyWithId(api, first.id)
      if (first !== undefined) {
        return Effect.fail(
          new Client.CommandFailed({
            message: `${named.length} keys have the name "${plain(idOrName)}". Give the id of one: ${named.map(({ id }) => id).join(", ")}.`,
          }),
        )
      }
      const known = data.map(({ name }) => plain(name))
      return Effect.fail(
        new Client.CommandFailed({
          status: 404,
          message: `There is no key "${plain(idOrName)}"${didYouMean(idOrName, known) || ". List them: understudy keys list"}`,
        }),
      )
    }),
  )

const keyWithId = (api: AdminClient, id: string) =>
  Client.reply(api.keys.get({ params: { id }, ...Client.withResponse }))

/** The team with this id or name. */
export const team = (api: AdminClient, idOrName: string) =>
  Client.reply(api.teams.get({ params: { id: idOrName }, ...Client.withResponse }))

const isNotFound = ({ status }: Client.CommandFailed): boolean => status === 404

/** Calls outlive keys and teams, and not every key may read them: what is not found is taken for an id. */
const isHidden = ({ status }: Client.CommandFailed): boolean => status === 404 || status === 403

/** The id of a key that is named by a filter. */
export const keyId = (api: AdminClient, idOrName: string | undefined) => idOf(idOrName, (name) => key(api, name))

/** The id of a team that is named by a filter. */
export const teamId = (api: AdminClient, idOrName: string | undefined) => idOf(idOrName, (name) => team(api, name))

const idOf = (
  idOrName: string | undefined,
  find: (idOrName: string) => Effect.Effect<Client.Reply<{ readonly id: string }>, Client.CommandFailed>,
): Effect.Effect<string | undefined, Client.CommandFailed> =>
  idOrName === undefined || idOrName === ""
    ? Effect.succeed(idOrName)
    : find(idOrName).pipe(
        Effect.map(({ value }) => value.id),
        Effect.catchIf(isHidden, () => Effect.succeed(idOrName)),
      )

/** Names of keys and teams by their ids. */
export type Names = ReadonlyMap<string, string>

export const noNames: Names = new Map()

/** The names of the keys and teams that budgets are for, as far as the key in use may read them. */
export const names = (api: AdminClient, budgets: ReadonlyArray<Fields.Budget>): Effect.Effect<Names> => {
  const named = (type: "key" | "team", get: (id: string) => Effect.Effect<{ readonly name: string }, unknown>) =>
    Effect.forEach(
      new Set(budgets.flatMap(({ scope }) => (scope === "all" ? [] : (scope[type] ?? [])))),
      (id) =>
        Effect.match(get(id), { onFailure: () => [id, id] as const, onSuccess: ({ name }) => [id, name] as const }),
      { concurrency: 8 },
    )
  return Effect.map(
    Effect.all([
      named("key", (id) => api.keys.get({ params: { id } })),
      named("team", (id) => api.teams.get({ params: { id } })),
    ]),
    (found) => new Map(found.flat()),
  )
}
