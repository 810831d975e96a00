/**
 * The errors of a simulated deployment: a status, no connection, or a broken stream.
 */
import { ProviderError } from "@understudy/core/ProviderError"
import type * as Duration from "effect/Duration"
import * as HttpStatusReason from "@understudy/core/internal/model/HttpStatusReason"

/** A response with an error status, and the status's reason. */
export const refused = (name: string, status: number, retryAfter: Duration.Duration | undefined): ProviderError =>
  new ProviderError({
    reason: HttpStatusReason.of(status, { retryAfter }),
    message: `${name} (simulated) failed with status ${status}`,
    status,
  })

/** No connection. */
export const unreachable = (name: string): ProviderError =>
  new ProviderError({ reason: { _tag: "Network" }, message: `${name} (simulated) cannot be reached` })

/** A stream that breaks after `tokens` tokens. */
export const broken = (name: string, tokens: number): ProviderError =>
  new ProviderError({
    reason: { _tag: "Network" },
    message: `${name} (simulated) broke off after ${tokens} ${tokens === 1 ? "token" : "tokens"}`,
  })
