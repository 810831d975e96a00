/** A tape of calls, and what it has of them: every attempt with its times and tokens, and no word that was said. */
import { Chat, Deployment, Route, Router, Tape } from "@understudy/core"
import * as Simulated from "@understudy/providers/simulated"
import * as Effect from "effect/Effect"
import * as Stream from "effect/Stream"

const RouterLive = Router.layer({
  deployments: {
    lead: Deployment.make({
      model: "large",
      provider: Simulated.layer({ name: "lead", failureRate: 1, status: 503 }),
      circuit: { failures: 2 },
    }),
    backup: Deployment.make({
      model: "small",
      provider: Simulated.layer({ name: "backup", reply: "It opens at nine." }),
    }),
  },
  routes: { guide: Route.fallback("lead", "backup").pipe(Route.retry({ times: 0 })) },
})

const program = Effect.gen(function* () {
  const router = yield* Router.Router
  const writer = new Tape.Writer({ version: "1.0.0", instance: "example", startedAt: Date.now(), sample: 1 })
  // The second function asks for what each call needs, which is not computed otherwise.
  yield* router.subscribe(
    (event) => {
      if (event._tag === "CallEnded") writer.add(event.receipt)
    },
    () => true,
  )
  const question: Chat.Request = { model: "guide", messages: [Chat.user("When does the museum open?")] }
  for (let call = 0; call < 3; call++) yield* router.chat(question, { caller: "tour-office" })

  const calls = writer.calls
  const bytes = writer.take()
  console.log(`${calls} calls in ${bytes.length} bytes`)
  const items = yield* Stream.runCollect(Tape.read(Stream.make(bytes)))
  for (const item of items) {
    if (item._tag === "Segment") console.log(`recorded by ${item.instance}, version ${item.version}`)
    if (item._tag !== "Call") continue
    const attempts = item.attempts.map(
      ({ deployment, outcome, reason, type }) => `${type} ${deployment} ${reason ?? outcome}`,
    )
    const skipped = item.skipped.map(({ deployment, reason }) => `${deployment} skipped (${reason})`)
    const needs = `${item.needs?.inputTokens} tokens`
    console.log(`${item.route} for ${item.caller}, ${needs}: ${[...skipped, ...attempts].join(", ")}`)
  }
  console.log(`the question is on the tape: ${Buffer.from(bytes).includes("museum")}`)
})

await Effect.runPromise(Effect.scoped(Effect.provide(program, RouterLive)))
