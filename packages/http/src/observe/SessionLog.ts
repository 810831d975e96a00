/** The log of sessions over WebSockets: how each was closed. The call itself is in the call log. */
import * as Effect from "effect/Effect"
import { plain } from "./PlainText.ts"

/** How a session was closed: by whom, and with which code and reason. `call` is the id of its call. */
export interface ClosedSession {
  readonly call: string
  readonly by: "client" | "provider" | "gateway"
  readonly code: number
  readonly reason: string
}

/** `session closed by provider: 1001 Your session hit the maximum duration of 60 minutes., call 4ch9bh6f-7` */
export const log = ({ by, call, code, reason }: ClosedSession): Effect.Effect<void> =>
  Effect.annotateLogs(
    Effect.logInfo(plain(`session closed by ${by}: ${code}${reason === "" ? "" : ` ${reason}`}, call ${call}`)),
    { call, closed_by: by, close_code: code, close_reason: reason },
  )
