import { assert, describe, it } from "@effect/vitest"
import type { Receipt } from "@understudy/core/Receipt"
import * as Behavior from "@understudy/providers/testing/Behavior"
import * as ByteSize from "effect/ByteSize"
import * as Effect from "effect/Effect"
import * as Redacted from "effect/Redacted"
import { createHash } from "node:crypto"
import { readdirSync } from "node:fs"
import { readlink } from "node:fs/promises"
import type OpenAI from "openai"
import { APIError, toFile } from "openai"
import * as Operations from "../../src/api/Operations.ts"
import * as TestGateway from "../TestGateway.ts"

/** A gateway whose primary is down, and the OpenAI SDK in front of it. */
const broken = Effect.fnUntraced(function* (options: TestGateway.Options = {}) {
  const gateway = yield* TestGateway.make(options)
  yield* gateway.upstream.script("primary", [Behavior.refuse("overloaded")])
  return gateway
})

const model = "assistant"

/** What an endpoint answers through a route whose primary is down, and which deployment it is from. */
const answered = <A>(call: (client: OpenAI) => { withResponse(): Promise<{ data: A; response: Response }> }) =>
  Effect.gen(function* () {
    const { client, upstream } = yield* broken()
    const { data, response } = yield* Effect.promise(() => call(client).withResponse())
    assert.strictEqual(response.headers.get("x-understudy-deployment"), "backup")
    assert.strictEqual(yield* upstream.attempts("primary"), 1)
    yield* upstream.idle
    const [, sent] = yield* upstream.requests
    return { data, response, sent: sent! }
  })

const audio = Buffer.alloc(300_000, "la")
const file = () => toFile(audio, "speech.wav", { type: "audio/wav" })
const hashOf = (bytes: Uint8Array): string => createHash("sha256").update(bytes).digest("hex")

/** What the upstream received of the file. */
const received = { filename: "speech.wav", type: "audio/wav", size: audio.length, hash: hashOf(audio) }

const rejected = (call: Promise<unknown>) =>
  Effect.promise(() =>
    call.then(
      () => assert.fail("expected the client to see an error"),
      (error: unknown) => {
        assert.instanceOf(error, APIError)
        return error
      },
    ),
  )

/** Waits until no file of this process is open that has no name any more. */
const noUploads = Effect.suspend(() => openUploads).pipe(
  Effect.repeat({ until: (open) => open.length === 0 }),
  Effect.asVoid,
)

const openUploads = Effect.promise(async () => {
  // Only Linux lists them.
  if (process.platform !== "linux") return []
  const links = await Promise.all(
    readdirSync("/proc/self/fd").map((fd) => readlink(`/proc/self/fd/${fd}`).catch(() => "")),
  )
  return links.filter((link) => link.includes("understudy-") && link.endsWith("(deleted)"))
})

describe("through the openai SDK, on a route whose primary is down", () => {
  it.live("completions are answered, with the vendor's model id and everything else unchanged", () =>
    Effect.gen(function* () {
      const { data, sent } = yield* answered((client) => client.completions.create({ model, prompt: "Hello", seed: 7 }))
      assert.include(data.choices[0]?.text, "backup")
      assert.strictEqual(sent.path, "/v1/completions")
      assert.deepStrictEqual(sent.body, { model: "backup", prompt: "Hello", seed: 7 })
    }),
  )

  it.live("streamed completions arrive, without the usage that the client did not ask for", () =>
    Effect.gen(function* () {
      const { client, upstream } = yield* broken()
      const chunks = yield* Effect.promise(async () => {
        const chunks: Array<OpenAI.Completion> = []
        for await (const chunk of await client.completions.create({ model, prompt: "Hello", stream: true })) {
          chunks.push(chunk)
        }
        return chunks
      })
      assert.include(chunks.map(({ choices }) => choices[0]?.text).join(""), "backup")
      assert.isTrue(chunks.every(({ choices }) => choices.length === 1))
      const [, sent] = yield* upstream.requests
      assert.deepStrictEqual((sent!.body as Record<string, unknown>)["stream_options"], { include_usage: true })
    }),
  )

  it.live("moderations are answered, and recorded under the name of the operation", () =>
    Effect.gen(function* () {
      const { client, router } = yield* broken()
      const receipts: Array<Receipt> = []
      yield* router.subscribe((event) => {
        if (event._tag === "CallEnded") receipts.push(event.receipt)
      })
      const { results } = yield* Effect.promise(() => client.moderations.create({ model, input: ["a", "b"] }))
      assert.isFalse(results[0]?.flagged)
      assert.deepStrictEqual(
        receipts.map(({ operation, outcome, protocol }) => [operation, protocol, outcome]),
        [["moderations", "moderations", "success"]],
      )
    }),
  )

  it.live("images are generated, edited and varied", () =>
    Effect.gen(function* () {
      const generated = yield* answered((client) => client.images.generate({ model, prompt: "a stage", n: 2 }))
      assert.isString(generated.data.data?.[0]?.b64_json)
      const image = yield* Effect.promise(file)
      const edited = yield* answered((client) => client.images.edit({ model, image, prompt: "brighter" }))
      assert.deepStrictEqual((edited.sent.body as Record<string, unknown>)["image"], received)
      const varied = yield* answered((client) => client.images.createVariation({ model, image }))
      assert.strictEqual((varied.sent.body as Record<string, unknown>)["model"], "backup")
    }),
  )

  it.live("partial images are streamed, of those generated and of those edited", () =>
    Effect.gen(function* () {
      const { client } = yield* broken()
      const image = yield* Effect.promise(file)
      const asked = { model, prompt: "a stage", stream: true, partial_images: 2 } as const
      const typesOf = async (events: AsyncIterable<{ readonly type: string }>) => {
        const types: Array<string> = []
        for await (const { type } of events) types.push(type)
        return types
      }
      const generated = yield* Effect.promise(async () => typesOf(await client.images.generate(asked)))
      const edited = yield* Effect.promise(async () => typesOf(await client.images.edit({ ...asked, image })))
      const types = ["partial_image", "partial_image", "completed"]
      assert.deepStrictEqual(
        generated,
        types.map((type) => `image_generation.${type}`),
      )
      assert.deepStrictEqual(
        edited,
        types.map((type) => `image_edit.${type}`),
      )
    }),
  )

  it.live("speech arrives as the vendor sends it", () =>
    Effect.gen(function* () {
      const { client } = yield* broken()
      const response = yield* Effect.promise(() =>
        client.audio.speech.create({ model, input: "Hello", voice: "alloy" }),
      )
      assert.strictEqual(response.headers.get("content-type"), "audio/mpeg")
      assert.include(Buffer.from(yield* Effect.promise(() => response.arrayBuffer())).toString(), "backup")
    }),
  )

  it.live("audio is transcribed and translated: every attempt gets the whole file, and none is left", () =>
    Effect.gen(function* () {
      const upload = yield* Effect.promise(file)
      const { data, sent } = yield* answered((client) =>
        client.audio.transcriptions.create({ model, file: upload, language: "en" }),
      )
      assert.include(data.text, "backup")
      const { file: sentFile, ...fields } = sent.body as Record<string, unknown>
      assert.deepStrictEqual(sentFile, received)
      assert.deepStrictEqual(fields, { model: "backup", language: "en" })
      const translated = yield* answered((client) => client.audio.translations.create({ model, file: upload }))
      assert.include(translated.data.text, "backup")
      yield* noUploads
    }),
  )

  it.live("transcriptions are streamed", () =>
    Effect.gen(function* () {
      const { client } = yield* broken()
      const upload = yield* Effect.promise(file)
      const types = yield* Effect.promise(async () => {
        const types = new Set<string>()
        const stream = await client.audio.transcriptions.create({ model, file: upload, stream: true })
        for await (const { type } of stream) types.add(type)
        return [...types]
      })
      assert.deepStrictEqual(types, ["transcript.text.delta", "transcript.text.done"])
    }),
  )

  it.live("have the fields that a deployment sets: objects are merged, and are JSON in forms", () =>
    Effect.gen(function* () {
      const extraBody = { options: { a: 1 }, tier: "flex" }
      const { client, upstream } = yield* TestGateway.make({ primary: { force: { extraBody } } })
      const own = { options: { a: 2, b: 3 } }
      yield* Effect.promise(() => client.moderations.create({ model, input: "one", ...own }))
      yield* Effect.promise(async () => client.audio.transcriptions.create({ model, file: await file() }))
      const [json, form] = yield* upstream.requests
      assert.deepInclude(json?.body, { options: { a: 1, b: 3 }, tier: "flex" })
      assert.deepInclude(form?.body, { options: '{"a":1}', tier: "flex" })
    }),
  )

  it.live("documents are reranked by a model on Bedrock", () =>
    Effect.gen(function* () {
      const { url } = yield* broken({ backup: "bedrock" })
      const body = JSON.stringify({ model, query: "best", documents: ["a", "b"] })
      const headers = { "content-type": "application/json" }
      const response = yield* Effect.promise(() => fetch(`${url}/v1/rerank`, { method: "POST", body, headers }))
      assert.deepInclude(yield* Effect.promise(() => response.json()), {
        results: [
          { index: 1, relevance_score: 1 },
          { index: 0, relevance_score: 0.5 },
        ],
      })
    }),
  )

  it.live("documents are reranked, under the paths of Cohere and Jina", () =>
    Effect.gen(function* () {
      const { url } = yield* broken()
      for (const path of ["/v1/rerank", "/v2/rerank"]) {
        const body = JSON.stringify({ model, query: "best", documents: ["a", "b"], top_n: 2 })
        const headers = { "content-type": "application/json" }
        const response = yield* Effect.promise(() => fetch(`${url}${path}`, { method: "POST", body, headers }))
        const { results } = (yield* Effect.promise(() => response.json())) as { results: ReadonlyArray<object> }
        assert.deepInclude(results[0], { index: 1 })
      }
    }),
  )
})

describe("a virtual key", () => {
  it.live("is held to its limits and its routes, whatever the operation", () =>
    Effect.gen(function* () {
      const key = { id: "team", key: Redacted.make("sk-team"), routes: [model], limits: { rpm: 2 } }
      const { url } = yield* TestGateway.make({ keys: [key] })
      const client = TestGateway.clientOf(url, "sk-team")
      assert.strictEqual((yield* rejected(client.moderations.create({ model: "backup", input: "a" }))).status, 403)
      const upload = yield* Effect.promise(file)
      yield* Effect.promise(() => client.audio.transcriptions.create({ model, file: upload }))
      yield* Effect.promise(() => client.moderations.create({ model, input: "a" }))
      assert.strictEqual((yield* rejected(client.moderations.create({ model, input: "a" }))).status, 429)
      const leak = yield* rejected(client.audio.transcriptions.create({ model, file: upload, language: "sk-team" }))
      assert.deepStrictEqual([leak.status, leak.param], [400, "language"])
    }),
  )
})

describe("a streamed operation that breaks", () => {
  it.live("ends in an error event where it has events", () =>
    Effect.gen(function* () {
      const { client, upstream } = yield* TestGateway.make()
      yield* upstream.script("primary", [Behavior.cut(2)])
      const stream = yield* Effect.promise(() => client.completions.create({ model, prompt: "Hello", stream: true }))
      const error = yield* rejected(
        (async () => {
          for await (const _ of stream);
        })(),
      )
      assert.strictEqual(error.code, "stream_broken")
    }),
  )

  it.live("is read to its end where one of its events is malformed, which the client could not read", () =>
    Effect.gen(function* () {
      const { client, upstream } = yield* TestGateway.make()
      yield* upstream.script("primary", [Behavior.malformedEvent(1)])
      const text = yield* Effect.promise(async () => {
        let text = ""
        const stream = await client.completions.create({ model, prompt: "Hello", stream: true })
        for await (const { choices } of stream) text += choices[0]?.text
        return text
      })
      assert.include(text, "primary goes on")
    }),
  )

  it.live("falls back where it is bytes, and none came", () =>
    Effect.gen(function* () {
      const { client, upstream } = yield* TestGateway.make()
      yield* upstream.script("primary", [Behavior.empty])
      const response = yield* Effect.promise(() =>
        client.audio.speech.create({ model, input: "Hello", voice: "alloy" }),
      )
      assert.include(yield* Effect.promise(() => response.text()), "backup")
    }),
  )

  it.live("is cut where it is bytes, so that they are not taken for all", () =>
    Effect.gen(function* () {
      const { client, upstream } = yield* TestGateway.make()
      yield* upstream.script("primary", [Behavior.cut(2)])
      const response = yield* Effect.promise(() =>
        client.audio.speech.create({ model, input: "Hello", voice: "alloy" }),
      )
      const ended = yield* Effect.promise(() =>
        response.arrayBuffer().then(
          () => "complete",
          () => "broken",
        ),
      )
      assert.strictEqual(ended, "broken")
    }),
  )

  it.live("closes its upstream when the client disconnects", () =>
    Effect.gen(function* () {
      const { client, upstream } = yield* TestGateway.make()
      yield* upstream.script("primary", [Behavior.stall(1)])
      const controller = new AbortController()
      const response = yield* Effect.promise(() =>
        client.audio.speech.create({ model, input: "Hello", voice: "alloy" }, { signal: controller.signal }),
      )
      const request = yield* upstream.received("primary")
      controller.abort()
      assert.strictEqual(yield* upstream.closed(request), "left")
      yield* Effect.promise(() => response.arrayBuffer().catch(() => undefined))
    }),
  )
})

describe("a request of an operation", () => {
  it.live("without a model is rejected by name", () =>
    Effect.gen(function* () {
      const { client } = yield* TestGateway.make()
      const { param, status } = yield* rejected(client.moderations.create({ input: "a" }))
      assert.deepStrictEqual([status, param], [400, "model"])
    }),
  )

  it.live("for an operation that no deployment has is rejected, and says what to configure", () =>
    Effect.gen(function* () {
      const { client } = yield* TestGateway.make({ vendor: "anthropic" })
      const { message, status } = yield* rejected(client.moderations.create({ model, input: "a" }))
      assert.strictEqual(status, 400)
      assert.include(message, "does not have the operation moderations")
      assert.include(message, "`operations`")
    }),
  )

  it.live("falls back where a server does not know the path, and keeps its circuit closed", () =>
    Effect.gen(function* () {
      const gateway = yield* TestGateway.make({ backup: "openai" })
      yield* gateway.upstream.script("primary", [Behavior.html(404)])
      for (let call = 0; call < 3; call++) {
        yield* Effect.promise(() => gateway.client.moderations.create({ model, input: "a" }))
      }
      assert.strictEqual(yield* gateway.upstream.attempts("primary"), 3)
    }),
  )

  it.live("with a file over server.limits.upload is rejected with 413, and leaves none", () =>
    Effect.gen(function* () {
      const { client, upstream } = yield* TestGateway.make({ limits: { upload: ByteSize.bytes(100_000) } })
      const upload = yield* Effect.promise(file)
      const { message, status } = yield* rejected(client.audio.transcriptions.create({ model, file: upload }))
      assert.strictEqual(status, 413)
      assert.include(message, "server.limits.upload")
      assert.deepStrictEqual(yield* upstream.requests, [])
      yield* noUploads
    }),
  )

  it.live(
    "is rejected while the files of all requests are over server.limits.uploads, and admitted again afterwards",
    () =>
      Effect.gen(function* () {
        const limits = { uploads: ByteSize.bytes(400_000) }
        const { client, upstream } = yield* TestGateway.make({ limits })
        const upload = yield* Effect.promise(file)
        yield* upstream.script("primary", [Behavior.silent, Behavior.answer()])
        const controller = new AbortController()
        const held = client.audio.transcriptions.create({ model, file: upload }, { signal: controller.signal })
        const request = yield* upstream.received("primary")
        const { message, status } = yield* rejected(client.audio.transcriptions.create({ model, file: upload }))
        assert.strictEqual(status, 503)
        assert.include(message, "server.limits.uploads")
        controller.abort()
        yield* rejected(held)
        assert.strictEqual(yield* upstream.closed(request), "left")
        assert.include(
          (yield* Effect.promise(() => client.audio.transcriptions.create({ model, file: upload }))).text,
          "primary",
        )
      }),
  )

  it.live(
    "with fields over server.maxBody is rejected with 413, and does not count in the memory of bodies afterwards",
    () =>
      Effect.gen(function* () {
        const limits = { unfinishedBodies: ByteSize.bytes(150_000) }
        const { client, upstream } = yield* TestGateway.make({ maxBody: 100_000, limits })
        const create = (prompt: string) =>
          Effect.flatMap(Effect.promise(file), (file) =>
            rejected(client.audio.transcriptions.create({ model, file, prompt })),
          )
        const large = yield* create("x".repeat(100_000))
        assert.strictEqual(large.status, 413)
        assert.include(large.message, "server.maxBody")
        yield* upstream.script("primary", [Behavior.refuse("invalid-request")])
        for (const _ of [1, 2, 3]) assert.strictEqual((yield* create("x".repeat(90_000))).status, 400)
      }),
  )

  it.live("that has a field twice, of which a vendor may read the other one, is rejected", () =>
    Effect.gen(function* () {
      const { upstream, url } = yield* TestGateway.make()
      for (const name of ["model", "n", "stream"]) {
        const body = new FormData()
        body.append("model", model)
        body.append("image", new File(["x"], "x.png"))
        body.append(name, "1")
        if (name !== "model") body.append(name, "10")
        const { error, status } = yield* Effect.promise(async () => {
          const response = await fetch(`${url}/v1/images/variations`, { method: "POST", body })
          return { ...((await response.json()) as { error: { param: string } }), status: response.status }
        })
        assert.deepStrictEqual([status, error.param], [400, name])
      }
      assert.deepStrictEqual(yield* upstream.requests, [])
    }),
  )

  it.live(
    "without its file is rejected by each endpoint that takes one, which names the field, and is sent nowhere",
    () =>
      Effect.gen(function* () {
        const { upstream, url } = yield* TestGateway.make()
        const post = (path: string, fields: Readonly<Record<string, string | Blob>>) =>
          Effect.promise(async () => {
            const body = new FormData()
            for (const [name, value] of Object.entries({ model, purpose: "user_data", ...fields }))
              body.append(name, value)
            const response = await fetch(`${url}${path}`, { method: "POST", body })
            const { error } = (await response.json()) as { error?: { type: string; param: string; message: string } }
            return { status: response.status, error }
          })
        const forms = Operations.rows.flatMap(({ file, path }) =>
          file === undefined ? [] : [[path, file.name] as const],
        )
        assert.lengthOf(forms, 4)
        for (const [path, name] of [...forms, ["/v1/files", "file"] as const]) {
          const without = yield* post(path, { prompt: "a stage", [`${name}name`]: new Blob(["x"]) })
          assert.deepInclude(without.error, { type: "invalid_request_error", param: name }, path)
          assert.strictEqual(
            without.error?.message,
            `Missing required parameter: '${name}'. Send it as a file of the form.`,
          )
          const asField = yield* post(path, { [name]: "speech.wav" })
          assert.deepInclude(asField.error, { type: "invalid_request_error", param: name }, path)
          assert.include(asField.error?.message, `With curl, write -F ${name}=@PATH.`)
          assert.deepStrictEqual([without.status, asField.status], [400, 400])
        }
        assert.deepStrictEqual(yield* upstream.requests, [])
      }),
  )

  it.live("may refer to its content where vendors take an address or an id in place of the file", () =>
    Effect.gen(function* () {
      const { upstream, url } = yield* TestGateway.make()
      const references = { url: "https://example.com/a.wav", file_id: "file-1", file: "https://example.com/a.wav" }
      for (const [name, value] of Object.entries(references)) {
        yield* Effect.promise(async () => {
          const body = new FormData()
          body.append("model", model)
          body.append(name, value)
          const response = await fetch(`${url}/v1/audio/transcriptions`, { method: "POST", body })
          assert.strictEqual(response.status, 200, await response.text())
        })
      }
      assert.deepStrictEqual(
        (yield* upstream.requests).map(({ body }) => body),
        Object.entries(references).map(([name, value]) => ({ model: "primary", [name]: value })),
      )
      const images = yield* Effect.promise(async () => {
        const body = new FormData()
        body.append("model", model)
        for (const each of ["one", "two"]) body.append("image[]", new Blob([each]), `${each}.png`)
        return (await fetch(`${url}/v1/images/edits`, { method: "POST", body })).status
      })
      assert.strictEqual(images, 200)
    }),
  )

  it.live("that is no form, or a broken one, is rejected in OpenAI's protocol", () =>
    Effect.gen(function* () {
      const { url } = yield* TestGateway.make()
      const post = (type: string, body: string) =>
        Effect.promise(async () => {
          const headers = { "content-type": type }
          const response = await fetch(`${url}/v1/audio/transcriptions`, { method: "POST", body, headers })
          return [response.status, ((await response.json()) as { error: { code: string } }).error.code]
        })
      assert.deepStrictEqual(yield* post("application/json", "{}"), [415, "unsupported_media_type"])
      assert.deepStrictEqual(yield* post("multipart/form-data; boundary=x", "--x\r\nnothing"), [
        400,
        "invalid_multipart",
      ])
      assert.deepStrictEqual(yield* post("multipart/form-data", "--x--\r\n"), [400, "invalid_multipart"])
    }),
  )
})
