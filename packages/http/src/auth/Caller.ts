/**
 * Who calls, as the gate found out by the key that was sent.
 */
import * as Context from "effect/Context"
import * as Effect from "effect/Effect"
import type { ApiError } from "../api/ApiError.ts"
import type { VirtualKey } from "./VirtualKey.ts"

/** The virtual key of the call in hand; `undefined` for the operator, and for anybody where no key is asked for. */
export const Caller = Context.Reference<VirtualKey | undefined>("@understudy/http/Caller", {
  defaultValue: () => undefined,
})

/** Whether a caller may call the route or the deployment of that name. */
export const mayCall = (caller: VirtualKey | undefined, name: string): boolean =>
  caller?.routes === undefined || caller.routes.includes(name)

/** Turns away the holders of virtual keys: for what tells of others, or changes what others are answered by. */
export const requireOperatorKey: Effect.Effect<void, ApiError> = Effect.flatMap(Caller, (caller) =>
  caller === undefined
    ? Effect.void
    : Effect.fail({
        status: 403,
        type: "permission_error",
        code: "operator_key_required",
        message: `The key "${caller.id}" is for calls. This is the operator's: send UNDERSTUDY_API_KEY.`,
      }),
)
