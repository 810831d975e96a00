/**
 * The caller of the request in context, as the middleware identified it by the key that was sent.
 */
import * as Context from "effect/Context"
import type { VirtualKey } from "./VirtualKey.ts"
import * as Keys from "./VirtualKey.ts"

/** The virtual key of the caller; `undefined` for the operator, and for every caller of a gateway without keys. */
export const Caller = Context.Reference<VirtualKey | undefined>("@understudy/http/Caller", {
  defaultValue: () => undefined,
})

/** Whether a caller may call the route or the deployment with this name. */
export const mayCall = (caller: VirtualKey | undefined, name: string): boolean =>
  caller === undefined || Keys.mayCall(caller, name)
