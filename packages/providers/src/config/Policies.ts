/**
 * Schemas of the policies: retry, timeout, circuit, cooldown, stream, cache. Each place (defaults, deployment, route, nested
 * route) takes only the keys that have an effect there.
 */
import * as Chat from "@understudy/core/Chat"
import { affinityBys, protects } from "@understudy/core/Policies"
import { retryable } from "@understudy/core/ProviderError"
import * as Rules from "@understudy/core/internal/route/Rules"
import * as Schema from "effect/Schema"
import { DurationText, PositiveDuration } from "./DurationText.ts"
import type { Hint } from "./SchemaErrors.ts"
import { SizeText } from "./SizeText.ts"
import { count, countOrNone, positiveShare, share, source, text, word } from "./Fields.ts"

const optional = Schema.optionalKey

const beginnings = 'a list of beginnings such as ["I cannot"]'
const refusals = 'false, or a mapping such as { startsWith: ["I cannot"] }'

const retryFields = {
  times: optional(countOrNone),
  timesByReason: optional(
    Schema.Struct(Object.fromEntries(retryable.map((reason) => [reason, optional(countOrNone)]))),
  ),
  base: optional(DurationText),
  max: optional(DurationText),
  maxRetryAfter: optional(DurationText),
}
const retryBudget = { budget: optional(share) }

/** Retry settings. `whole`: defaults and outermost routes. `part`: deployments and nested routes, which cannot set `budget`. */
export const Retry = {
  whole: Schema.Struct({ ...retryFields, ...retryBudget }),
  part: Schema.Struct(retryFields),
}

const callTimeout = { total: optional(PositiveDuration), write: optional(PositiveDuration) }
const attemptTimeout = {
  firstToken: optional(PositiveDuration),
  reasoning: optional(PositiveDuration),
  idle: optional(PositiveDuration),
  attempt: optional(PositiveDuration),
}
const transport = { connect: optional(PositiveDuration) }

/** Timeouts by place: defaults, deployment, outermost route, nested route. */
export const Timeout = {
  defaults: Schema.Struct({ ...transport, ...attemptTimeout, ...callTimeout }),
  deployment: Schema.Struct({ ...transport, ...attemptTimeout }),
  route: Schema.Struct({ ...attemptTimeout, ...callTimeout }),
  part: Schema.Struct(attemptTimeout),
}

/** The place where a misplaced policy key belongs, if there is one. */
export const wrongPlaceHint: Hint = Rules.misplaced

export const Circuit = Schema.Struct({
  failures: optional(count),
  failureRateThreshold: optional(positiveShare),
  windowSize: optional(count),
  open: optional(PositiveDuration),
  max: optional(PositiveDuration),
  permanentFailure: optional(PositiveDuration),
})

const notRefused = source<false, boolean | string>({
  from: Schema.Union([Schema.Boolean, Schema.String]),
  to: Schema.Literal(false),
  expected: refusals,
  parse: (value) => (String(value).trim() === "false" ? false : undefined),
  print: (value) => value,
})

/** What a response must be. The predicate of a library has no place in a file. */
export const Accept = Schema.Union([
  word(["schema"]),
  Schema.Struct({
    schema: optional(
      Schema.Union([word(["request"]), Schema.Record(Schema.String, Schema.Unknown)]).annotate({
        expected: "request, or a JSON Schema such as { type: object, required: [answer] }",
      }),
    ),
    length: optional(
      Schema.Struct({ min: optional(countOrNone), max: optional(count) }).check(
        Schema.makeFilter(
          ({ max, min }) => (min !== undefined || max !== undefined) && (min ?? 0) <= (max ?? Infinity),
          {
            expected: "min, max or both, with `min` up to `max`",
          },
        ),
      ),
    ),
    refusal: optional(
      Schema.Union([
        notRefused,
        Schema.Struct({
          startsWith: Schema.Array(text("the beginning of a refusal"))
            .annotate({
              expected: beginnings,
            })
            .check(Schema.makeFilter((texts) => texts.length > 0, { expected: beginnings })),
        }),
      ]).annotate({ expected: refusals }),
    ),
  }).check(
    Schema.makeFilter((accept) => Object.keys(accept).length > 0, {
      expected: "at least one of schema, length and refusal",
    }),
  ),
]).annotate({ expected: "schema, or a mapping of schema, length and refusal" })

/** The longest cooldown that a provider's `Retry-After` may start. */
export const Cooldown = Schema.Struct({ max: optional(PositiveDuration) })

export const Stream = Schema.Struct({ protect: optional(word(protects)), buffer: optional(SizeText) })

/** How a balance keeps conversations: by what they are told apart, and for how long after their last call. */
export const Affinity = Schema.Struct({ by: optional(word(affinityBys)), for: optional(PositiveDuration) })

/** The response cache of a route: time to live and number of entries. */
export const Cache = Schema.Struct({
  ttl: PositiveDuration.pipe(
    Schema.annotateKey({ messageMissingKey: "is missing: set how long responses are cached, such as 5m" }),
  ),
  max: optional(count),
})

/** The interval between keep-alive comments in a stream that sends nothing else. */
export const Sse = Schema.Struct({
  keepAlive: PositiveDuration.pipe(
    Schema.annotateKey({ messageMissingKey: "is missing: set the interval between keep-alives, such as 15s" }),
  ),
})

/** Where a share of the calls is sent too: see `Route.shadow`. */
export const Shadow = Schema.Struct({
  to: text("the name of a route or a deployment").pipe(
    Schema.annotateKey({
      messageMissingKey: "is missing: name the route or the deployment that gets the shadow calls",
    }),
  ),
  share: positiveShare.pipe(
    Schema.annotateKey({ messageMissingKey: "is missing: set the share of calls with a shadow call, such as 0.1" }),
  ),
  concurrency: optional(count),
  timeout: optional(PositiveDuration),
})

/** What to do with a parameter that the deployment's protocol does not support. */
export const UnsupportedParams = word(Chat.UnsupportedParams.literals)

/** The policies of the `defaults` section. */
export const Defaults = Schema.Struct({
  retry: optional(Retry.whole),
  timeout: optional(Timeout.defaults),
  circuit: optional(Circuit),
  cooldown: optional(Cooldown),
  stream: optional(Stream),
  unsupportedParams: optional(UnsupportedParams),
})
