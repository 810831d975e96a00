/**
 * The check of endpoints that are for the operator: they show the calls of all keys, or change how calls are answered.
 */
import * as Effect from "effect/Effect"
import { Caller } from "../auth/Caller.ts"
import type { ApiError } from "./ApiError.ts"

/** Fails with 403 if the request in context was sent with a virtual key. */
export const requireOperatorKey: Effect.Effect<void, ApiError> = Effect.flatMap(Caller, (caller) =>
  caller === undefined
    ? Effect.void
    : Effect.fail({
        status: 403,
        type: "permission_error",
        code: "operator_key_required",
        message: `Key "${caller.id}" cannot access this endpoint. Use the operator key (UNDERSTUDY_API_KEY).`,
      }),
)
