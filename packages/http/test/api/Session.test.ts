/** The session of a request, as real clients send it: Claude Code 2.1, Codex 0.171 and opencode 1.18 were observed. */
import { assert, describe, it } from "@effect/vitest"
import * as Chat from "@understudy/core/Chat"
import * as Headers from "effect/http/Headers"
import * as Session from "../../src/api/Session.ts"

const session = (headers: Record<string, string>, request: Partial<Chat.Request> = {}) =>
  Session.of(Headers.fromInput(headers), { model: "m", messages: [Chat.user("Hi")], ...request })

const body = (fields: Record<string, unknown>): Partial<Chat.Request> => ({
  native: { protocol: "responses", body: fields },
})

const id = "f6fb20e4-ffc6-4661-83e3-2419ce2270cd"

describe("the session of a request", () => {
  it("is in the header of its client", () => {
    assert.strictEqual(session({ "x-session-id": id }), id)
    assert.strictEqual(session({ "x-session-affinity": "ses_dd72" }), "ses_dd72")
    assert.strictEqual(session({ "X-Claude-Code-Session-Id": id }), id)
    assert.strictEqual(session({ "session-id": id, "thread-id": "another" }), id)
    assert.strictEqual(session({ session_id: id }), id)
  })

  it("is in the header x-session-id before all others, unless that is empty", () => {
    assert.strictEqual(session({ "session-id": "other", "x-session-id": id }), id)
    assert.strictEqual(session({ "session-id": id, "x-session-id": " " }), id)
  })

  it("is the prompt cache key of a body without such a header", () => {
    assert.strictEqual(session({}, body({ prompt_cache_key: id })), id)
    assert.strictEqual(session({ "x-session-id": "header" }, body({ prompt_cache_key: id })), "header")
    for (const prompt_cache_key of ["", null, 4, {}]) assert.isUndefined(session({}, body({ prompt_cache_key })))
  })

  it("is within the user id that Claude Code sends, in both of its forms", () => {
    const user = JSON.stringify({ device_id: "5120a8b5", account_uuid: "", session_id: id })
    assert.strictEqual(session({}, { user }), id)
    assert.strictEqual(session({}, { user: `user_5120a8b5_account_8a1b-2c_session_${id}` }), id)
    assert.strictEqual(session({}, { user: `user_5120a8b5_account__session_${id}` }), id)
  })

  it("is no other user id", () => {
    for (const user of ["ada", '{"session_id":4}', '{"device_id":"5120a8b5"}', "{", "user_session_1", "{}"]) {
      assert.isUndefined(session({}, { user }), user)
    }
    assert.isUndefined(session({}))
    assert.isUndefined(Session.of(Headers.fromInput({}), { model: "m", input: ["x"] }))
  })
})
