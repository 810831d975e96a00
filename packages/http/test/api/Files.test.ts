import { assert, describe, it } from "@effect/vitest"
import * as OpenAiProvider from "@understudy/providers/openai"
import * as Transport from "@understudy/providers/transport"
import * as Effect from "effect/Effect"
import * as Layer from "effect/Layer"
import * as Redacted from "effect/Redacted"
import type OpenAI from "openai"
import { APIError, toFile } from "openai"
import * as HeldId from "../../src/api/HeldId.ts"
import * as FilesUpstream from "../FilesUpstream.ts"
import * as TestGateway from "../TestGateway.ts"

/** A gateway over two accounts of a vendor with files: that of `primary`, and the two of `backup`. */
const made = Effect.fnUntraced(function* (options: TestGateway.Options = {}) {
  const vendor = yield* FilesUpstream.make
  const account = (apiKey: string) =>
    Layer.provide(OpenAiProvider.layer({ baseUrl: vendor.url, apiKey: Redacted.make(apiKey) }), Transport.layer)
  const gateway = yield* TestGateway.make({
    provider: () => account("key-primary"),
    backupProvider: [account("key-one"), account("key-two")],
    ...options,
  })
  return { ...gateway, vendor }
})

const model = "assistant"
const text = () => toFile(Buffer.from("some notes"), "notes.txt")

const line = (id: string, model: string, body = "") =>
  `{"custom_id":"${id}","method":"POST","url":"/v1/chat/completions","body":{"model":"${model}","temperature":1.0${body}}}`
const batch = (...lines: ReadonlyArray<string>) =>
  toFile(Buffer.from(`${lines.join("\n")}\n`), "batch.jsonl", { type: "application/jsonl" })

const promise = <A>(run: () => Promise<A>): Effect.Effect<A> => Effect.promise(run)

const rejected = (call: () => Promise<unknown>) =>
  promise(() =>
    call().then(
      () => assert.fail("expected the client to see an error"),
      (error: unknown) => {
        assert.instanceOf(error, APIError)
        return error
      },
    ),
  )

/** Uploads a file on the route. */
const upload = async (client: OpenAI) =>
  client.files.create(Object.assign({ file: await text(), purpose: "user_data" } as const, { model }))

describe("files", () => {
  it.live("are read, listed and deleted at the account that holds them, whatever became of the others", () =>
    Effect.gen(function* () {
      const { client, vendor } = yield* made()
      vendor.down.add("key-primary")
      const file = yield* promise(() => upload(client))
      assert.notStrictEqual(file.id, "file-1")
      assert.deepInclude(HeldId.decode(file.id), { route: model, id: "file-1" })
      vendor.down.clear()
      const held = vendor.requests.at(-1)!.split(" ")[2]
      const read = yield* promise(() => client.files.retrieve(file.id))
      assert.strictEqual(read.id, file.id)
      const content = yield* promise(async () => (await client.files.content(file.id)).text())
      assert.strictEqual(content, "some notes")
      assert.isTrue((yield* promise(() => client.files.delete(file.id))).deleted)
      assert.deepStrictEqual(
        vendor.requests.slice(-3).map((request) => request.split(" ")),
        [
          ["GET", "/v1/files/file-1", held],
          ["GET", "/v1/files/file-1/content", held],
          ["DELETE", "/v1/files/file-1", held],
        ],
      )
    }),
  )

  it.live("do not fall back: the error says who holds them", () =>
    Effect.gen(function* () {
      const { client, vendor } = yield* made()
      const file = yield* promise(() => upload(client))
      vendor.down.add("key-primary")
      const { message, status } = yield* rejected(() => client.files.retrieve(file.id))
      assert.strictEqual(status, 503)
      assert.include(message, 'does not hold it: "primary" does')
    }),
  )

  it.live("that are gone, or were never uploaded here, are not found", () =>
    Effect.gen(function* () {
      const { client } = yield* made()
      const file = yield* promise(() => upload(client))
      yield* promise(() => client.files.delete(file.id))
      assert.strictEqual((yield* rejected(() => client.files.retrieve(file.id))).status, 404)
      const other = yield* rejected(() => client.files.retrieve("file-123"))
      assert.deepStrictEqual([other.status, other.param], [404, "id"])
      const holder = { deployment: "former" }
      const former = HeldId.encode({ route: model, holder, id: "file-1" })
      const { message, status } = yield* rejected(() => client.files.retrieve(former))
      assert.strictEqual(status, 404)
      assert.include(message, 'held by the deployment "former", which its route does not have any more')
    }),
  )

  it.live("are not found where the route no longer has the deployment that holds them", () =>
    Effect.gen(function* () {
      const { client } = yield* made()
      const id = HeldId.encode({ route: "backup", holder: { deployment: "primary" }, id: "file-1" })
      const { message, status } = yield* rejected(() => client.files.retrieve(id))
      assert.strictEqual(status, 404)
      assert.include(message, 'held by the deployment "primary", which its route does not have any more')
    }),
  )

  it.live("need a route, which the form names, or which is called files", () =>
    Effect.gen(function* () {
      const { client } = yield* made()
      const file = yield* promise(text)
      const { message, param } = yield* rejected(() => client.files.create({ file, purpose: "user_data" }))
      assert.strictEqual(param, "model")
      assert.include(message, 'a route called "files"')
    }),
  )

  it.live("of all callers are listed to the operator, and to no key", () =>
    Effect.gen(function* () {
      const { client, url } = yield* made()
      yield* promise(() => upload(client))
      const list = yield* promise(() => client.files.list({ query: { model } } as never))
      assert.deepInclude(HeldId.decode(list.data[0]!.id), { id: "file-1" })
      const keyed = yield* made({ keys: [{ id: "team", key: Redacted.make("sk-team"), routes: [model] }] })
      const { status } = yield* rejected(() => TestGateway.clientOf(keyed.url, "sk-team").files.list())
      assert.strictEqual(status, 403)
      assert.isString(url)
    }),
  )

  it.live("are out of reach for a key that may not call their route", () =>
    Effect.gen(function* () {
      const { url } = yield* made({ keys: [{ id: "team", key: Redacted.make("sk-team"), routes: ["backup"] }] })
      const client = TestGateway.clientOf(url, "sk-team")
      const id = HeldId.encode({ route: model, holder: { deployment: "primary" }, id: "file-1" })
      assert.strictEqual((yield* rejected(() => client.files.retrieve(id))).status, 403)
    }),
  )
})

describe("batches", () => {
  it.live("run where their input is, with the vendor's model id in each line, and their output is read there", () =>
    Effect.gen(function* () {
      const { client, vendor } = yield* made()
      vendor.down.add("key-primary")
      const file = yield* promise(() => batch(line("a", model), "", line("b", model, ',"seed":12345678901234567890')))
      const input = yield* promise(() => client.files.create({ file, purpose: "batch" }))
      const made_ = yield* promise(() =>
        client.batches.create({ input_file_id: input.id, endpoint: "/v1/chat/completions", completion_window: "24h" }),
      )
      assert.strictEqual(made_.input_file_id, input.id)
      const done = yield* promise(() => client.batches.retrieve(made_.id))
      assert.strictEqual(done.status, "completed")
      const output = yield* promise(async () => (await client.files.content(done.output_file_id!)).text())
      assert.deepStrictEqual(
        output.split("\n").map((line) => JSON.parse(line).response.body.model),
        ["backup", "backup"],
      )
      const sent = yield* promise(async () => (await client.files.content(input.id)).text())
      assert.strictEqual(sent, `${line("a", "backup")}\n${line("b", "backup", ',"seed":12345678901234567890')}\n`)
      assert.strictEqual((yield* promise(() => client.batches.cancel(made_.id))).id, made_.id)
      const keys = new Set(
        vendor.requests.map((request) => request.split(" ")[2]).filter((key) => key !== "key-primary"),
      )
      assert.strictEqual(keys.size, 1)
    }),
  )

  it.live("are rejected by the line that is no request, or is for another model", () =>
    Effect.gen(function* () {
      const { client, vendor } = yield* made()
      for (const [lines, message] of [
        [[line("a", model), line("b", "other")], 'line 2 is for the model "other"'],
        [[line("a", model), "{"], "line 2 is not a JSON object"],
        [['{"custom_id":"a"}'], "line 1 has no model"],
        [[" "], "the file is empty"],
      ] as const) {
        const file = yield* promise(() => batch(...lines))
        const error = yield* rejected(() => client.files.create({ file, purpose: "batch" }))
        assert.strictEqual(error.status, 400)
        assert.include(error.message, message)
      }
      assert.deepStrictEqual(vendor.requests, [])
    }),
  )

  it.live("need an id of a file of this gateway", () =>
    Effect.gen(function* () {
      const { client } = yield* made()
      const { param, status } = yield* rejected(() =>
        client.batches.create({ input_file_id: "file-1", endpoint: "/v1/responses", completion_window: "24h" }),
      )
      assert.deepStrictEqual([status, param], [404, "input_file_id"])
    }),
  )
})

describe("HeldId", () => {
  it("is decoded to what it was made of, and nothing else is", () => {
    const held = { route: "r/é", holder: { deployment: "d", account: "0a1b2c3d" }, id: "file-abc" }
    const id = HeldId.encode(held)
    assert.match(id, /^file-us1_[\w-]+$/)
    assert.deepStrictEqual(HeldId.decode(id), held)
    for (const text of [`${id}x`, id.slice(0, -1), `batch_${id.slice(5)}`, "file-us1_", "us1_e30", ""]) {
      assert.isUndefined(HeldId.decode(text), text)
    }
    const path = HeldId.encode({ ...held, id: "../models" })
    assert.isUndefined(HeldId.decode(path))
  })
})
