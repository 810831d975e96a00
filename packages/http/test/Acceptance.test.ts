/** Upstreams that ignore in silence what they were asked, behind callers of every dialect, whole and streamed. */
import { assert, describe, it } from "@effect/vitest"
import * as Route from "@understudy/core/Route"
import * as Behavior from "@understudy/providers/testing/Behavior"
import * as Effect from "effect/Effect"
import type { Vendor } from "./TestGateway.ts"
import * as TestGateway from "./TestGateway.ts"

const parameters = { type: "object", properties: { city: { type: "string" } } }
const strict = { ...parameters, required: ["city"], additionalProperties: false }
const names = ["get_weather", "get_time"]

/** How one dialect says that a tool must be called, in each way it has, and that an answer has a schema. */
interface Dialect {
  readonly path: (stream: boolean) => string
  readonly body: object
  readonly forced: Readonly<Record<string, object>>
  readonly formed: object
}

const functions = names.map((name) => ({ type: "function", function: { name, parameters } }))
const flat = names.map((name) => ({ type: "function", name, parameters }))
const declared = [{ functionDeclarations: names.map((name) => ({ name, parameters })) }]
const mode = (config: object) => ({
  tools: declared,
  toolConfig: { functionCallingConfig: { mode: "ANY", ...config } },
})

const dialects: Readonly<Record<string, Dialect>> = {
  "chat completions": {
    path: () => "/v1/chat/completions",
    body: { model: "assistant", messages: [{ role: "user", content: "What now?" }] },
    forced: {
      required: { tools: functions, tool_choice: "required" },
      "by its name": { tools: functions, tool_choice: { type: "function", function: { name: "get_weather" } } },
      "of those allowed": {
        tools: functions,
        tool_choice: {
          type: "allowed_tools",
          allowed_tools: { mode: "required", tools: [{ type: "function", function: { name: "get_weather" } }] },
        },
      },
      "by its old name": {
        functions: names.map((name) => ({ name, parameters })),
        function_call: { name: "get_weather" },
      },
    },
    formed: { response_format: { type: "json_schema", json_schema: { name: "place", strict: true, schema: strict } } },
  },
  responses: {
    path: () => "/v1/responses",
    body: { model: "assistant", input: "What now?" },
    forced: {
      required: { tools: flat, tool_choice: "required" },
      "by its name": { tools: flat, tool_choice: { type: "function", name: "get_weather" } },
      "of those allowed": {
        tools: flat,
        tool_choice: { type: "allowed_tools", mode: "required", tools: [{ type: "function", name: "get_weather" }] },
      },
    },
    formed: { text: { format: { type: "json_schema", name: "place", strict: true, schema: strict } } },
  },
  messages: {
    path: () => "/v1/messages",
    body: { model: "assistant", max_tokens: 100, messages: [{ role: "user", content: "What now?" }] },
    forced: {
      any: { tools: names.map((name) => ({ name, input_schema: parameters })), tool_choice: { type: "any" } },
      "by its name": {
        tools: names.map((name) => ({ name, input_schema: parameters })),
        tool_choice: { type: "tool", name: "get_weather" },
      },
    },
    formed: { output_config: { format: { type: "json_schema", schema: strict } } },
  },
  gemini: {
    path: (stream) => `/v1beta/models/assistant:${stream ? "streamGenerateContent?alt=sse" : "generateContent"}`,
    body: { contents: [{ role: "user", parts: [{ text: "What now?" }] }] },
    forced: {
      any: mode({}),
      "by its name": mode({ allowedFunctionNames: ["get_weather"] }),
      "of those allowed": mode({ allowedFunctionNames: names }),
    },
    formed: { generationConfig: { responseMimeType: "application/json", responseJsonSchema: strict } },
  },
}

const vendors: ReadonlyArray<Vendor> = ["openai", "responses", "anthropic", "bedrock", "gemini"]

/** The stand-in of OpenAI does not know functions by their old name. */
const knows = (vendor: Vendor, way: string): boolean => !(vendor === "openai" && way === "by its old name")

const post = (url: string, body: object) =>
  Effect.promise(() =>
    fetch(url, { method: "POST", headers: { "content-type": "application/json" }, body: JSON.stringify(body) }).then(
      async (answer) => ({
        status: answer.status,
        retry: answer.headers.get("x-should-retry"),
        text: await answer.text(),
      }),
    ),
  )

/** Asks in a dialect, whole or streamed, of a primary that says something else than it was asked. */
const asked = Effect.fnUntraced(function* (
  vendor: Vendor,
  { body, path }: Dialect,
  wish: object,
  stream: boolean,
  scripts: { readonly primary: Behavior.Behavior; readonly backup: Behavior.Behavior },
) {
  const { upstream, url } = yield* TestGateway.make({
    vendor,
    route: Route.fallback("primary", "backup").pipe(Route.accept("schema"), Route.stream({ protect: "full" })),
    primary: { model: vendor === "bedrock" ? "anthropic.claude-sonnet-4-5-v1:0" : "primary" },
  })
  yield* upstream.script(vendor === "bedrock" ? "anthropic.claude-sonnet-4-5-v1:0" : "primary", [scripts.primary])
  yield* upstream.script("backup", [scripts.backup])
  return yield* post(url + path(stream), {
    ...body,
    ...wish,
    ...(stream && !path(true).includes("v1beta") ? { stream } : undefined),
  })
})

for (const [name, dialect] of Object.entries(dialects)) {
  describe(name, () => {
    for (const stream of [false, true]) {
      it.live(
        `an error names the check that all answers missed, ${stream ? "streamed" : "whole"}, and that no retry helps`,
        () =>
          Effect.scoped(
            Effect.gen(function* () {
              const { url } = yield* TestGateway.make({
                vendor: "openai",
                route: Route.fallback("primary", "backup").pipe(
                  Route.accept({ length: { min: 10_000 } }),
                  Route.stream({ protect: "full" }),
                ),
              })
              const { retry, status, text } = yield* post(url + dialect.path(stream), {
                ...dialect.body,
                ...(stream && !dialect.path(true).includes("v1beta") ? { stream } : undefined),
              })
              assert.deepStrictEqual([status, retry], [502, "false"], text)
              assert.include(text, "the response is shorter than 10000 characters")
            }),
          ),
      )
    }

    for (const stream of [false, true]) {
      for (const [way, wish] of Object.entries(dialect.forced)) {
        it.live(
          `a tool forced ${way} that was not called, ${stream ? "streamed" : "whole"}: the next one answers`,
          () =>
            Effect.forEach(
              vendors.filter((vendor) => knows(vendor, way)),
              (vendor) =>
                Effect.scoped(
                  Effect.gen(function* () {
                    const { status, text } = yield* asked(vendor, dialect, wish, stream, {
                      primary: Behavior.answer({ text: "It rains in Rome." }),
                      backup: Behavior.answer({ tool: "get_weather", arguments: '{"city":"Paris"}' }),
                    })
                    assert.strictEqual(status, 200, `${vendor}: ${text}`)
                    assert.include(text, "get_weather", vendor)
                    assert.notInclude(text, "Rome", vendor)
                  }),
                ),
              { discard: true },
            ),
        )
      }

      it.live(`an answer that misses its schema, ${stream ? "streamed" : "whole"}: the next one answers`, () =>
        Effect.forEach(
          vendors,
          (vendor) =>
            Effect.scoped(
              Effect.gen(function* () {
                const { status, text } = yield* asked(vendor, dialect, dialect.formed, stream, {
                  primary: Behavior.answer({ text: '{"town":"Rome"}' }),
                  backup: Behavior.answer({ text: '{"city":"Paris"}' }),
                })
                assert.strictEqual(status, 200, `${vendor}: ${text}`)
                assert.include(text, "Paris", vendor)
                assert.notInclude(text, "Rome", vendor)
              }),
            ),
          { discard: true },
        ),
      )
    }
  })
}
