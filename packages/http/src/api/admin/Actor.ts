/**
 * Who sends a request to `/admin`, and what they may do: see `roles`.
 */
import { rank } from "@understudy/core/internal/model/Priority"
import * as Effect from "effect/Effect"
import { Caller } from "../../auth/Caller.ts"
import type { KeyLimits, Role, Team } from "../../auth/VirtualKey.ts"
import { nameOf } from "../../auth/VirtualKey.ts"
import type { Problem } from "./Problem.ts"
import * as Problems from "./Problem.ts"

export interface Actor {
  /** `operator`, or the id of a key. */
  readonly id: string
  readonly name: string
  readonly role: Role | "operator"
  readonly team: Team | undefined
}

/** The actor of the request in context. */
export const current: Effect.Effect<Actor> = Effect.map(Caller, (key) =>
  key === undefined
    ? { id: "operator", name: "The operator", role: "operator", team: undefined }
    : { id: key.id, name: `Key "${nameOf(key)}"`, role: key.role ?? "caller", team: key.team },
)

/** Whether the actor sees everything. */
export const seesAll = ({ role }: Actor): boolean => role === "operator" || role === "admin" || role === "viewer"

/** Whether the actor changes everything but keys of the role `admin`. */
export const isAdmin = ({ role }: Actor): boolean => role === "operator" || role === "admin"

/** The 403 of an actor. `needed`: the role that the request needs. */
export const forbidden = (
  { name, role }: Actor,
  needed: string,
  errors?: ReadonlyArray<Problems.FieldError>,
): Problem => Problems.forbidden(`${name} (role ${role})`, needed, errors)

/** What is needed for most. */
export const adminRole = "the role admin, or the operator key (UNDERSTUDY_API_KEY)"
export const viewerRole = "the role viewer or admin, or the operator key (UNDERSTUDY_API_KEY)"
export const operatorRole = "the operator key (UNDERSTUDY_API_KEY)"

export const requireAdmin = (actor: Actor): Effect.Effect<void, Problem> =>
  isAdmin(actor) ? Effect.void : Effect.fail(forbidden(actor, adminRole))

export const requireViewer = (actor: Actor): Effect.Effect<void, Problem> =>
  seesAll(actor) ? Effect.void : Effect.fail(forbidden(actor, viewerRole))

/** The team of an actor that manages it. */
export const managedTeam = ({ role, team }: Actor): Team | undefined => (role === "team-admin" ? team : undefined)

/** A key as far as it decides who may change it. */
export interface KeySubject {
  readonly id: string
  readonly role: Role
  readonly teamId: string | undefined
  readonly routes?: ReadonlyArray<string> | undefined
  readonly limits?: KeyLimits | undefined
}

/** Fails unless the actor may change a key that is like this, or make it so. */
export const requireManager = (actor: Actor, key: KeySubject): Effect.Effect<void, Problem> => {
  const { role } = actor
  if (role === "operator") return Effect.void
  if (role === "admin") {
    return key.role === "admin" && key.id !== actor.id ? Effect.fail(forbidden(actor, operatorRole)) : Effect.void
  }
  const team = managedTeam(actor)
  if (team === undefined) return Effect.fail(forbidden(actor, `the role team-admin of the key's team, ${adminRole}`))
  if (key.teamId !== team.id) {
    return Effect.fail(forbidden(actor, `${adminRole}: a team-admin manages the keys of its own team, "${team.name}"`))
  }
  if (key.role !== "caller") {
    return Effect.fail(forbidden(actor, `${adminRole}: a team-admin manages keys of the role caller`))
  }
  const errors = beyond(team, key)
  return errors.length === 0
    ? Effect.void
    : Effect.fail(forbidden(actor, `${adminRole}: a key may not go beyond its team, "${team.name}"`, errors))
}

const counts = ["rpm", "tpm", "rpd", "cpm", "concurrency"] as const

/** Where a key goes beyond what its team has. */
const beyond = (team: Team, { limits = {}, routes = [] }: KeySubject): ReadonlyArray<Problems.FieldError> => [
  ...routes.flatMap((route, index) =>
    team.routes === undefined || team.routes.includes(route)
      ? []
      : [
          {
            field: `routes[${index}]`,
            message: `the team may not call "${route}". It may call: ${team.routes.join(", ")}`,
          },
        ],
  ),
  ...counts.flatMap((name) => {
    const [limit, most] = [limits[name], team.limits?.[name]]
    return limit === undefined || most === undefined || limit <= most
      ? []
      : [{ field: `limits.${name}`, message: `is above the team's limit of ${most}` }]
  }),
  ...(limits.queue?.priority !== undefined && rank(limits.queue.priority) < rank(team.limits?.queue?.priority)
    ? [
        {
          field: "limits.queue.priority",
          message: `is above the team's priority: ${team.limits?.queue?.priority ?? "normal"}`,
        },
      ]
    : []),
]
