/**
 * The check of endpoints that are for the operator: they show the calls of all keys, or change how calls are answered.
 */
import * as Effect from "effect/Effect"
import { Caller } from "../auth/Caller.ts"
import type { Role, VirtualKey } from "../auth/VirtualKey.ts"
import { nameOf } from "../auth/VirtualKey.ts"
import type { ApiError } from "./ApiError.ts"

const requireOperatorOr = (...roles: ReadonlyArray<Role>): Effect.Effect<void, ApiError> =>
  Effect.flatMap(Caller, (caller) =>
    caller === undefined || roles.some((role) => role === caller.role)
      ? Effect.void
      : Effect.fail(keyRequired(caller, roles)),
  )

const keyRequired = (caller: VirtualKey, roles: ReadonlyArray<Role>): ApiError => ({
  status: 403,
  type: "permission_error",
  code: "operator_key_required",
  message: `Key "${nameOf(caller)}" cannot access this endpoint. Use the operator key (UNDERSTUDY_API_KEY), or a key with the role ${roles.join(" or ")}.`,
})

/** Fails with 403 unless the request in context is the operator's or an admin's: it changes something. */
export const requireOperatorKey: Effect.Effect<void, ApiError> = requireOperatorOr("admin")

/** Fails with 403 unless the request in context is the operator's, an admin's or a viewer's: it shows something. */
export const requireViewer: Effect.Effect<void, ApiError> = requireOperatorOr("viewer", "admin")
