import { assert, describe, it } from "vitest"
import * as Chat from "../src/model/Chat.ts"
import * as Deployment from "../src/deployment/Deployment.ts"
import * as Promises from "../src/Promise.ts"
import * as Route from "../src/route/Route.ts"
import * as Router from "../src/Router.ts"
import { RouterError } from "../src/execution/RouterError.ts"
import * as Testing from "../src/Testing.ts"

const ask: Chat.Request = { model: "assistant", messages: [Chat.user("Hello?")] }

const over = (primary: Testing.Scripted, backup: Testing.Scripted) =>
  Promises.make(
    Router.layer({
      deployments: {
        primary: Deployment.make({ model: "p", provider: primary.layer }),
        backup: Deployment.make({ model: "b", provider: backup.layer }),
      },
      routes: { assistant: Route.fallback("primary", "backup").pipe(Route.retry({ times: 0 })) },
    }),
  )

const broken = Testing.script([Testing.fail({ _tag: "Overloaded" })])

describe("PromiseRouter", () => {
  it("answers, and returns the status of each deployment", async () => {
    await using router = over(broken, Testing.script([Testing.reply("Hi")]))
    const { receipt, response } = await router.chat(ask)
    assert.strictEqual(Chat.text(response), "Hi")
    assert.deepStrictEqual(
      receipt.attempts.map(({ deployment, outcome }) => [deployment, outcome]),
      [
        ["primary", "failure"],
        ["backup", "success"],
      ],
    )
    assert.deepStrictEqual(
      (await router.status()).map(({ deployment }) => deployment),
      ["primary", "backup"],
    )
  })

  it("returns embeddings", async () => {
    await using router = over(broken, Testing.script([Testing.vectors([[1, 0]])]))
    const { receipt, response } = await router.embed({ model: "assistant", input: ["one"] })
    assert.deepStrictEqual(response.vectors, [[1, 0]])
    assert.strictEqual(receipt.deployment, "backup")
  })

  it("rejects with the attempts", async () => {
    await using router = over(broken, broken)
    const error = await router.chat(ask).then(
      () => assert.fail("expected nobody to answer"),
      (error: unknown) => error,
    )
    assert.instanceOf(error, RouterError)
    assert.strictEqual(error.kind, "Unavailable")
    assert.strictEqual(error.receipt?.attempts.length, 2)
  })

  it("streams, and cancels the request when the reader stops", async () => {
    const endless = Testing.script([Testing.hang({ output: ["One ", "two "] })])
    await using router = over(broken, endless)
    let text = ""
    for await (const part of router.stream(ask)) {
      if (part.type === "text") text += part.text
      if (text === "One two ") break
    }
    assert.strictEqual(endless.inFlight(), 0)
  })

  it("cancels a call whose signal is aborted, and all calls on close", async () => {
    const silent = Testing.script([Testing.hang()])
    const router = over(silent, silent)
    const abort = new AbortController()
    const aborted = router.chat(ask, { signal: abort.signal }).catch(() => "aborted")
    while (silent.inFlight() === 0) await new Promise((resolve) => setImmediate(resolve))
    abort.abort()
    assert.strictEqual(await aborted, "aborted")
    assert.strictEqual(silent.inFlight(), 0)
    const closed = router.chat(ask).catch(() => "closed")
    while (silent.inFlight() === 0) await new Promise((resolve) => setImmediate(resolve))
    await router.close()
    assert.strictEqual(await closed, "closed")
    assert.strictEqual(silent.inFlight(), 0)
  })
})
