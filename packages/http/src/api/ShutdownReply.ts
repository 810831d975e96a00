/**
 * The errors of a gateway that shuts down.
 */
import type { ApiError } from "./ApiError.ts"

const draining = (message: string): ApiError => ({
  status: 503,
  type: "server_error",
  code: "draining",
  message: `${message} Try again in 1 s.`,
  retryAfter: 1000,
})

/** The error of a new call. */
export const shuttingDown = draining("This gateway is shutting down and rejects new calls.")

/** The error of a call or a stream that did not finish in time. */
export const cutOff = draining("This gateway is shutting down, and the call did not finish in time.")
