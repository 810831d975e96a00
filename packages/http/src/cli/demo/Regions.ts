/**
 * Where an inference profile led, as CloudWatch Logs Insights tells it from Bedrock's log of invocations: the one place
 * that knows. Logs take their time to arrive, and are asked for until all are there.
 */
import type { CloudWatchLogsClientConfig } from "@aws-sdk/client-cloudwatch-logs"
import * as Clock from "effect/Clock"
import * as Data from "effect/Data"
import type * as Duration from "effect/Duration"
import * as Effect from "effect/Effect"

/** How many calls went to a region. */
export interface Region {
  readonly region: string
  readonly calls: number
}

/** CloudWatch could not be asked. */
export class NoLogs extends Data.TaggedError("NoLogs")<{ readonly message: string }> {}

export interface Query {
  readonly client: CloudWatchLogsClientConfig
  readonly logGroup: string
  readonly model: string
  /** Clock milliseconds: calls from then on. */
  readonly since: number
  /** How many calls should be found. */
  readonly expected: number
  /** How long to wait before each try: the last one's answer is taken as it is. */
  readonly waits: ReadonlyArray<Duration.Input>
}

/** Real logs take a minute, more or less, to arrive. */
export const patience: Query["waits"] = ["60 seconds", "30 seconds", "30 seconds", "30 seconds", "30 seconds"]

/** The calls by region. */
export const ask = (query: Query): Effect.Effect<ReadonlyArray<Region>, NoLogs> =>
  Effect.scoped(
    Effect.gen(function* () {
      const { GetQueryResultsCommand, StartQueryCommand, logs } = yield* connect(query.client)
      let found: ReadonlyArray<Region> = []
      for (const wait of query.waits) {
        yield* Effect.sleep(wait)
        const now = yield* Clock.currentTimeMillis
        const { queryId } = yield* send((signal) =>
          logs.send(
            new StartQueryCommand({
              logGroupName: query.logGroup,
              startTime: Math.floor(query.since / 1000) - 60,
              endTime: Math.ceil(now / 1000) + 60,
              queryString: text(query),
            }),
            { abortSignal: signal },
          ),
        )
        found = yield* results(() =>
          send((signal) => logs.send(new GetQueryResultsCommand({ queryId }), { abortSignal: signal })),
        )
        if (found.reduce((sum, { calls }) => sum + calls, 0) >= query.expected) break
      }
      return found
    }),
  )

/** The profile stands in the log as the end of its ARN. */
const text = ({ model, since }: Query): string =>
  [
    `filter modelId like /inference-profile\\/${model}/ and toMillis(@timestamp) >= ${since}`,
    "stats count(*) as invocationCount by inferenceRegion",
    "sort inferenceRegion",
  ].join(" | ")

interface Answer {
  readonly status?: string | undefined
  readonly results?: ReadonlyArray<ReadonlyArray<{ readonly value?: string | undefined }>> | undefined
}

const results = (ask: () => Effect.Effect<Answer, NoLogs>): Effect.Effect<ReadonlyArray<Region>, NoLogs> =>
  Effect.flatMap(ask(), ({ results: rows = [], status }) => {
    switch (status) {
      case "Scheduled":
      case "Running":
        return Effect.andThen(Effect.sleep("1 second"), results(ask))
      case "Complete":
        return Effect.succeed(
          rows.map(([region, calls]) => ({ region: region?.value ?? "?", calls: Number(calls?.value) })),
        )
      default:
        return Effect.fail(new NoLogs({ message: `CloudWatch's query ended as ${status}` }))
    }
  })

/** The SDK, loaded only here, and a client of it. */
const connect = (config: CloudWatchLogsClientConfig) =>
  Effect.flatMap(
    send(() => import("@aws-sdk/client-cloudwatch-logs")),
    (sdk) =>
      Effect.map(
        Effect.acquireRelease(
          Effect.sync(() => new sdk.CloudWatchLogsClient(config)),
          (logs) => Effect.sync(() => logs.destroy()),
        ),
        (logs) => ({ ...sdk, logs }),
      ),
  )

function send<A>(ask: (signal: AbortSignal) => Promise<A>): Effect.Effect<A, NoLogs> {
  return Effect.tryPromise({
    try: ask,
    catch: (error) => new NoLogs({ message: error instanceof Error ? error.message : String(error) }),
  })
}
