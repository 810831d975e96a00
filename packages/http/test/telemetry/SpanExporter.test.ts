import { assert, describe, it } from "@effect/vitest"
import * as Context from "effect/Context"
import * as Duration from "effect/Duration"
import * as Effect from "effect/Effect"
import * as Exit from "effect/Exit"
import * as HttpClient from "effect/http/HttpClient"
import * as HttpClientResponse from "effect/http/HttpClientResponse"
import * as Logger from "effect/Logger"
import * as OtlpResource from "effect/observability/OtlpResource"
import { OtlpSerialization } from "effect/observability/OtlpSerialization"
import * as HttpBody from "effect/http/HttpBody"
import * as Option from "effect/Option"
import * as Scope from "effect/Scope"
import { TestClock } from "effect/testing"
import * as SpanExporter from "../../src/telemetry/SpanExporter.ts"
import * as Spans from "../../src/telemetry/Spans.ts"

/** An exporter whose collector gives these answers, `undefined` for none, the last one again and again. */
const exporter = (answers: ReadonlyArray<number | undefined>, headers: Record<string, string> = {}) =>
  Effect.gen(function* () {
    const requests: Array<number> = []
    const lines: Array<string> = []
    const logged = Logger.layer([Logger.make(({ message }) => void lines.push(String(message)))])
    const client = HttpClient.make((request) => {
      const status = answers[Math.min(requests.length, answers.length - 1)]
      requests.push(sizes.at(-1) ?? 0)
      return status === undefined
        ? Effect.never
        : Effect.succeed(HttpClientResponse.fromWeb(request, new Response(null, { status, headers })))
    })
    const sizes: Array<number> = []
    const serialization = OtlpSerialization.of({
      traces: ({ resourceSpans }) => {
        sizes.push(resourceSpans[0]?.scopeSpans[0]?.spans.length ?? 0)
        return HttpBody.empty
      },
      metrics: () => HttpBody.empty,
      logs: () => HttpBody.empty,
    })
    const scope = yield* Scope.make()
    const ended = yield* SpanExporter.make({
      endpoint: {
        url: "http://collector/v1/traces?key=hidden",
        headers: {},
        protocol: "http/protobuf",
        compression: "none",
        timeout: Duration.seconds(10),
      },
      batching: { delay: Duration.seconds(5), size: 10, queue: 25 },
      resource: OtlpResource.make({}),
      scope: { name: "test", version: "1" },
      schemaUrl: "",
    }).pipe(
      Scope.provide(scope),
      Effect.provide(logged),
      Effect.provideService(HttpClient.HttpClient, client),
      Effect.provideService(OtlpSerialization, serialization),
    )
    const tracer = Spans.tracer(ended)
    const end = (count: number) => {
      for (let index = 0; index < count; index++) {
        tracer
          .span({
            name: "span",
            parent: Option.none(),
            annotations: Context.empty(),
            links: [],
            startTime: 0n,
            kind: "internal",
            root: true,
            sampled: true,
          })
          .end(1n, Exit.void)
      }
    }
    return { requests, lines, end, close: Scope.close(scope, Exit.void) }
  })

describe("SpanExporter", () => {
  it.effect("exports what is queued after its delay, and a full batch at once", () =>
    Effect.gen(function* () {
      const { close, end, requests } = yield* exporter([200])
      end(3)
      yield* TestClock.adjust("4 seconds")
      assert.deepStrictEqual(requests, [])
      yield* TestClock.adjust("1 second")
      assert.deepStrictEqual(requests, [3])
      end(10)
      yield* TestClock.adjust(0)
      assert.deepStrictEqual(requests, [3, 10])
      yield* close
    }),
  )

  it.effect("has one request under way and a bounded queue while a collector does not answer, and logs it once", () =>
    Effect.gen(function* () {
      const { close, end, lines, requests } = yield* exporter([undefined])
      for (let second = 0; second < 60; second++) {
        end(100)
        yield* TestClock.adjust("1 second")
        assert.isAtMost(requests.length, 1 + Math.floor((second + 1) / 10))
      }
      assert.isAbove(requests.length, 3)
      assert.lengthOf(lines, 1)
      assert.match(lines[0] ?? "", /^Cannot export spans .* http:\/\/collector\/v1\/traces: no response in 10s\./)
      const closing = yield* Effect.forkChild(close)
      yield* TestClock.adjust("3 seconds")
      assert.isDefined(closing.pollUnsafe())
    }),
  )

  it.effect("retries what may be retried, after Retry-After, and says when the collector is back", () =>
    Effect.gen(function* () {
      const { close, end, lines, requests } = yield* exporter([503, 503, 503, 503, 503, 200], { "retry-after": "4" })
      end(10)
      yield* TestClock.adjust("3 seconds")
      assert.lengthOf(requests, 1)
      yield* TestClock.adjust("5 seconds")
      assert.lengthOf(requests, 3)
      assert.lengthOf(lines, 1)
      end(10)
      yield* TestClock.adjust("20 seconds")
      end(10)
      yield* TestClock.adjust("20 seconds")
      assert.match(lines[1] ?? "", /takes spans again\. \d+ spans were lost\.$/)
      yield* close
    }),
  )

  it.effect("drops a batch that the collector rejects, without a retry", () =>
    Effect.gen(function* () {
      const { close, end, lines, requests } = yield* exporter([400, 200])
      end(10)
      yield* TestClock.adjust("1 minute")
      assert.deepStrictEqual(requests, [10])
      assert.match(lines[0] ?? "", /it answers with status 400/)
      yield* close
    }),
  )

  it.effect("exports what is left when it closes", () =>
    Effect.gen(function* () {
      const { close, end, requests } = yield* exporter([200])
      end(9)
      yield* close
      assert.deepStrictEqual(requests, [9])
    }),
  )
})
