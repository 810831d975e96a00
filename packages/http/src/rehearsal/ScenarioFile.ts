/**
 * Scenarios in YAML files: how deployments behave, what befalls them, and who calls.
 */
import type { Behavior, Distribution, Failure, Scenario, Traffic } from "@understudy/core/Rehearsal"
import type { Problem } from "@understudy/providers/Config"
import { DurationText, parseDuration, PositiveDuration } from "@understudy/providers/internal/config/DurationText"
import { amount, count, flag, number, share, source, text } from "@understudy/providers/internal/config/Fields"
import * as SchemaErrors from "@understudy/providers/internal/config/SchemaErrors"
import * as HttpStatusReason from "@understudy/core/internal/model/HttpStatusReason"
import * as Duration from "effect/Duration"
import * as Effect from "effect/Effect"
import * as FileSystem from "effect/FileSystem"
import * as Predicate from "effect/Predicate"
import * as Result from "effect/Result"
import * as Schema from "effect/Schema"
import { InvalidConfiguration } from "../Config.ts"
import * as YamlText from "../config/YamlText.ts"

const optional = Schema.optionalKey

/** A duration, or a distribution of durations. */
const Durations = Schema.Union([
  DurationText,
  Schema.Struct({ median: DurationText, p95: DurationText }),
  Schema.Struct({ mean: DurationText }),
]).annotate({
  expected: "a duration such as 500ms, or a distribution such as { median: 500ms, p95: 2s } or { mean: 1s }",
})

/** A number, or a distribution of numbers. */
const Sizes = Schema.Union([
  amount,
  Schema.Struct({ median: amount, p95: amount }),
  Schema.Struct({ mean: amount }),
]).annotate({ expected: "a number, or a distribution such as { median: 600, p95: 6000 } or { mean: 100 }" })

const status = number("an HTTP status from 400 to 599", (value) => value >= 400 && value <= 599)

const Failures = Schema.Array(Schema.Struct({ share, status: optional(status), after: optional(Durations) })).annotate({
  expected: "a list such as [{ share: 0.01, status: 500 }]",
})

const BehaviorFields = Schema.Struct({
  firstToken: optional(Durations),
  tokensPerSecond: optional(Sizes),
  failures: optional(Failures),
  cut: optional(share),
  stall: optional(share),
  quota: optional(Schema.Struct({ rpm: optional(count), tpm: optional(count) })),
})

const Incident = Schema.Struct({
  from: DurationText,
  for: PositiveDuration,
  where: optional(
    Schema.Struct({
      deployments: optional(Schema.Array(text("the name of a deployment, which may have a *"))),
      vendor: optional(text("a vendor, such as openai")),
      region: optional(text("a region, such as us-east-1")),
    }),
  ),
  outage: optional(flag),
  slower: optional(amount),
  slowerFirstToken: optional(amount),
  failures: optional(Failures),
  cut: optional(share),
  stall: optional(share),
  quota: optional(amount),
})

/** Calls a second: `10/s`, `600/m`, or a number. */
export const parseRate = (input: string): number | undefined => {
  const [, calls, unit] = /^(\d+(?:\.\d+)?)(?:\/(s|m|h))?$/.exec(input.trim()) ?? []
  if (calls === undefined) return undefined
  const rate = Number(calls) / { s: 1, m: 60, h: 3600 }[(unit ?? "s") as "s" | "m" | "h"]
  return rate > 0 && rate <= 100_000 ? rate : undefined
}

const rate = source<number, string | number>({
  from: Schema.Union([Schema.String, Schema.Finite]),
  to: Schema.Finite,
  expected: "calls a second, such as 10/s, 600/m or 10",
  parse: (value) => parseRate(String(value)),
  print: (value) => value,
})

const shares = (of: string) =>
  Schema.Record(Schema.String, amount).annotate({ expected: `a mapping of ${of} to shares` })

const TrafficFields = Schema.Struct({
  rate: optional(rate),
  hours: optional(
    Schema.Array(amount)
      .check(Schema.makeFilter((hours) => hours.length === 24))
      .annotate({ expected: "a list of 24 numbers, one for each hour in UTC" }),
  ),
  bursts: optional(Schema.Array(Schema.Struct({ from: DurationText, for: PositiveDuration, factor: amount }))),
  routes: optional(shares("routes")),
  streaming: optional(share),
  inputTokens: optional(Sizes),
  outputTokens: optional(Sizes),
  keys: optional(shares("ids of keys")),
  tags: optional(Schema.Record(Schema.String, share)),
  repeats: optional(share),
  clientRetries: optional(Schema.Struct({ times: count, after: DurationText })),
})

const ScenarioFields = Schema.Struct({
  name: optional(text("the name of the scenario")),
  description: optional(text("what happens in the scenario")),
  deployments: optional(Schema.Record(Schema.String, BehaviorFields)),
  incidents: optional(Schema.Array(Incident)),
  traffic: optional(TrafficFields),
})

/** Reads the scenario of a file. Fails with every problem of the file. */
export const load = Effect.fnUntraced(function* (
  file: string,
): Effect.fn.Return<Scenario, InvalidConfiguration, FileSystem.FileSystem> {
  const files = yield* FileSystem.FileSystem
  const invalid = (problems: ReadonlyArray<Problem>) => new InvalidConfiguration({ file, problems })
  const content = yield* Effect.mapError(files.readFileString(file), ({ reason }) =>
    invalid([
      {
        path: "",
        message: reason._tag === "NotFound" ? "the file does not exist" : `cannot be read: ${reason.message}`,
      },
    ]),
  )
  return yield* Effect.fromResult(Result.mapError(parse(content, file), invalid))
})

/** The scenario of a text. Without a name of its own, it has `name`. */
export const parse = (content: string, name: string): Result.Result<Scenario, ReadonlyArray<Problem>> =>
  Result.flatMap(
    Result.mapError(YamlText.parse(content), (problem): ReadonlyArray<Problem> => [problem]),
    (document) =>
      Result.map(SchemaErrors.decode(ScenarioFields, document ?? {}, { path: "", source: document }), (fields) =>
        scenarioOf(fields, name),
      ),
  )

const scenarioOf = (
  { deployments, description = "", incidents = [], name, traffic }: typeof ScenarioFields.Type,
  file: string,
): Scenario => ({
  name: name ?? file,
  description,
  deployments:
    deployments && Object.fromEntries(Object.entries(deployments).map(([name, fields]) => [name, behaviorOf(fields)])),
  incidents: incidents.map(({ failures, for: length, from, where = {}, ...change }) => ({
    from,
    for: length,
    where,
    change: { ...change, ...(failures && { failures: failures.map(failureOf) }) },
  })),
  traffic: traffic && trafficOf(traffic),
})

const behaviorOf = ({
  failures,
  firstToken,
  tokensPerSecond,
  ...rest
}: typeof BehaviorFields.Type): Partial<Behavior> => ({
  ...rest,
  ...(firstToken && { firstToken: millisOf(firstToken) }),
  ...(tokensPerSecond !== undefined && { tokensPerSecond }),
  ...(failures && { failures: failures.map(failureOf) }),
})

/** Without a status, the connection fails. */
const failureOf = ({ after, share, status }: (typeof Failures.Type)[number]): Failure => ({
  share,
  status,
  reason: status === undefined ? { _tag: "Network" } : HttpStatusReason.of(status),
  after: after === undefined ? 200 : millisOf(after),
})

const trafficOf = ({ bursts, clientRetries, keys, ...rest }: typeof TrafficFields.Type): Partial<Traffic> => ({
  ...rest,
  ...(keys && { callers: keys }),
  ...(bursts && {
    bursts: bursts.map(({ factor, for: length, from }) => ({
      factor,
      from: Duration.toMillis(from),
      for: Duration.toMillis(length),
    })),
  }),
  ...(clientRetries && {
    clientRetries: { times: clientRetries.times, after: Duration.toMillis(clientRetries.after) },
  }),
})

const millisOf = (durations: typeof Durations.Type): Distribution => {
  if (Duration.isDuration(durations)) return Duration.toMillis(durations)
  return "mean" in durations
    ? { mean: Duration.toMillis(durations.mean) }
    : { median: Duration.toMillis(durations.median), p95: Duration.toMillis(durations.p95) }
}

/** A duration on the command line, such as `24h`. */
export const parseLength = (input: string): Duration.Duration | undefined => {
  const length = parseDuration(input)
  return Predicate.isNotUndefined(length) && Duration.toMillis(length) > 0 ? length : undefined
}
