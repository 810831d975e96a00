/**
 * What every client is put through: a conversation by each of its own means, on a route whose first deployment is down and
 * whose second is another vendor's. A client's file says only how it asks, and what it calls an error.
 */
import { assert, describe, it } from "@effect/vitest"
import * as Route from "@understudy/core/Route"
import * as FaultServer from "@understudy/providers/testing"
import * as Effect from "effect/Effect"
import * as TestGateway from "../TestGateway.ts"

/** What came of an exchange in which a tool was run: what it was asked with, and the answer after it. */
export interface Told {
  readonly asked: ReadonlyArray<unknown>
  readonly text: string
}

/** Each asks in one way, of the gateway at this URL, and rejects as the client does. */
export interface Client {
  readonly text: (url: string) => Promise<string>
  /** What it heard, piece by piece. */
  readonly stream: (url: string) => AsyncIterable<string>
  /** The tool's call, its result, and the answer, plain and streamed. */
  readonly tool: (url: string) => Promise<Told>
  readonly streamedTool: (url: string) => Promise<Told>
  /** An answer by `schema`, where the client has such a thing. */
  readonly object?: (url: string) => Promise<unknown>
  /** The HTTP status of what it rejects with: `undefined` unless it is the client's own class of error. */
  readonly status: (error: unknown) => number | undefined
}

// ---------------------------------------------------------------------------------------------------------------------
// What is asked
// ---------------------------------------------------------------------------------------------------------------------

export const model = "assistant"
export const question = "Who goes on tonight?"
export const toolQuestion = "What is the weather in Paris?"
export const schema = {
  type: "object" as const,
  properties: { city: { type: "string" as const } },
  required: ["city"],
  additionalProperties: false as const,
}
export const tool = { name: "weather", description: "The weather in a city", parameters: schema }
export const weather = "21 degrees"

/** An argument of the tool, from JSON where it comes as such. */
export const parsed = (json: string): unknown => JSON.parse(json)

// ---------------------------------------------------------------------------------------------------------------------
// What must come of it
// ---------------------------------------------------------------------------------------------------------------------

/** Who the backup is; the primary speaks the client's own protocol. */
const backups: ReadonlyArray<TestGateway.Vendor> = ["openai", "responses", "anthropic", "bedrock", "gemini"]

const spoken = FaultServer.line("backup")
const told: Told = { asked: [{ city: "Paris" }], text: `backup has heard from the tool: ${weather}` }

export const plays = (name: string, client: Client, vendor: TestGateway.Vendor): void => {
  /** A gateway whose primary is broken so. */
  const broken = Effect.fnUntraced(function* (backup: TestGateway.Vendor, fault: string, route?: Route.Route) {
    const gateway = yield* TestGateway.make({ vendor, backup, ...(route && { route }) })
    yield* gateway.upstream.script("primary", fault)
    return gateway
  })
  const heard = async (url: string): Promise<{ readonly pieces: ReadonlyArray<string>; readonly error: unknown }> => {
    const pieces: Array<string> = []
    try {
      for await (const piece of client.stream(url)) pieces.push(piece)
      return { pieces, error: undefined }
    } catch (error) {
      return { pieces, error }
    }
  }

  describe(name, () => {
    for (const backup of backups) {
      it.live(`is answered by ${backup} when its primary is down`, () =>
        Effect.gen(function* () {
          const { upstream, url } = yield* broken(backup, "503")
          assert.strictEqual(yield* Effect.promise(() => client.text(url)), spoken)
          const { error, pieces } = yield* Effect.promise(() => heard(url))
          assert.strictEqual(error, undefined)
          assert.strictEqual(pieces.join(""), spoken)
          assert.isAbove(pieces.length, 3)
          assert.deepStrictEqual(yield* Effect.promise(() => client.tool(url)), told)
          assert.deepStrictEqual(yield* Effect.promise(() => client.streamedTool(url)), told)
          assert.isAbove(yield* upstream.attempts("primary"), 0)
          // Nobody keeps a conversation: whoever hears the tool's result has heard what was asked.
          for (const attempt of [4, 6]) {
            const { body } = yield* upstream.received("backup", attempt)
            assert.include(JSON.stringify(body), toolQuestion)
          }
        }),
      )

      const { object } = client
      if (object === undefined) continue
      it.live(`has an answer by a schema from ${backup} when its primary is down`, () =>
        Effect.gen(function* () {
          const { url } = yield* broken(backup, "503")
          assert.deepStrictEqual(yield* Effect.promise(() => object(url)), { city: "Paris" })
        }),
      )
    }

    const backup = vendor === "anthropic" ? "openai" : "anthropic"

    for (const fault of ["reset", "error-event-first", "empty-200"]) {
      it.live(`streams from another when its primary breaks before its first word: ${fault}`, () =>
        Effect.gen(function* () {
          const { url } = yield* broken(backup, fault)
          const { error, pieces } = yield* Effect.promise(() => heard(url))
          assert.strictEqual(error, undefined)
          assert.strictEqual(pieces.join(""), spoken)
        }),
      )
    }

    for (const fault of ["cut-2", "cut-2-reset", "error-event-after-2"]) {
      it.live(`is told that a stream broke after its first word, and nothing beside: ${fault}`, () =>
        Effect.gen(function* () {
          const { upstream, url } = yield* broken(backup, fault)
          const { error, pieces } = yield* Effect.promise(() => heard(url))
          assert.match(String(error), /broke off/)
          assert.isTrue(FaultServer.line("primary").startsWith(pieces.join("")))
          assert.strictEqual(yield* upstream.attempts("backup"), 0)
        }),
      )
    }

    it.live("hears a whole answer from another where its route protects streams", () =>
      Effect.gen(function* () {
        const route = Route.fallback("primary", "backup").pipe(
          Route.retry({ times: 0 }),
          Route.stream({ protect: "full" }),
        )
        const { url } = yield* broken(backup, "cut-2", route)
        const { error, pieces } = yield* Effect.promise(() => heard(url))
        assert.strictEqual(error, undefined)
        assert.strictEqual(pieces.join(""), spoken)
      }),
    )

    it.live("has its own kind of error when nobody can answer", () =>
      Effect.gen(function* () {
        const { upstream, url } = yield* broken(backup, "503")
        yield* upstream.script("backup", "503")
        const rejected = yield* Effect.promise(() => client.text(url).catch((error: unknown) => error))
        const { error } = yield* Effect.promise(() => heard(url))
        for (const each of [rejected, error]) {
          assert.strictEqual(client.status(each), 503)
          assert.match(String(each), /All deployments of route .*assistant.* failed/)
          assert.notInclude(JSON.stringify(each) + String(each), TestGateway.upstreamKey)
        }
      }),
    )
  })
}
