/** Traces: a tracer in the fibre of a call gives it a span, and one for each attempt. Here they are printed as a tree. */
import { Chat, Deployment, Route, Router } from "@understudy/core"
import * as Simulated from "@understudy/providers/simulated"
import * as Console from "effect/Console"
import * as Effect from "effect/Effect"
import * as Option from "effect/Option"
import * as Stream from "effect/Stream"
import * as Tracer from "effect/Tracer"

const RouterLive = Router.layer({
  deployments: {
    lead: Deployment.make({
      model: "large",
      provider: Simulated.layer({ name: "lead", failureRate: 1, status: 529 }),
      retry: { times: 1, base: "10 millis" },
    }),
    understudy: Deployment.make({
      model: "small",
      provider: Simulated.layer({ name: "understudy", reply: "To be, or not to be." }),
      price: { input: 1, output: 2 },
    }),
  },
  routes: { stage: Route.fallback("lead", "understudy") },
})

// An application has `OtlpTracer.layer` of effect/observability here, or the OpenTelemetry SDK.
const spans: Array<Tracer.NativeSpan> = []
const tracer = Tracer.make({
  span: (options) => {
    const span = new Tracer.NativeSpan(options)
    spans.push(span)
    return span
  },
})

const request: Chat.Request = { model: "stage", messages: [Chat.user("Line, please!")] }

const program = Effect.gen(function* () {
  const router = yield* Router.Router
  const { receipt } = yield* router.chat(request, { caller: "prompter" })
  yield* Stream.runDrain(Router.stream(request))
  return receipt
})

const shown = [
  "understudy.attempt.type",
  "understudy.outcome",
  "error.type",
  "gen_ai.usage.output_tokens",
  "gen_ai.response.time_to_first_chunk",
]

const print = (parent: string | undefined, indent: string): Effect.Effect<void> =>
  Effect.forEach(
    spans.filter((span) => Option.getOrUndefined(span.parent)?.spanId === parent),
    (span) => {
      const attributes = shown.flatMap((key) =>
        span.attributes.has(key) ? [`${key}=${span.attributes.get(key)}`] : [],
      )
      return Effect.andThen(
        Console.log(`${indent}${span.name} (${span.kind}) ${attributes.join(" ")}`),
        print(span.spanId, `${indent}  `),
      )
    },
    { discard: true },
  )

const receipt = await Effect.runPromise(program.pipe(Effect.withTracer(tracer), Effect.provide(RouterLive)))
await Effect.runPromise(print(undefined, ""))
const [call] = spans
console.log(`the receipt names the trace: ${receipt.traceId === call?.traceId && receipt.spanId === call?.spanId}`)
