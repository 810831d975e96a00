/**
 * What virtual keys are held to: a layer over the `Router`, so that every call in every protocol passes here, once it is
 * understood and before anybody is chosen to answer it.
 *
 * Holders who ask for what is not theirs, or for more than their limits allow, get a `RouterError` like any other; what is
 * left to them stands in the headers of every answer. Whoever has no virtual key (see `Caller`) is asked nothing.
 */
import type { AnyRequest, CallOptions } from "@understudy/core/Call"
import { Call } from "@understudy/core/Call"
import type { Receipt } from "@understudy/core/Receipt"
import { Router } from "@understudy/core/Router"
import { RouterError } from "@understudy/core/RouterError"
import { didYouMean } from "@understudy/core/internal/route/Suggestion"
import * as Wildcard from "@understudy/core/internal/route/Wildcard"
import * as Effect from "effect/Effect"
import * as HttpEffect from "effect/http/HttpEffect"
import * as HttpServerResponse from "effect/http/HttpServerResponse"
import * as Layer from "effect/Layer"
import * as Metric from "effect/Metric"
import * as RateLimiter from "effect/persistence/RateLimiter"
import type * as Scope from "effect/Scope"
import { callsByKey } from "../observe/Metrics.ts"
import * as KeyLimits from "./KeyLimits.ts"
import { Caller, mayCall } from "../auth/Caller.ts"
import * as RateLimitHeaders from "./RateLimitHeaders.ts"
import type { VirtualKey } from "../auth/VirtualKey.ts"

/** The router given, for the holders of these keys within what is theirs. */
export const layer = (keys: ReadonlyArray<VirtualKey>): Layer.Layer<Router, never, Router | RateLimiter.RateLimiter> =>
  Layer.effect(
    Router,
    Effect.gen(function* () {
      const router = yield* Router
      const limiter = yield* RateLimiter.RateLimiter
      const meant = Wildcard.among([...router.routes, ...router.deployments])
      const allowances = {
        calls: new Map(keys.map((key) => [key.id, KeyLimits.make(limiter, key)])),
        asides: new Map(keys.map((key) => [key.id, KeyLimits.make(limiter, KeyLimits.callsPerMinute(key))])),
      }

      const admit = (
        key: VirtualKey,
        call: Pick<Call, "request" | "tokens">,
        of: keyof typeof allowances = "calls",
      ): Effect.Effect<KeyLimits.Lease, RouterError> => {
        const allowance = allowances[of].get(key.id)
        if (allowance === undefined || !mayCall(key, meant(call.request.model))) return forbid(key, call.request.model)
        return allowance.acquire(call).pipe(
          Effect.tap(tell),
          Effect.catch((refusal) =>
            Effect.andThen(tell(refusal), refuse(key, "rate_limited", limited(key, refusal, of))),
          ),
        )
      }

      /** Until the scope closes, the call counts among those that its key has under way. */
      const within = <A extends { readonly receipt: Receipt }, R>(
        request: AnyRequest,
        streaming: boolean,
        options: CallOptions | undefined,
        ask: (options: CallOptions | undefined) => Effect.Effect<A, RouterError, R>,
      ): Effect.Effect<A, RouterError, R | Scope.Scope> =>
        Effect.flatMap(Caller, (key) => {
          if (key === undefined) return ask(options)
          return Effect.uninterruptibleMask((restore) =>
            Effect.flatMap(admit(key, new Call(request, streaming)), (pass) => {
              // Of a call that is given up before it has an answer, nobody knows.
              let used = (): number | undefined => undefined
              const seen = (receipt: Receipt | undefined) =>
                Effect.sync(() => {
                  used = () => (receipt === undefined ? 0 : KeyLimits.used(receipt))
                })
              return Effect.andThen(
                Effect.addFinalizer(() => pass.release(used())),
                restore(ask(by(key, options))).pipe(
                  Effect.tap(({ receipt }) => seen(receipt)),
                  Effect.tapError(({ receipt }) => seen(receipt)),
                ),
              )
            }),
          )
        })

      /** What is asked about and not answered has limits of its own. */
      const aside = <A>(
        request: AnyRequest,
        ask: (key: VirtualKey | undefined) => Effect.Effect<A, RouterError>,
      ): Effect.Effect<A, RouterError> =>
        Effect.flatMap(Caller, (key) =>
          key === undefined
            ? ask(key)
            : Effect.acquireUseRelease(
                admit(key, { request, tokens: 0 }, "asides"),
                () => ask(key),
                (pass) => pass.release(undefined),
              ),
        )

      return Router.of({
        chat: (request, options) =>
          Effect.scoped(within(request, false, options, (options) => router.chat(request, options))),
        chatStream: (request, options) =>
          within(request, true, options, (options) => router.chatStream(request, options)),
        embed: (request, options) =>
          Effect.scoped(within(request, false, options, (options) => router.embed(request, options))),
        countTokens: (request, options) =>
          aside(request, (key) => router.countTokens(request, key === undefined ? options : by(key, options))),
        explain: (request, options) =>
          aside(request, (key) =>
            router.explain(
              request,
              key === undefined ? options : { ...by(key, options), streaming: options?.streaming === true },
            ),
          ),
        events: router.events,
        subscribe: router.subscribe,
        routes: router.routes,
        deployments: router.deployments,
        status: router.status,
        reset: router.reset,
      })
    }),
  )

/** The call in its key's name. What its options find out late is still found out late. */
const by = (
  key: VirtualKey,
  options: CallOptions = {},
): { readonly [Option in keyof Required<CallOptions>]: CallOptions[Option] } => ({
  timeout: options.timeout,
  get tags() {
    return options.tags
  },
  get headers() {
    return options.headers
  },
  caller: key.id,
})

/** Has the answer, whatever it will be, say how the limits stand. */
const tell = ({ statuses }: Pick<KeyLimits.Lease, "statuses">): Effect.Effect<void> =>
  Effect.map(Effect.context(), (context) =>
    HttpEffect.appendPreResponseHandlerUnsafe(context, (_, response) =>
      Effect.succeed(HttpServerResponse.setHeaders(response, RateLimitHeaders.headers(statuses))),
    ),
  )

const refuse = (key: VirtualKey, outcome: "forbidden" | "rate_limited", error: RouterError) =>
  Effect.andThen(Metric.update(Metric.withAttributes(callsByKey, { key: key.id, outcome }), 1), Effect.fail(error))

/** The same for what there is and what there is not: a key is no means of finding out. */
const forbid = (key: VirtualKey, model: string): Effect.Effect<never, RouterError> =>
  refuse(
    key,
    "forbidden",
    new RouterError({
      kind: "Forbidden",
      message: `The key "${key.id}" may not call "${model}"${didYouMean(model, key.routes ?? []) || "."} It may call: ${key.routes?.join(", ") ?? "nothing"}.`,
      receipt: undefined,
      param: "model",
    }),
  )

const limited = (
  key: VirtualKey,
  { name, limit, retryAfter, requested }: KeyLimits.KeyLimitExceeded,
  of: "calls" | "asides",
): RouterError =>
  new RouterError({
    kind: "RateLimited",
    receipt: undefined,
    ...(requested > limit
      ? {
          message: `This call is estimated at ${requested} tokens: the key "${key.id}" is given ${limit} a minute.`,
          permanent: true,
        }
      : {
          message: `The key "${key.id}" is at its limit of ${words[name](limit)}${of === "calls" ? "" : " to count or explain"}.`,
          retryAfter,
        }),
  })

const words: Record<KeyLimits.KeyLimitExceeded["name"], (most: number) => string> = {
  rpm: (most) => `${counted(most, "request")} a minute`,
  rpd: (most) => `${counted(most, "request")} a day`,
  tpm: (most) => `${counted(most, "token")} a minute`,
  concurrency: (most) => `${counted(most, "call")} at once`,
}

const counted = (amount: number, thing: string): string => `${amount} ${thing}${amount === 1 ? "" : "s"}`
