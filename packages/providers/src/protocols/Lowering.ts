/**
 * A request on its way to a vendor: as its client wrote it, where the client spoke the vendor's own protocol, else encoded
 * by the protocol's codec. What was wished for and could not be said is logged, each thing once.
 */
import type * as Chat from "@understudy/core/Chat"
import type { ProviderError } from "@understudy/core/ProviderError"
import * as Effect from "effect/Effect"
import * as Result from "effect/Result"

/** The part of a protocol's `Request` that lowers. */
export interface Codec<Body> {
  readonly native: (request: Chat.Request) => Body | undefined
  readonly encode: (
    request: Chat.Request,
  ) => Result.Result<{ readonly body: Body; readonly warnings: ReadonlyArray<string> }, ProviderError>
}

/** How one provider lowers: it remembers what it has warned of. */
export const make = <Body>(
  vendor: string,
  protocol: string,
  { encode, native }: Codec<Body>,
): ((request: Chat.Request) => Effect.Effect<Body, ProviderError>) => {
  const logged = new Set<string>()
  return (request) => {
    const own = native(request)
    if (own !== undefined) return Effect.succeed(own)
    const encoded = encode(request)
    if (Result.isFailure(encoded)) return Effect.fail(encoded.failure)
    const { body, warnings } = encoded.success
    const unsaid = [...warnings, ...foreign(request, protocol)].filter((warning) => !logged.has(warning))
    if (unsaid.length === 0) return Effect.succeed(body)
    for (const warning of unsaid) logged.add(warning)
    return Effect.as(Effect.logWarning(`${vendor}: not said to ${request.model}: ${unsaid.join("; ")}`), body)
  }
}

/** Fields that only another protocol can say. */
const foreign = ({ vendor }: Chat.Request, protocol: string): ReadonlyArray<string> =>
  vendor === undefined
    ? none
    : Object.entries(vendor).flatMap(([other, fields]) => (other === protocol ? none : Object.keys(fields)))

const none: ReadonlyArray<string> = []
