/**
 * `/admin/keys`. The text of a key is in the response that makes or rotates it, and nowhere else: only its digest is kept. Keys
 * of the configuration are listed, and changed only there.
 */
import type { Router } from "@understudy/core/Router"
import * as Clock from "effect/Clock"
import * as Effect from "effect/Effect"
import * as HttpApiBuilder from "effect/http-api/HttpApiBuilder"
import { SqlClient } from "effect/sql/SqlClient"
import type { SqlError } from "effect/sql/SqlError"
import type { Keyring } from "../../auth/Keyring.ts"
import { digestOf } from "../../auth/Keyring.ts"
import type { KeyLimits, VirtualKey } from "../../auth/VirtualKey.ts"
import { nameOf } from "../../auth/VirtualKey.ts"
import * as Timestamp from "../../config/Timestamp.ts"
import * as KeyText from "../../keys/KeyText.ts"
import type { KeyRow, TeamRow } from "../../keys/StoredKeys.ts"
import * as Actor from "./Actor.ts"
import { AdminApi } from "./AdminApi.ts"
import * as Budgets from "./Budgets.ts"
import * as Fields from "./Fields.ts"
import * as Page from "./Page.ts"
import type { Problem } from "./Problem.ts"
import * as Problems from "./Problem.ts"
import * as Requests from "./Requests.ts"
import * as Teams from "./Teams.ts"

/** A key with the name of its team. */
export interface NamedRow extends KeyRow {
  readonly team_name: string | null
}

export const layer = (keys: Keyring) =>
  HttpApiBuilder.group(AdminApi, "keys", (handlers) =>
    Effect.map(Requests.answering, (answer) =>
      handlers
        .handle("list", ({ query }) => answer(list(keys, query)))
        .handleRaw("create", () => answer(create))
        .handle("me", () => answer(me(keys)))
        .handle("get", ({ params }) => answer(get(keys, params.id)))
        .handleRaw("update", ({ params }) => answer(update(keys, params.id)))
        .handleRaw("rotate", ({ params }) => answer(rotate(keys, params.id)))
        .handle("remove", ({ params }) => answer(remove(keys, params.id))),
    ),
  )

// ---------------------------------------------------------------------------------------------------------------------
// Reads
// ---------------------------------------------------------------------------------------------------------------------

const named = (sql: SqlClient) =>
  sql`SELECT keys.*, teams.name AS team_name FROM keys LEFT JOIN teams ON teams.id = keys.team_id`

/** Keys of the configuration come first: their positions are below zero. */
const list = Effect.fnUntraced(function* (keys: Keyring, query: Page.Query & { readonly team?: string | undefined }) {
  const actor = yield* Actor.current
  const sql = yield* SqlClient
  const [at, id] = query.cursor ?? [Number.MIN_SAFE_INTEGER, ""]
  const own = Actor.managedTeam(actor)
  const inTeam = query.team === undefined ? undefined : yield* Teams.named(actor, Actor.viewerRole, "team", query.team)
  const isSeen = (id: string, teamId: string | undefined): boolean =>
    (Actor.seesAll(actor) || id === actor.id || (own !== undefined && teamId === own.id)) &&
    (inTeam === undefined || teamId === inTeam.id)
  const configured = keys
    .configuredKeys()
    .map((key, index, all) => ({ key, position: index - all.length }))
    .filter(({ key, position }) => position > at && isSeen(key.id, key.team?.id))
  const rows = yield* sql<NamedRow>`${named(sql)} WHERE ${sql.and([
    sql`(keys.created_at, keys.id) > (${Math.max(at, -1)}, ${id})`,
    ...(inTeam === undefined ? [] : [sql`keys.team_id = ${inTeam.id}`]),
    ...(Actor.seesAll(actor)
      ? []
      : [own === undefined ? sql`keys.id = ${actor.id}` : sql`(keys.team_id = ${own.id} OR keys.id = ${actor.id})`]),
  ])} ORDER BY keys.created_at, keys.id LIMIT ${Page.rowsToRead(query)}`
  return Page.of(
    [
      ...configured.map(({ key, position }) => ({ position: [position, key.id] as const, key: showConfigured(key) })),
      ...rows.map((row) => ({ position: [row.created_at, row.id] as const, key: show(keys, row) })),
    ],
    query,
    ({ position }) => position,
    ({ key }) => key,
  )
})

const me = Effect.fnUntraced(function* (keys: Keyring) {
  const { id } = yield* Actor.current
  return id === "operator" ? operator : yield* found(keys, id)
})

const get = Effect.fnUntraced(function* (keys: Keyring, id: string) {
  const actor = yield* Actor.current
  const own = Actor.managedTeam(actor)
  if (id !== actor.id && own === undefined) yield* Actor.requireViewer(actor)
  const key = yield* found(keys, id)
  if (own !== undefined && id !== actor.id && key.teamId !== own.id) return yield* Effect.fail(noKey(id))
  return key
})

/** A key as it is shown, with its budgets. */
const found = Effect.fnUntraced(function* (keys: Keyring, id: string) {
  const configured = keys.configuredKeys().find((key) => key.id === id)
  const key = configured === undefined ? show(keys, yield* find(id)) : showConfigured(configured)
  return { ...key, budgets: yield* Budgets.shownOf("key", id) }
})

const find = Effect.fnUntraced(function* (id: string): Effect.fn.Return<NamedRow, Problem | SqlError, SqlClient> {
  const sql = yield* SqlClient
  const [row] = yield* sql<NamedRow>`${named(sql)} WHERE keys.id = ${id}`
  return row ?? (yield* Effect.fail(noKey(id)))
})

const noKey = (id: string): Problem => Problems.notFound(`There is no key "${id}".`)

// ---------------------------------------------------------------------------------------------------------------------
// Changes
// ---------------------------------------------------------------------------------------------------------------------

const create = Effect.gen(function* () {
  const actor = yield* Actor.current
  if (Actor.managedTeam(actor) === undefined) yield* Actor.requireAdmin(actor)
  const body = yield* Requests.body()
  const { budgets = [], ...input } = yield* Requests.decode(Fields.KeyInput, body)
  return yield* Requests.change(actor, body, (record) =>
    Effect.gen(function* () {
      const sql = yield* SqlClient
      const now = yield* Clock.currentTimeMillis
      const { row, team } = yield* checked(actor, Requests.newId("key"), input)
      const allowed = allowedRoutes(input.routes, team)
      for (const [index, budget] of budgets.entries()) {
        yield* Budgets.checkRoute(`budgets[${index}].`, budget, allowed)
      }
      const text = KeyText.make()
      const made: KeyRow = {
        ...row,
        hash: digestOf(text),
        hint: KeyText.hintOf(text),
        previous_hash: null,
        previous_until: null,
        created_at: now,
        updated_at: now,
        last_used_at: null,
      }
      yield* sql`INSERT INTO keys ${sql.insert({ ...made })}`
      yield* record({
        actor: actor.id,
        action: "create",
        kind: "key",
        subjectId: made.id,
        before: undefined,
        after: written({ ...made, team_name: team?.name ?? null }),
      })
      const limited = yield* Effect.forEach(budgets, (budget) =>
        Budgets.create(actor, record, { type: "key", name: made.id }, budget),
      )
      return {
        status: 201,
        body: {
          ...shownRow({ ...made, team_name: team?.name ?? null }, undefined),
          budgets: yield* Budgets.shownRows(limited),
        },
        once: { key: text },
        instead: { note: keptNowhere },
      }
    }),
  )
})

const keptNowhere = "The key was shown in the first response and is not kept. To get a new one, rotate it."

const update = Effect.fnUntraced(function* (keys: Keyring, id: string) {
  const actor = yield* Actor.current
  yield* checkStored(keys, actor, id)
  const body = yield* Requests.body()
  return yield* Requests.change(actor, body, (record) =>
    Effect.gen(function* () {
      const sql = yield* SqlClient
      const before = yield* managed(actor, id)
      const merged = Requests.merge(Requests.withoutNulls(written(before)), body)
      const input = yield* Requests.decode(Fields.KeyChanged, merged)
      const { row, team } = yield* checked(actor, id, input)
      const after: NamedRow = {
        ...before,
        ...row,
        team_name: team?.name ?? null,
        updated_at: yield* Clock.currentTimeMillis,
      }
      yield* sql`UPDATE keys SET ${sql.update({ ...row, updated_at: after.updated_at }, ["id"])} WHERE id = ${id}`
      yield* record({
        actor: actor.id,
        action: "update",
        kind: "key",
        subjectId: id,
        before: written(before),
        after: written(after),
      })
      return { status: 200, body: { ...show(keys, after), budgets: yield* Budgets.shownOf("key", id) } }
    }),
  )
})

/** Gives a key another text. The former one is accepted for the overlap, if one is said. Managers may rotate their own key. */
const rotate = Effect.fnUntraced(function* (keys: Keyring, id: string) {
  const actor = yield* Actor.current
  yield* checkStored(keys, actor, id)
  const body = yield* Requests.body(true)
  const { overlap = 0 } = yield* Requests.decode(Fields.Rotation, body)
  return yield* Requests.change(actor, body, (record) =>
    Effect.gen(function* () {
      const sql = yield* SqlClient
      const before = yield* id === actor.id ? find(id) : managed(actor, id)
      const now = yield* Clock.currentTimeMillis
      const text = KeyText.make()
      const after: NamedRow = {
        ...before,
        hash: digestOf(text),
        hint: KeyText.hintOf(text),
        previous_hash: before.hash,
        previous_until: now + overlap,
        updated_at: now,
      }
      yield* sql`UPDATE keys SET ${sql.update({
        hash: after.hash,
        hint: after.hint,
        previous_hash: after.previous_hash,
        previous_until: after.previous_until,
        updated_at: now,
      })} WHERE id = ${id}`
      yield* record({
        actor: actor.id,
        action: "rotate",
        kind: "key",
        subjectId: id,
        before: { hint: before.hint },
        after: { hint: after.hint, formerKeyUntil: Timestamp.print(now + overlap) },
      })
      return { status: 200, body: show(keys, after), once: { key: text }, instead: { note: keptNowhere } }
    }),
  )
})

const remove = Effect.fnUntraced(function* (keys: Keyring, id: string) {
  const actor = yield* Actor.current
  yield* checkStored(keys, actor, id)
  return yield* Requests.change(actor, {}, (record) =>
    Effect.gen(function* () {
      const sql = yield* SqlClient
      const row = yield* managed(actor, id)
      yield* Budgets.remove(actor, record, yield* Budgets.of("key", id))
      yield* sql`DELETE FROM keys WHERE id = ${id}`
      yield* record({
        actor: actor.id,
        action: "delete",
        kind: "key",
        subjectId: id,
        before: written(row),
        after: undefined,
      })
      return { status: 204, body: {} }
    }),
  )
})

/** Fails if the actor changes no keys, or if the key is one of the configuration. */
const checkStored = Effect.fnUntraced(function* (
  keys: Keyring,
  actor: Actor.Actor,
  id: string,
): Effect.fn.Return<void, Problem> {
  const own = Actor.managedTeam(actor)
  if (own === undefined) yield* Actor.requireAdmin(actor)
  const configured = keys.configuredKeys().find((key) => key.id === id)
  if (configured === undefined || (own !== undefined && configured.team?.id !== own.id)) return
  return yield* Effect.fail(
    Problems.conflict(
      "configured_key",
      `Key "${id}" is in the configuration. Change it there, under \`keys\`, and reload the configuration.`,
    ),
  )
})

/** The key, if the actor may change it as it is. */
const managed = Effect.fnUntraced(function* (
  actor: Actor.Actor,
  id: string,
): Effect.fn.Return<NamedRow, Problem | SqlError, SqlClient> {
  const own = Actor.managedTeam(actor)
  const row = yield* find(id)
  if (own !== undefined && row.team_id !== own.id) return yield* Effect.fail(noKey(id))
  // A key that an admin gave more than its team has may still be reduced by the team's admin.
  yield* Actor.requireManager(actor, { id, role: row.role, teamId: row.team_id ?? undefined })
  return row
})

/** The columns of a new or changed key, if the actor may have it so. A team's admin makes keys of its team. */
const checked = Effect.fnUntraced(function* (
  actor: Actor.Actor,
  id: string,
  input: Fields.KeyChanged,
): Effect.fn.Return<
  {
    readonly team: TeamRow | undefined
    readonly row: Pick<
      KeyRow,
      "id" | "name" | "team_id" | "role" | "routes" | "limits" | "tags" | "metadata" | "expires_at" | "disabled"
    >
  },
  Problem | SqlError,
  SqlClient | Router
> {
  const { disabled, expiresAt, limits, metadata, name, role = "caller", routes, tags = [] } = input
  yield* Teams.checkRoutes(routes)
  const teamName = input.team ?? Actor.managedTeam(actor)?.id
  const team = teamName === undefined ? undefined : yield* Teams.named(actor, Actor.adminRole, "team", teamName)
  if (role === "team-admin" && team === undefined) {
    return yield* Effect.fail(Problems.invalidField("team", "is missing: name the team that the key manages"))
  }
  yield* Actor.requireManager(actor, { id, role, teamId: team?.id, routes, limits })
  return {
    team,
    row: {
      id,
      name,
      team_id: team?.id ?? null,
      role,
      routes: routes === undefined ? null : JSON.stringify(routes),
      limits: limits === undefined ? null : JSON.stringify(limits),
      tags: JSON.stringify(tags),
      metadata: JSON.stringify(metadata ?? {}),
      expires_at: expiresAt ?? null,
      disabled: disabled === true ? 1 : 0,
    },
  }
})

/** The routes that a key may call, of its own and its team's. */
const allowedRoutes = (
  routes: ReadonlyArray<string> | undefined,
  team: TeamRow | undefined,
): ReadonlyArray<string> | undefined => {
  const ofTeam = team?.routes == null ? undefined : (JSON.parse(team.routes) as ReadonlyArray<string>)
  return routes === undefined ? ofTeam : routes.filter((name) => ofTeam?.includes(name) ?? true)
}

// ---------------------------------------------------------------------------------------------------------------------
// What is shown
// ---------------------------------------------------------------------------------------------------------------------

/** The fields that a client writes. */
const written = (row: NamedRow) => ({
  name: row.name,
  team: row.team_name,
  role: row.role,
  routes: row.routes === null ? null : (JSON.parse(row.routes) as ReadonlyArray<string>),
  limits: row.limits === null ? null : Fields.shownLimits(JSON.parse(row.limits) as KeyLimits),
  tags: JSON.parse(row.tags) as ReadonlyArray<string>,
  metadata: JSON.parse(row.metadata) as Fields.Key["metadata"],
  expiresAt: row.expires_at === null ? null : Timestamp.print(row.expires_at),
  disabled: row.disabled === 1,
})

const show = (keys: Keyring, row: NamedRow): Fields.Key => shownRow(row, keys.usedAt(row.id))

/** `usedAt`: when it was last used at this gateway. */
const shownRow = (row: NamedRow, usedAt: number | undefined): Fields.Key => {
  const lastUsed = Math.max(row.last_used_at ?? 0, usedAt ?? 0)
  return {
    id: row.id,
    ...written(row),
    hint: row.hint,
    teamId: row.team_id,
    formerKeyUntil: row.previous_until === null ? null : Timestamp.print(row.previous_until),
    source: "database",
    createdAt: Timestamp.print(row.created_at),
    updatedAt: Timestamp.print(row.updated_at),
    lastUsedAt: lastUsed === 0 ? null : Timestamp.print(lastUsed),
  }
}

const configuredKey = {
  hint: null,
  metadata: {},
  formerKeyUntil: null,
  source: "configuration",
  createdAt: null,
  updatedAt: null,
  lastUsedAt: null,
} as const

const showConfigured = (key: VirtualKey): Fields.Key => ({
  ...configuredKey,
  id: key.id,
  name: nameOf(key),
  team: key.team?.name ?? null,
  teamId: key.team?.id ?? null,
  role: key.role ?? "caller",
  routes: key.routes ?? null,
  limits: key.limits === undefined ? null : Fields.shownLimits(key.limits),
  tags: key.tags ?? [],
  expiresAt: key.expiresAt === undefined ? null : Timestamp.print(key.expiresAt),
  disabled: key.disabled === true,
})

/** What the operator sees of its own key. */
const operator = {
  ...showConfigured({ id: "operator", name: "operator" }),
  role: "operator",
  budgets: [],
} as const
