import { assert, describe, it } from "vitest"
import * as Chat from "../src/model/Chat.ts"
import * as Promises from "../src/Promise.ts"
import { RouterError } from "../src/execution/RouterError.ts"
import * as Testing from "../src/Testing.ts"
import { layer, request } from "./support/TestRouter.ts"

const made = (primary: Testing.Scripted, backup: Testing.Scripted) =>
  Promises.make(layer({ primary, backup }, { deployment: { retry: { times: 0 } } }))

const broken = Testing.script([Testing.fail({ _tag: "Overloaded" })])

describe("the router for promises", () => {
  it("answers a call, and gives the status of each deployment", async () => {
    await using router = made(broken, Testing.script([Testing.reply("Hi")]))
    const { receipt, response } = await router.chat(request)
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

  it("gives embeddings", async () => {
    await using router = made(broken, Testing.script([Testing.vectors([[1, 0]])]))
    const { receipt, response } = await router.embed({ model: "assistant", input: ["one"] })
    assert.deepStrictEqual(response.vectors, [[1, 0]])
    assert.strictEqual(receipt.deployment, "backup")
  })

  it("gives the bytes of other operations, streamed or not", async () => {
    await using router = made(broken, Testing.script([Testing.reply(["one ", "two"])]))
    for (const streaming of [false, true]) {
      const { contentType, data, receipt } = await router.operate({
        operation: "audio.speech",
        model: "assistant",
        streaming,
        body: { type: "json", fields: { input: "Hi" } },
      })
      assert.strictEqual(new TextDecoder().decode(data), "one two")
      assert.deepStrictEqual([contentType, receipt.deployment], ["text/plain", "backup"])
    }
  })

  it("rejects with a RouterError that lists the attempts", async () => {
    await using router = made(broken, broken)
    const error = await router.chat(request).then(
      () => assert.fail("expected nobody to answer"),
      (error: unknown) => error,
    )
    assert.instanceOf(error, RouterError)
    assert.strictEqual(error.kind, "Unavailable")
    assert.strictEqual(error.receipt?.attempts.length, 2)
  })

  it("streams an answer, and cancels it when its reader leaves", async () => {
    const endless = Testing.script([Testing.hang({ output: ["One ", "two "] })])
    await using router = made(broken, endless)
    let text = ""
    for await (const part of router.stream(request)) {
      if (part.type === "text") text += part.text
      if (text === "One two ") break
    }
    assert.strictEqual(endless.inFlight(), 0)
  })

  it("cancels a call whose signal is aborted, and all calls when it is closed", async () => {
    const silent = Testing.script([Testing.hang()])
    const router = made(silent, silent)
    const abort = new AbortController()
    const aborted = router.chat(request, { signal: abort.signal }).catch(() => "aborted")
    while (silent.inFlight() === 0) await new Promise((resolve) => setImmediate(resolve))
    abort.abort()
    assert.strictEqual(await aborted, "aborted")
    assert.strictEqual(silent.inFlight(), 0)
    const closed = router.chat(request).catch(() => "closed")
    while (silent.inFlight() === 0) await new Promise((resolve) => setImmediate(resolve))
    await router.close()
    assert.strictEqual(await closed, "closed")
    assert.strictEqual(silent.inFlight(), 0)
  })

  it("cancels its streams when it is closed, between two reads and within one", async () => {
    const endless = Testing.script([Testing.hang({ output: ["One ", "two "] })])
    const router = made(endless, endless)
    const [between, within] = [router.stream(request), router.stream(request)].map((stream) =>
      stream[Symbol.asyncIterator](),
    )
    await between?.next()
    for (let read = 0; read < 3; read++) await within?.next()
    const reading = within?.next().catch(() => "closed")
    assert.strictEqual(endless.inFlight(), 2)
    await router.close()
    assert.strictEqual(endless.inFlight(), 0)
    assert.strictEqual(await reading, "closed")
  })
})
