/**
 * What callers are told by a gateway that goes down.
 */
import type { ApiError } from "./ApiError.ts"

const draining = (message: string): ApiError => ({
  status: 503,
  type: "server_error",
  code: "draining",
  message: `${message} Try again in 1 s.`,
  retryAfter: 1000,
})

/** To a new call. */
export const shuttingDown = draining("This gateway is going down and takes no new calls.")

/** To a call, or within a stream, that was not finished in time. */
export const cutOff = draining("This gateway is going down, and the answer was not finished in time.")
