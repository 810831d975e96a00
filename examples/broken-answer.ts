/** A streamed answer that breaks mid-sentence and is resumed by another deployment: the caller reads one answer. */
import { Chat, Deployment, Route, Router } from "@understudy/core"
import * as Simulated from "@understudy/providers/simulated"
import * as Effect from "effect/Effect"
import * as Stream from "effect/Stream"

const reply =
  "The lamp had been lit every night for a hundred years, and no one in the town knew by whom. " +
  "Tonight it stayed dark, and everyone looked up from what they were doing."

const pace = "15 millis"

const RouterLive = Router.layer({
  deployments: {
    lead: Deployment.make({
      model: "any",
      provider: Simulated.layer({ name: "lead", reply, tokenDelay: pace, disconnectAfterTokens: 12 }),
    }),
    // Requested to continue from the last characters, it starts from the beginning: what it repeats is removed.
    understudy: Deployment.make({
      model: "any",
      provider: Simulated.layer({ name: "understudy", reply, tokenDelay: pace }),
    }),
  },
  routes: { story: Route.fallback("lead", "understudy").pipe(Route.stream({ protect: "continue" })) },
  onFailover: ({ from, reason, to }) =>
    Effect.sync(() => process.stdout.write(`\n  (${from} broke off: ${reason}; ${to} goes on)\n`)),
})

const program = Effect.scoped(
  Effect.gen(function* () {
    const router = yield* Router.Router
    const { frames, receipt } = yield* router.chatStream({ model: "story", messages: [Chat.user("Tell me a story.")] })
    let answer = ""
    yield* Stream.runForEach(frames, ({ parts }) =>
      Effect.sync(() => {
        for (const part of parts) {
          if (part.type === "text") {
            answer += part.text
            process.stdout.write(part.text)
          }
          if (part.type === "finish") process.stdout.write(`\n(${part.reason})\n`)
        }
      }),
    )
    const tried = receipt.attempts.map(({ deployment, outcome }) => `${deployment} ${outcome}`).join(", ")
    console.log(`whole: ${answer === reply}; ${tried}`)
  }),
)

await Effect.runPromise(Effect.provide(program, RouterLive))
