import { assert, describe, it } from "@effect/vitest"
import { ProviderError } from "@understudy/core/ProviderError"
import * as Redaction from "@understudy/providers/internal/transport/Redaction"
import * as Secrets from "@understudy/providers/internal/transport/Secrets"
import * as Anthropic from "@understudy/providers/anthropic"
import * as Gemini from "@understudy/providers/gemini"
import * as OpenAi from "@understudy/providers/openai"
import * as Effect from "effect/Effect"
import * as Redacted from "effect/Redacted"
import { inspect } from "node:util"

const keys = (...keys: ReadonlyArray<string>) =>
  Redaction.make(Secrets.make({ keys: [undefined, ...keys.map((key) => Redacted.make(key))] }))

/** A key with every character that one of the escapes encodes. */
const key = `sk-Proj/1+a=b"c\\d'<e>&f@g:h`

const hex = (text: string, before: string, width: number, after = "") =>
  [...text].map((each) => `${before}${each.charCodeAt(0).toString(16).padStart(width, "0")}${after}`).join("")

const forms: Readonly<Record<string, (key: string) => string>> = {
  plain: (key) => key,
  "upper case": (key) => key.toUpperCase(),
  "lower case": (key) => key.toLowerCase(),
  json: (key) => JSON.stringify(key).slice(1, -1),
  "json within json": (key) => JSON.stringify(JSON.stringify(key).slice(1, -1)).slice(1, -1),
  "json with slashes": (key) => JSON.stringify(key).slice(1, -1).replaceAll("/", "\\/"),
  "json in hexadecimal": (key) => hex(key, "\\u", 4),
  percent: encodeURIComponent,
  "percent, all of it": (key) => hex(key, "%", 2),
  "percent, upper case": (key) => hex(key, "%", 2).toUpperCase(),
  "percent twice": (key) => encodeURIComponent(encodeURIComponent(key)),
  html: (key) => key.replaceAll("&", "&amp;").replaceAll("<", "&lt;").replaceAll(">", "&gt;").replaceAll('"', "&quot;"),
  "html in numbers": (key) => hex(key, "&#x", 2, ";"),
  base64: (key) => Buffer.from(key).toString("base64"),
  base64url: (key) => Buffer.from(key).toString("base64url"),
  "base64, as JSON has it": (key) => Buffer.from(key).toString("base64").replaceAll("/", "\\/"),
  "base64, percent": (key) => encodeURIComponent(Buffer.from(key).toString("base64")),
  hexadecimal: (key) => Buffer.from(key).toString("hex"),
}

describe("Redaction", () => {
  for (const [name, form] of Object.entries(forms)) {
    it(`a secret is redacted: ${name}`, () => {
      const scrub = keys(key, "AKIA0001")
      assert.match(scrub.text(`refused: ${form(key)} at 10 %`), /^refused: \*\*\*=* at 10 %$/)
    })
  }

  it("a secret is redacted inside longer encoded text, at any offset", () => {
    for (const before of ["", "u", "us", "user:"]) {
      for (const after of ["", "!", "!!", ":rest"]) {
        const text = keys(key).text(Buffer.from(before + key + after).toString("base64"))
        const left = Buffer.from(text.replace("***", ""), "base64").toString("latin1")
        assert.include(text, "***")
        assert.isAtMost(left.length, before.length + after.length + 2)
      }
    }
  })

  it("every occurrence of a secret is redacted", () => {
    const { text } = keys("sk-proj-1", "AKIA0001")
    assert.strictEqual(text("sk-proj-1 and sk-proj-1, by AKIA0001"), "*** and ***, by ***")
    assert.strictEqual(text('{"key":"Bearersk-proj-1s"}'), '{"key":"Bearer***s"}')
    assert.strictEqual(text("%73k-proj-1 ü sk-proj-1 \\u0041KIA0001"), "*** ü *** ***")
  })

  it("a secret is redacted where the text was truncated within it", () => {
    assert.strictEqual(keys("sk-projection").text("no such key: sk-projec"), "no such key: ***")
    assert.strictEqual(keys("aaaaaaaaab").text("aaaaaaaaa"), "***")
    assert.strictEqual(keys("sk-projection").text("no such key: sk-pro"), "no such key: sk-pro")
  })

  it("a short placeholder is only redacted as a word of its own", () => {
    const { answer, text } = keys("x", "a.b*")
    assert.strictEqual(text("This model's maximum context is 8 tokens"), "This model's maximum context is 8 tokens")
    assert.strictEqual(text("Incorrect API key provided: x."), "Incorrect API key provided: ***.")
    assert.strictEqual(text("no such key (a.b*), nor aXbb"), "no such key (***), nor aXbb")
    assert.strictEqual(answer("Let x be 1"), "Let x be 1")
  })

  it("an empty secret redacts nothing", () => {
    for (const scrub of [keys(), keys("")]) assert.strictEqual(scrub.text("sk-1 %41"), "sk-1 %41")
  })

  it("a response is only redacted where a secret cannot occur by chance", () => {
    const { answer } = keys("anything", "sk-0123456789/abcdef")
    assert.strictEqual(answer("anything goes"), "anything goes")
    assert.strictEqual(answer('{"a":"sk-0123456789\\/abcdef"}'), '{"a":"***"}')
  })

  for (const name of [
    "plain",
    "upper case",
    "json",
    "json with slashes",
    "percent",
    "percent twice",
    "html",
    "base64",
  ]) {
    it(`a secret is redacted in a response as in an error: ${name}`, () => {
      const written = forms[name]!(key)
      assert.match(keys(key).answer(`{"a":"of ${written} at"}`), /^\{"a":"of \*\*\*=* at"\}$/)
    })
  }

  it("a secret with single escaped characters is redacted in a response, in any case", () => {
    const { answer } = keys("wJalrXUtnFEMI/K7MD+ENG", "pässword/äöü")
    for (const written of [
      "wJalrXUtnFEMI%2fK7MD%2bENG",
      "wJalrXUtnFEMI%252FK7MD%252BENG",
      String.raw`wJalrXUtnFEMI\u002FK7MD\u002bENG`,
      String.raw`wJalrXUtnFEMI\\u002fK7MD\\u002BENG`,
      "wJalrXUtnFEMI&#x2F;K7MD&#43;ENG",
      "WJALRXUTNFEMI/k7md+eng",
    ]) {
      assert.strictEqual(answer(`{"a":"${written}"}`), '{"a":"***"}')
    }
    assert.strictEqual(answer('{"a":"wJalrXUtnFEMI at, K7MD"}'), '{"a":"wJalrXUtnFEMI at, K7MD"}')
  })

  it("a secret is redacted in every field of an error", () => {
    const scrub = keys("sk-projection")
    const cause = new Error("fetch failed", { cause: new Error("with sk-projection") })
    const error = scrub.error(
      new ProviderError({
        reason: { _tag: "InvalidRequest", param: "sk-projection.0" },
        message: `${"x".repeat(3995)} sk-projection`,
        requestId: "r-sk-projection",
        status: 400,
        cause,
      }),
    )
    assert.deepStrictEqual(error.reason, { _tag: "InvalidRequest", param: "***.0" })
    assert.strictEqual(error.requestId, "r-***")
    assert.strictEqual(error.message, `${"x".repeat(3995)} ***`)
    assert.strictEqual(error.status, 400)
    assert.isUndefined(error.cause)
    const sound = new ProviderError({ reason: { _tag: "Network" }, message: "reset", cause: new Error("reset") })
    assert.strictEqual(scrub.error(sound), sound)
  })

  it("a secret is found after a megabyte of near misses", () => {
    const { text } = keys(key, "k".repeat(4000))
    const page = `${'%3Ca href="/k">\\u006bkkkkkkkkkk</a>'.repeat(30_000)} ${key}`
    assert.isTrue(text(page).endsWith(" ***"))
  })
})

describe("Secrets", () => {
  const all = (sources: Secrets.Sources) => Secrets.make(sources).all()

  it("header values are secrets, and the credentials in them", () => {
    assert.deepStrictEqual(
      all({
        headers: {
          "x-team": "search",
          authorization: "Bearer abc",
          "proxy-authorization": `Basic ${Buffer.from("user:pass").toString("base64")}`,
          cookie: "session=0123456789; a=b",
          "anthropic-beta": "context-1m-2025-08-07",
          "content-type": "application/json",
          accept: null,
        },
      }),
      ["search", "Bearer abc", "abc", "Basic dXNlcjpwYXNz", "dXNlcjpwYXNz", "user:pass", "user", "pass"].concat(
        "session=0123456789; a=b",
        "0123456789",
      ),
    )
  })

  it("a URL's userinfo and query are secrets, encoded and decoded", () => {
    assert.sameMembers(
      [...all({ urls: ["https://me:p%2Fw@vendor.test/v1?key=a%2Bb&v=1", "no address", undefined] })],
      ["me", "p%2Fw", "p/w", "me:p%2Fw", "me:p/w", "a%2Bb", "a+b", "1"],
    )
  })

  it("credentials found later are secrets, the newest of them", () => {
    const secrets = Secrets.make({ keys: [Redacted.make("sk-first")] })
    const scrub = Redaction.make(secrets)
    assert.strictEqual(scrub.text("sk-first sk-later"), "*** sk-later")
    secrets.note(["sk-later", undefined])
    assert.strictEqual(scrub.text("sk-first sk-later"), "*** ***")
    for (let round = 0; round < 100; round++) secrets.note([`token-${round}`])
    assert.isBelow(secrets.all().length, 40)
    assert.include(secrets.all(), "sk-first")
    assert.include(secrets.all(), "token-99")
  })

  it.effect("an SDK that cannot start does not reveal them", () =>
    Effect.gen(function* () {
      const apiKey = Redacted.make("sk-secret-key\nwith more")
      const headers = { "x-secret": "of-a-header\n" }
      const baseUrl = "http://127.0.0.1:1"
      for (const make of [OpenAi.make, Anthropic.make, Gemini.make]) {
        const error = yield* Effect.flip(Effect.scoped(make({ apiKey, baseUrl, headers })))
        assert.strictEqual(error._tag, "ProviderStartError")
        assert.notMatch(inspect(error, { depth: 9 }), /secret-key|of-a-header/)
        assert.include(error.message, "***")
      }
    }),
  )

  it("headers that an SDK finds in the environment are secrets", () => {
    const headers = ["authorization", "Bearer sk-1", "x-found", "in the environment", "user-agent", "OpenAI/JS 6"]
    assert.deepStrictEqual(
      Secrets.inHeaders([...headers, "anthropic-version", "2023-06-01", "x-stainless-os", "Linux"]),
      ["Bearer sk-1", "sk-1", "in the environment"],
    )
  })
})
