/**
 * Logs a call that was refused before the router received it: by its body, its model, or the limits and the budgets of its key.
 * It has no receipt, so that the line has the request id of its error. The error's message is left out: it may quote the prompt.
 */
import type { VirtualKey } from "../auth/VirtualKey.ts"
import * as Effect from "effect/Effect"
import { plain } from "./PlainText.ts"

/** `model`: as the request named it; `undefined` if its body was not decoded. `key`: the caller's. */
export interface RefusedCall {
  readonly error: { readonly status: number; readonly code: string }
  readonly requestId: string
  readonly model: string | undefined
  readonly protocol: string
  readonly key: VirtualKey | undefined
}

/** `call refused: 429 budget_exceeded, model "assistant", key team-a, request gate-1a2b` */
export const log = ({ error: { code, status }, key, model, protocol, requestId }: RefusedCall): Effect.Effect<void> => {
  const named = model?.slice(0, maxNameLength)
  const line = [
    `call refused: ${status} ${code}`,
    ...(named === undefined ? [] : [`model ${JSON.stringify(named)}`]),
    ...(key === undefined ? [] : [`key ${key.id}`]),
    `request ${requestId}`,
  ].join(", ")
  return Effect.annotateLogs(Effect.logWarning(plain(line)), {
    request_id: requestId,
    model: named,
    key: key?.id,
    protocol,
    outcome: "refused",
    status,
    code,
  })
}

/** The number of characters of a model name that are logged. */
const maxNameLength = 200
