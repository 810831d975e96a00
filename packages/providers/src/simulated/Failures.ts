/**
 * How a simulated deployment fails: by a status, by being out of reach, or in the middle of a stream.
 */
import { ProviderError } from "@understudy/core/ProviderError"
import type * as Duration from "effect/Duration"
import * as HttpStatusReason from "../HttpStatusReason.ts"

/** An answer of that status. What a vendor would have meant by it is its reason. */
export const refused = (name: string, status: number, retryAfter: Duration.Duration | undefined): ProviderError =>
  new ProviderError({
    reason: HttpStatusReason.of(status, { retryAfter }),
    message: `${name} (simulated) refuses with status ${status}`,
    status,
  })

/** No connection at all. */
export const unreachable = (name: string): ProviderError =>
  new ProviderError({ reason: { _tag: "Network" }, message: `${name} (simulated) cannot be reached` })

/** A stream that breaks after `tokens` tokens. */
export const broken = (name: string, tokens: number): ProviderError =>
  new ProviderError({
    reason: { _tag: "Network" },
    message: `${name} (simulated) broke off after ${tokens} ${tokens === 1 ? "token" : "tokens"}`,
  })
