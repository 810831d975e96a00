/**
 * The sender of a provider's requests with its access tokens. A token that cannot be had fails the request with its
 * `ProviderError`, as the cause of a `TransportFailure`.
 */
import type { ProviderError } from "@understudy/core/ProviderError"
import * as Effect from "effect/Effect"
import type { RequestTemplate } from "../transport/RequestTemplate.ts"
import * as Transport from "../transport/Transport.ts"
import type { Token, Tokens } from "./Tokens.ts"

/** The sender with the tokens. */
export const sender = (inner: Transport.HttpSender, tokens: Tokens): Transport.HttpSender => ({
  send: (request, body) =>
    Effect.mapError(
      tokens.use(
        (token) => inner.send(authorized(request, token), body),
        () => Effect.void,
      ),
      failure,
    ),
  open: (request, body, scope) =>
    Effect.mapError(
      tokens.use(
        (token) => inner.open(authorized(request, token), body, scope),
        (response) => Effect.ignore(Transport.text(response)),
      ),
      failure,
    ),
})

const authorized = (request: RequestTemplate, { headers }: Token): RequestTemplate => ({
  ...request,
  headers: [...request.headers, ...headers],
})

const failure = (error: ProviderError | Transport.TransportFailure): Transport.TransportFailure =>
  error._tag === "TransportFailure" ? error : new Transport.TransportFailure({ cause: error })
