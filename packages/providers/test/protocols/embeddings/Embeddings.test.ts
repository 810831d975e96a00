import { assert, describe, it } from "@effect/vitest"
import type * as Embedding from "@understudy/core/Embedding"
import * as Embeddings from "@understudy/providers/protocols/embeddings"
import * as Arbitrary from "effect/Arbitrary"
import * as Result from "effect/Result"
import * as Schema from "effect/Schema"

const Words = Schema.NonEmptyString
const optional = Schema.optionalKey

/** Requests that the protocol supports. */
const Request = Schema.Struct({
  model: Words,
  input: Schema.Union([Schema.NonEmptyArray(Words), Schema.NonEmptyArray(Schema.NonEmptyArray(Schema.Int))]),
  dimensions: optional(Schema.Literals([1, 256, 1536])),
  purpose: optional(Schema.Literals(["query", "document", "classification", "clustering"])),
  user: optional(Words),
})

const single = Schema.Literals([0, 1, -1, 0.5, -0.25, Math.fround(0.1), Math.fround(-1e-7), Math.fround(3.14)])
const Response = Schema.Struct({
  vectors: Schema.NonEmptyArray(Schema.NonEmptyArray(single)),
  model: Words,
  usage: optional(Schema.Struct({ inputTokens: Schema.Literals([0, 7, 4096]), outputTokens: Schema.Literal(0) })),
})

const decoded = (text: string): Embedding.Response => Result.getOrThrow(Embeddings.Response.decode(text))

const rows = ({ vectors }: Embedding.Response) => vectors.map((vector) => [...vector])

const asked = (encoding: Embedding.Request["encoding"]): Embedding.Request => ({ model: "m", input: ["one"], encoding })

const invalid = (body: Record<string, unknown>) => {
  const result = Embeddings.Request.decode({ model: "m", input: "x", ...body })
  return Result.isFailure(result) ? [result.failure.path, result.failure.message] : assert.fail("it is valid")
}

describe("a request", () => {
  it.prop("survives a round trip", [Arbitrary.schema(Request)], ([request]) => {
    const { body, warnings } = Result.getOrThrow(Embeddings.Request.encode(request, "compatible"))
    const { encoding, native, ...same } = Result.getOrThrow(Embeddings.Request.decode(body))
    assert.deepStrictEqual(same, request)
    assert.strictEqual(encoding, "float")
    assert.deepStrictEqual(native, { protocol: "embeddings", body })
    assert.deepStrictEqual(warnings, [])
  })

  it("asks OpenAI for base64, and reports dropped parameters", () => {
    const request: Embedding.Request = { model: "m", input: ["one", "two"], purpose: "query" }
    const { body, warnings } = Result.getOrThrow(Embeddings.Request.encode(request, "openai"))
    assert.deepStrictEqual(body, { model: "m", input: ["one", "two"], encoding_format: "base64" })
    assert.deepStrictEqual(warnings, ["the embedding purpose"])
  })

  it("is passed through except the model, and a field that OpenAI rejects", () => {
    const body = { model: "route", input: "one", encoding_format: "float", input_type: "search_query", truncate: "END" }
    const request = { ...Result.getOrThrow(Embeddings.Request.decode(body)), model: "m" }
    assert.strictEqual(request.purpose, "query")
    assert.deepStrictEqual(request.vendor, { embeddings: { truncate: "END" } })
    assert.deepStrictEqual(Embeddings.Request.native(request, "compatible"), { ...body, model: "m" })
    const { input_type: _, ...rest } = body
    assert.deepStrictEqual(Embeddings.Request.native(request, "openai"), { ...rest, model: "m" })
  })

  it("accepts one text, one list of tokens, or several of either", () => {
    const inputs = (input: unknown) => Result.getOrThrow(Embeddings.Request.decode({ model: "m", input })).input
    assert.deepStrictEqual(inputs("one"), ["one"])
    assert.deepStrictEqual(inputs(["one", "two"]), ["one", "two"])
    assert.deepStrictEqual(inputs([1, 2, 3]), [[1, 2, 3]])
    assert.deepStrictEqual(inputs([[1, 2], [3]]), [[1, 2], [3]])
  })

  it("names the invalid field", () => {
    assert.deepStrictEqual(invalid({ model: undefined }), [
      "model",
      "Missing required parameter: 'model' (expected a string).",
    ])
    assert.deepStrictEqual(invalid({ input: {} }), [
      "input",
      "Invalid value for 'input': expected a string, an array of strings, or tokens as an array of numbers or of such arrays, but got an object.",
    ])
    assert.deepStrictEqual(invalid({ input: [] })[0], "input")
    assert.deepStrictEqual(invalid({ input: "" })[0], "input")
    assert.deepStrictEqual(invalid({ encoding_format: "hex" }), [
      "encoding_format",
      `Invalid value for 'encoding_format': expected one of "float", "base64", but got "hex".`,
    ])
    assert.deepStrictEqual(invalid({ dimensions: 0 })[0], "dimensions")
  })
})

describe("a response", () => {
  it.prop("survives a round trip, in either encoding", [Arbitrary.schema(Response)], ([response]) => {
    for (const encoding of ["float", "base64"] as const) {
      const after = decoded(Embeddings.Response.encode(response, asked(encoding)))
      assert.deepStrictEqual(rows(after), rows(response))
      assert.strictEqual(after.vectors[0] instanceof Float32Array, encoding === "base64")
      assert.strictEqual(after.model, response.model)
      assert.deepStrictEqual(after.usage, response.usage)
    }
  })

  it("is passed on in the requested encoding, else only its vectors change", () => {
    const text = `{"object":"list","data":[{"object":"embedding","index":1,"embedding":[0.5],"x":1},{"object":"embedding","index":0,"embedding":[1]}],"model":"m","usage":{"prompt_tokens":3,"total_tokens":3},"extra":true}`
    const response = decoded(text)
    assert.deepStrictEqual(rows(response), [[1], [0.5]])
    assert.strictEqual(Embeddings.Response.encode(response, asked("float")), text)
    assert.strictEqual(Embeddings.Response.encode(response, asked(undefined)), text)
    const rewritten = Embeddings.Response.encode(response, asked("base64"))
    assert.deepStrictEqual(JSON.parse(rewritten), {
      object: "list",
      data: [
        { object: "embedding", index: 1, x: 1, embedding: "AAAAPw==" },
        { object: "embedding", index: 0, embedding: "AACAPw==" },
      ],
      model: "m",
      usage: { prompt_tokens: 3, total_tokens: 3 },
      extra: true,
    })
    assert.deepStrictEqual(rows(decoded(rewritten)), rows(response))
  })

  it("is Malformed with a missing vector", () => {
    const broken = [
      "",
      "[]",
      "{}",
      `{"data":[{"index":0}]}`,
      `{"data":[{"index":0,"embedding":["a"]}]}`,
      `{"data":[{"index":0,"embedding":"AAA="}]}`,
      `{"data":[{"index":0,"embedding":""}]}`,
      `{"data":[{"index":3,"embedding":[1]}]}`,
      `{"data":[{"index":0,"embedding":[1]},{"index":0,"embedding":[1]}]}`,
    ]
    for (const text of broken) {
      const result = Embeddings.Response.decode(text)
      assert.isTrue(Result.isFailure(result), text)
      if (Result.isFailure(result)) assert.strictEqual(result.failure.reason._tag, "Malformed")
    }
  })
})
