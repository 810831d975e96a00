/**
 * The regions that answered the calls of an inference profile, by a CloudWatch Logs Insights query of Bedrock's invocation
 * log. The query is repeated until all calls are in the log.
 */
import type { CloudWatchLogsClientConfig } from "@aws-sdk/client-cloudwatch-logs"
import * as Clock from "effect/Clock"
import * as Data from "effect/Data"
import type * as Duration from "effect/Duration"
import * as Effect from "effect/Effect"

/** A region and the number of calls that it answered. */
export interface Region {
  readonly region: string
  readonly calls: number
}

/** The CloudWatch query failed. */
export class LogQueryFailed extends Data.TaggedError("LogQueryFailed")<{ readonly message: string }> {}

export interface Query {
  readonly client: CloudWatchLogsClientConfig
  readonly logGroup: string
  readonly model: string
  /** Only calls from this time on, in clock milliseconds. */
  readonly since: number
  /** The number of calls to wait for. */
  readonly expected: number
  /** The delay before each query. The result of the last one is returned even if it is incomplete. */
  readonly delays: ReadonlyArray<Duration.Input>
}

/** Delays for real logs, which arrive after about a minute. */
export const logDelays: Query["delays"] = ["60 seconds", "30 seconds", "30 seconds", "30 seconds", "30 seconds"]

/** The calls by region. */
export const query = (options: Query): Effect.Effect<ReadonlyArray<Region>, LogQueryFailed> =>
  Effect.scoped(
    Effect.gen(function* () {
      const { GetQueryResultsCommand, StartQueryCommand, logs } = yield* connect(options.client)
      let found: ReadonlyArray<Region> = []
      for (const delay of options.delays) {
        yield* Effect.sleep(delay)
        const now = yield* Clock.currentTimeMillis
        const { queryId } = yield* send((signal) =>
          logs.send(
            new StartQueryCommand({
              logGroupName: options.logGroup,
              startTime: Math.floor(options.since / 1000) - 60,
              endTime: Math.ceil(now / 1000) + 60,
              queryString: queryText(options),
            }),
            { abortSignal: signal },
          ),
        )
        found = yield* results(() =>
          send((signal) => logs.send(new GetQueryResultsCommand({ queryId }), { abortSignal: signal })),
        )
        if (found.reduce((sum, { calls }) => sum + calls, 0) >= options.expected) break
      }
      return found
    }),
  )

/** The log has the ARN of the profile, which ends in the model id. */
const queryText = ({ model, since }: Query): string =>
  [
    `filter modelId like /inference-profile\\/${model}/ and toMillis(@timestamp) >= ${since}`,
    "stats count(*) as invocationCount by inferenceRegion",
    "sort inferenceRegion",
  ].join(" | ")

interface QueryResults {
  readonly status?: string | undefined
  readonly results?: ReadonlyArray<ReadonlyArray<{ readonly value?: string | undefined }>> | undefined
}

const results = (
  fetchResults: () => Effect.Effect<QueryResults, LogQueryFailed>,
): Effect.Effect<ReadonlyArray<Region>, LogQueryFailed> =>
  Effect.flatMap(fetchResults(), ({ results: rows = [], status }) => {
    switch (status) {
      case "Scheduled":
      case "Running":
        return Effect.andThen(Effect.sleep("1 second"), results(fetchResults))
      case "Complete":
        return Effect.succeed(
          rows.map(([region, calls]) => ({ region: region?.value ?? "?", calls: Number(calls?.value) })),
        )
      default:
        return Effect.fail(new LogQueryFailed({ message: `The CloudWatch query ended with status ${status}` }))
    }
  })

/** The SDK, loaded on demand, and a client. */
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

function send<A>(request: (signal: AbortSignal) => Promise<A>): Effect.Effect<A, LogQueryFailed> {
  return Effect.tryPromise({
    try: request,
    catch: (error) => new LogQueryFailed({ message: error instanceof Error ? error.message : String(error) }),
  })
}
