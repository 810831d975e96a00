/** A session of an agent over four accounts, each with a prompt cache of its own: scattered, kept together, and with an outage. */
import { Chat, Deployment, Route, Router } from "@understudy/core"
import { Provider } from "@understudy/core/Provider"
import { ProviderError } from "@understudy/core/ProviderError"
import { Console, Effect, Layer, Stream } from "effect"

/** An account that reads from its prompt cache what an earlier request began with: from 1,024 tokens on, in steps of 128. */
class Account {
  readonly #cache = new Set<string>()
  isDown = false

  chat({ messages }: Chat.Request): Effect.Effect<Chat.Response, ProviderError> {
    if (this.isDown) return Effect.fail(new ProviderError({ reason: { _tag: "Overloaded" }, message: "out" }))
    // A token is four characters.
    const prompt = JSON.stringify(messages)
    const inputTokens = Math.floor(prompt.length / 4)
    let cachedInputTokens = 0
    for (let tokens = 1024; tokens <= inputTokens; tokens += 128) {
      const beginning = prompt.slice(0, tokens * 4)
      if (this.#cache.has(beginning)) cachedInputTokens = tokens
      this.#cache.add(beginning)
    }
    return Effect.succeed({
      content: [{ type: "text", text: "I read the next file." }],
      finishReason: "stop",
      usage: { inputTokens, outputTokens: 10, cachedInputTokens },
    })
  }

  get deployment() {
    const provider = Provider.of({
      protocol: "example",
      chat: (request) => Effect.suspend(() => this.chat(request)),
      stream: () => Stream.die("not part of this example"),
    })
    return Deployment.make({
      model: "any",
      provider: Layer.succeed(Provider, provider),
      price: { input: 3, cachedInput: 0.3, output: 15 },
    })
  }
}

/** 60 turns of one conversation on a route over the accounts. `outage`: the turn after which the one that answered goes out. */
const replay = Effect.fnUntraced(function* (title: string, route: Route.Route, outage?: number) {
  const accounts = new Map(["a", "b", "c", "d"].map((name) => [name, new Account()]))
  const RouterLive = Router.layer({
    deployments: Object.fromEntries(Array.from(accounts, ([name, { deployment }]) => [name, deployment])),
    routes: { agent: route.pipe(Route.retry({ times: 0 })) },
  })
  yield* Effect.provide(
    Effect.gen(function* () {
      const router = yield* Router.Router
      const messages: Array<Chat.Message> = [Chat.system("You fix lights. ".repeat(400)), Chat.user("Fix the lights.")]
      const lines: Array<string> = []
      let [input, cached, cost] = [0, 0, 0]
      for (let turn = 1; turn <= 60; turn++) {
        const { receipt, response } = yield* router.chat({ model: "agent", messages }, { session: "ses-1" })
        const { affinity, attempts, deployment = "" } = receipt
        for (const attempt of attempts) {
          input += attempt.usage?.inputTokens ?? 0
          cached += attempt.usage?.cachedInputTokens ?? 0
          cost += attempt.cost ?? 0
        }
        if (affinity?.result === "moved") {
          lines.push(`  turn ${turn}: moved from ${affinity.from} to ${deployment} (${affinity.reason})`)
        }
        const account = accounts.get(deployment)
        if (turn === outage && account !== undefined) account.isDown = true
        messages.push(Chat.assistant(response.content), Chat.user(`File ${turn}: ${"the cue of a light ".repeat(60)}`))
      }
      const full = Math.round((100 * (input - cached)) / input)
      yield* Console.log(
        [`${title}: ${full} % of the input at the full price, $${cost.toFixed(2)}`, ...lines].join("\n"),
      )
    }),
    RouterLive,
  )
})

const across = ["a", "b", "c", "d"] as const
const kept = Route.balance("round-robin", across, { affinity: { by: "session", for: "1 hour" } })

await Effect.runPromise(
  Effect.gen(function* () {
    yield* replay("without affinity", Route.balance("round-robin", across))
    yield* replay("with affinity", kept)
    yield* replay("with affinity, and an outage", kept, 30)
  }),
)
