/**
 * The 503 errors of the gateway itself: it shuts down, it is overloaded, or its database does not respond.
 */
import * as ApiError from "./ApiError.ts"

const unavailable = (code: string, message: string, retryAfter = 1000): ApiError.ApiError => ({
  status: 503,
  type: "server_error",
  code,
  message: `${message} Try again in ${ApiError.seconds(retryAfter)} s.`,
  retryAfter,
})

/** The error of a new call during a shutdown. */
export const shuttingDown = unavailable("draining", "This gateway is shutting down and rejects new calls.")

/** The error of a call or a stream that did not finish in time. */
export const cutOff = unavailable("draining", "This gateway is shutting down, and the call did not finish in time.")

/** The error of a session that a shutdown ends. */
export const sessionEnded = unavailable("draining", "This gateway is shutting down, which ends the session.")

/** The error of a new call that is over a bound of `server.overload`. `retryAfter` is in milliseconds. */
export const overloaded = (retryAfter: number): ApiError.ApiError =>
  unavailable("overloaded", "This gateway is overloaded and rejects new calls.", retryAfter)

/** The error of a body for which there is no memory. */
export const noRoom = unavailable(
  "overloaded",
  "Too many request bodies are in transit (server.limits.unfinishedBodies).",
)

/** The error of a request for a stored response while the database is lost. */
export const noStore = unavailable(
  "database_unavailable",
  "The database of this gateway does not respond, so stored responses cannot be read.",
)

/** The error of a call that is to run in the background, where as many run as may. */
export const tooManyInBackground = (limit: number): ApiError.ApiError =>
  unavailable("overloaded", `This gateway runs ${limit} responses in the background, its limit (responses.background).`)
