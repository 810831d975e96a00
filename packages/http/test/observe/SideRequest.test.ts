import { assert, describe, it } from "@effect/vitest"
import { RouterError } from "@understudy/core/RouterError"
import * as Effect from "effect/Effect"
import * as Logger from "effect/Logger"
import { Caller } from "../../src/auth/Caller.ts"
import * as SideRequest from "../../src/observe/SideRequest.ts"

const logged = Effect.fnUntraced(function* (kind: RouterError["kind"] | undefined, model = "assistant") {
  const lines: Array<string> = []
  const logger = Logger.map(Logger.formatLogFmt, (line) => void lines.push(line))
  const count = { inputTokens: 17, deployment: "primary" }
  const asked =
    kind === undefined
      ? Effect.succeed(count)
      : Effect.fail(new RouterError({ kind, message: "secret words", receipt: undefined }))
  yield* SideRequest.logged("count_tokens", model, asked, SideRequest.describeCount).pipe(
    Effect.ignore,
    Effect.provideService(Caller, { id: "team" }),
    Effect.provide(Logger.layer([logger])),
  )
  return lines
})

describe("SideRequest", () => {
  it.effect("logs one line, with the key and without content", () =>
    Effect.gen(function* () {
      const [line = "", ...others] = yield* logged(undefined, "a\nb")
      assert.deepStrictEqual(others, [])
      assert.match(line, /count_tokens of .*a\\+nb.*: 17 tokens by primary in 0 ms, key team" key=team$/)
      const [failed = ""] = yield* logged("ModelNotFound")
      assert.match(
        failed,
        /level=WARN .*count_tokens of .*assistant.*: failed \(ModelNotFound\) in 0 ms, key team" key=team$/,
      )
      assert.notInclude(failed, "secret")
    }),
  )

  it.effect("does not log a rejected request", () =>
    Effect.gen(function* () {
      assert.deepStrictEqual(yield* logged("RateLimited"), [])
      assert.deepStrictEqual(yield* logged("Forbidden"), [])
    }),
  )
})
