/** Metrics of a router in an application: what its calls were, and the state of its deployments, in Prometheus' text format. */
import { Chat, Deployment, Metrics, Route, Router } from "@understudy/core"
import * as Simulated from "@understudy/providers/simulated"
import * as Console from "effect/Console"
import * as Effect from "effect/Effect"
import * as Layer from "effect/Layer"
import * as PrometheusMetrics from "effect/observability/PrometheusMetrics"

const RouterLive = Router.layer({
  deployments: {
    lead: Deployment.make({
      model: "large",
      provider: Simulated.layer({ name: "lead", failureRate: 1, status: 429, retryAfter: "30 seconds" }),
    }),
    understudy: Deployment.make({
      model: "small",
      provider: Simulated.layer({ name: "understudy", reply: "To be, or not to be." }),
      price: { input: 1, output: 2 },
    }),
  },
  routes: { stage: Route.fallback("lead", "understudy") },
})

const program = Effect.gen(function* () {
  const router = yield* Router.Router
  for (let call = 0; call < 3; call++) {
    yield* router.chat({ model: "stage", messages: [Chat.user("Line, please!")] })
  }
  yield* Metrics.collect
  const text = yield* PrometheusMetrics.format()
  // The buckets of the histograms and the series that are 0 are left out here.
  for (const line of text.split("\n")) if (!/^#|_bucket|^$| 0$/.test(line)) yield* Console.log(line)
})

await Effect.runPromise(Effect.provide(program, Metrics.layer().pipe(Layer.provideMerge(RouterLive))))
