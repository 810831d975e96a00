/** How a route chooses: by conditions on the call (`when`), by latency (`hedge`), and by the reason of a failure (`onError`). */
import { Chat, Deployment, Route, Router } from "@understudy/core"
import * as Testing from "@understudy/core/Testing"
import { Console, Effect } from "effect"

const deployment = (name: string, outcome: Testing.Outcome, options?: Partial<Deployment.Options>) =>
  Deployment.make({ model: name, provider: Testing.script([outcome]).layer, ...options })

const answers = (text: string) => Testing.reply(text)

const deployments = {
  grand: deployment("grand", answers("At your service.")),
  // Longer than the small window.
  slow: deployment("slow", Testing.reply("…now, where was I?", { after: "10 seconds" })),
  quick: deployment("quick", answers("Here already.")),
  small: deployment("small", answers("Short and sweet."), { capabilities: { contextWindow: 100 } }),
  large: deployment("large", answers("I have read it all.")),
  prepaid: deployment("prepaid", Testing.fail({ _tag: "QuotaExhausted" }, { message: "no credits left" })),
  metered: deployment("metered", answers("Put it on the bill.")),
  picky: deployment("picky", Testing.fail({ _tag: "InvalidRequest" }, { message: "temperature: not with me" })),
  easy: deployment("easy", answers("Whatever you say.")),
}

const routes = {
  // Conditions are data: on what the caller sends, and on what the call requires.
  door: Route.when([{ if: { tags: ["vip"] }, use: "grand" }], "quick"),
  // When the first takes longer than 50 ms, the second starts beside it; the first to answer wins.
  race: Route.hedge({ after: "50 millis", across: ["slow", "quick"] }),
  // An error branch for one reason.
  books: Route.to("small").pipe(Route.onContextWindow("large")),
  purse: Route.to("prepaid").pipe(Route.onError(["QuotaExhausted", "RateLimited"], "metered")),
  // An invalid request ends a call, unless the route falls back on any error.
  strict: Route.fallback("picky", "easy"),
  lenient: Route.fallback("picky", "easy").pipe(Route.fallbackOn("any")),
}

const RouterLive = Router.layer({ deployments, routes })

const program = Effect.gen(function* () {
  const router = yield* Router.Router
  let skipped: string | undefined
  yield* router.subscribe((event) => {
    if (event._tag === "Hedged") console.log(`  (${event.from} takes long: ${event.to} is asked beside it)`)
    if (event._tag === "Failover") console.log(`  (${event.from} can't: ${event.reason}; on to ${event.to})`)
    // A skipped deployment is no failed attempt, so this is no failover.
    if (event._tag === "DeploymentSkipped") skipped = `${event.deployment} can't: ${event.reason._tag}`
    if (event._tag === "AttemptStarted") {
      if (skipped !== undefined) console.log(`  (${skipped}; on to ${event.deployment})`)
      skipped = undefined
    }
  })
  const call = (model: keyof typeof routes, text: string, tags: ReadonlyArray<string> = []) =>
    router.chat({ model, messages: [Chat.user(text)] }, { tags }).pipe(
      Effect.map(({ receipt, response }) => `${receipt.deployment}: ${Chat.text(response)}`),
      Effect.catch((error) => Effect.succeed(error.message)),
      Effect.flatMap((line) => Console.log(`${[model, ...tags].join(", ")}: ${line}`)),
    )
  yield* call("door", "A table, please.")
  yield* call("door", "A table, please.", ["vip"])
  yield* call("race", "Are you there?")
  yield* call("books", "What is it about?")
  yield* call("books", `What is this about? ${"To be, or not to be. ".repeat(50)}`)
  yield* call("purse", "One more?")
  yield* call("strict", "Surprise me.")
  yield* call("lenient", "Surprise me.")
})

Effect.runPromise(Effect.scoped(Effect.provide(program, RouterLive)))
