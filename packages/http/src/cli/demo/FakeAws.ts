/**
 * Fake AWS services for the demonstrations: Bedrock with delayed responses, and CloudWatch Logs Insights with the calls of
 * that Bedrock by region. Each listens on a socket and uses the service's own protocol.
 */
import * as Behavior from "@understudy/providers/testing/Behavior"
import * as FaultServer from "@understudy/providers/testing"
import * as Effect from "effect/Effect"
import type * as Scope from "effect/Scope"
import * as Http from "node:http"
import type { AddressInfo } from "node:net"

/** The URLs of the two services. */
export interface FakeAws {
  readonly bedrock: string
  readonly logs: string
}

/** Delays of responses in milliseconds, in turn. */
const delays = [120, 60, 200, 90, 150]

/** Starts both services on free loopback ports until the scope closes. */
export const make = (models: ReadonlyArray<string>): Effect.Effect<FakeAws, never, Scope.Scope> =>
  Effect.gen(function* () {
    const bedrock = yield* FaultServer.make()
    const [first = 0, ...others] = delays
    const answers = [Behavior.answer({ delay: first }), ...others.map((delay) => Behavior.answer({ delay }))] as const
    for (const model of models) yield* bedrock.script(model, { steps: answers, repeat: "all" })
    return { bedrock: bedrock.url, logs: yield* logs(bedrock) }
  })

/** The regions of an inference profile, in turn. */
const regions = ["us-west-2", "us-east-2", "us-east-1", "us-west-2", "us-east-2", "us-west-2", "us-east-2"]

const credential = (headers: Http.IncomingHttpHeaders): string =>
  /Credential=([^/]+)/.exec(headers.authorization ?? "")?.[1] ?? ""

/** Serves `StartQuery` and `GetQueryResults` from the Bedrock requests with the query's access key. */
const logs = (bedrock: FaultServer.FaultServer): Effect.Effect<string, never, Scope.Scope> =>
  Effect.gen(function* () {
    const queries = new Map<string, string>()
    const context = yield* Effect.context<never>()
    const counts = (query: string, account: string) =>
      Effect.map(bedrock.requests, (requests) => {
        const counted = new Map<string, number>()
        for (const { headers, model, serial } of requests) {
          if (credential(headers) !== account || !query.includes(model)) continue
          const region = regions[serial % regions.length] ?? ""
          counted.set(region, (counted.get(region) ?? 0) + 1)
        }
        return [...counted].toSorted(([a], [b]) => a.localeCompare(b))
      })
    const server = yield* Effect.acquireRelease(
      Effect.callback<Http.Server>((resume) => {
        const server = Http.createServer((request, response) => {
          let sent = ""
          request.setEncoding("utf8")
          request.on("data", (chunk: string) => (sent += chunk))
          request.on("end", () => {
            const body = JSON.parse(sent) as { readonly queryId?: string; readonly queryString?: string }
            const reply = (answer: object) => {
              response.setHeader("content-type", "application/x-amz-json-1.1")
              response.end(JSON.stringify(answer))
            }
            if (body.queryString !== undefined) {
              const queryId = `query-${queries.size + 1}`
              queries.set(queryId, body.queryString)
              return reply({ queryId })
            }
            const rows = Effect.runSyncWith(context)(
              counts(queries.get(body.queryId ?? "") ?? "", credential(request.headers)),
            )
            return reply({
              status: "Complete",
              results: rows.map(([region, count]) => [
                { field: "inferenceRegion", value: region },
                { field: "invocationCount", value: String(count) },
              ]),
            })
          })
        })
        server.listen(0, "127.0.0.1", () => resume(Effect.succeed(server)))
      }),
      (server) =>
        Effect.callback<void>((resume) => {
          server.close(() => resume(Effect.void))
          server.closeAllConnections()
        }),
    )
    return `http://127.0.0.1:${(server.address() as AddressInfo).port}`
  })
