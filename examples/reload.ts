/** Routes changed while calls run: a stream ends on the deployment it began on, and the next call goes to the new one. */
import { Chat, Deployment, Route, Router } from "@understudy/core"
import * as Simulated from "@understudy/providers/simulated"
import * as Effect from "effect/Effect"
import * as Fiber from "effect/Fiber"
import * as Stream from "effect/Stream"

const florence = Simulated.layer({ name: "florence", reply: "It opens at nine.", tokenDelay: "20 millis" })
const siena = Simulated.layer({ name: "siena", reply: "At ten, since today." })

const before = {
  deployments: { florence: Deployment.make({ model: "any", provider: florence, limits: { rpm: 60 } }) },
  routes: { guide: Route.fallback("florence") },
}

// The layer of `florence` is the same value: its provider goes on running.
const after = {
  deployments: {
    florence: Deployment.make({ model: "any", provider: florence, limits: { rpm: 600 } }),
    siena: Deployment.make({ model: "any", provider: siena }),
  },
  routes: { guide: Route.fallback("siena", "florence") },
}

const program = Effect.gen(function* () {
  const router = yield* Router.Router
  const { reload } = yield* Router.Reload
  const question: Chat.Request = { model: "guide", messages: [Chat.user("When does the museum open?")] }

  const { frames, receipt } = yield* router.chatStream(question)
  const reading = yield* Effect.forkChild(Stream.runCollect(frames), { startImmediately: true })

  for (const { change, fields, kind, name } of yield* reload(after)) {
    console.log(`${kind} ${name} ${change}${fields.length === 0 ? "" : `: ${fields.join(", ")}`}`)
  }

  const { response } = yield* router.chat(question)
  console.log(`the next call: ${Chat.text(response)}`)
  const parts = (yield* Fiber.join(reading)).flatMap(({ parts }) => parts)
  const text = parts.map((part) => (part.type === "text" ? part.text : "")).join("")
  console.log(`the stream, from ${receipt.deployment}: ${text}`)

  // The compiler finds names that it knows; names that are read somewhere are checked before anything changes.
  const read: string = "sienna"
  const { message } = yield* Effect.flip(reload({ ...after, routes: { guide: Route.fallback(read) } }))
  console.log(`not reloaded: ${message}`)
})

await Effect.runPromise(Effect.scoped(Effect.provide(program, Router.layer(before))))
