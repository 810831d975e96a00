/** The scorecard's judge finds what must never be: else a clean scorecard would prove nothing. */
import { assert, describe, it } from "@effect/vitest"
import * as ChatCompletions from "@understudy/providers/protocols/chat-completions"
import type { Answering, ClientProtocol as Protocol } from "@understudy/providers/internal/protocols/ClientProtocol"
import * as Gemini from "@understudy/providers/protocols/gemini"
import * as Messages from "@understudy/providers/protocols/messages"
import * as Responses from "@understudy/providers/protocols/responses"
import type { Received } from "../scorecard/Client.ts"
import type { Name } from "../scorecard/Dialect.ts"
import { dialects, first, names, operations } from "../scorecard/Dialect.ts"
import { secret } from "../scorecard/Vendor.ts"
import type { Said } from "../scorecard/Verdict.ts"
import { judge } from "../scorecard/Verdict.ts"

const dialect = dialects.chatCompletions

const cast: ReadonlyArray<Said> = [
  { deployment: "primary", text: "All is well", finish: "stop" },
  { deployment: "backup", text: "Nothing is lost", finish: "stop" },
]

const received = (text: string, rest: Partial<Received> = {}): Received => ({
  status: 200,
  headers: { "x-understudy-deployment": "primary" },
  text,
  end: "ended",
  firstEvent: 0,
  millis: 0,
  ...rest,
})

const words = (content: string, id = "a") => ({ id, choices: [{ delta: { content }, finish_reason: null }] })
const finish = { id: "a", choices: [{ delta: {}, finish_reason: "stop" }] }
const failure = { error: { message: "It broke off", type: "server_error", code: "stream_broken" } }
const events = (...events: ReadonlyArray<object>) =>
  events.map((event) => `data: ${JSON.stringify(event)}\n\n`).join("")
const done = "data: [DONE]\n\n"

const streams: Record<string, readonly [text: string, tag: string]> = {
  "a whole answer": [events(words("All is"), words(" well"), finish) + done, "Whole"],
  "an answer that broke off": [events(words("All is"), failure), "Broken"],
  "an answer cut short, as if it were whole": [events(words("All is"), finish) + done, "Truncated"],
  "an answer without a finish reason": [events(words("All is well")) + done, "Truncated"],
  "an answer without an end": [events(words("All is well"), finish), "Wrong"],
  "an error with [DONE] behind it": [events(words("All is"), failure) + done, "Wrong"],
  "more after an error": [events(words("All is"), failure, words(" well"), finish), "Wrong"],
  "an error alone": [events(failure), "Wrong"],
  "another answer after the beginning of one": [events(words("All is"), words("All is well"), finish) + done, "Wrong"],
  "two answers' ids": [events(words("All is"), words(" well", "b"), finish) + done, "Wrong"],
  "two ends": [events(words("All is well"), finish, finish) + done, "Wrong"],
  "a secret": [events(words("All is well"), finish) + `: ${secret}\n\n` + done, "Wrong"],
}

describe("a stream's verdict", () => {
  for (const [title, [text, tag]] of Object.entries(streams)) {
    it(`${tag}: ${title}`, () => assert.strictEqual(judge(received(text), { dialect, stream: true }, cast)._tag, tag))
  }
})

const protocols: Readonly<Record<Name, Protocol>> = {
  chatCompletions: ChatCompletions,
  responses: Responses,
  messages: Messages,
  gemini: Gemini,
}

/** The events of a good stream, as the gateway writes it. */
const written = (name: Name): ReadonlyArray<string> => {
  const answering: Answering = { request: { model: "m", messages: [] }, id: "a", created: 0 }
  const encoder = protocols[name].Stream.encoder(answering)
  const said = ["All is", " well"].map((text) => encoder.push({ parts: [{ type: "text", text }] }))
  const usage = { inputTokens: 1, outputTokens: 2 }
  const finish = encoder.push({
    parts: [
      { type: "finish", reason: "stop" },
      { type: "usage", usage },
    ],
  })
  return [...said, finish, encoder.end()].join("").match(/[^]+?\n\n/g) ?? []
}

describe("a stream's verdict in the other dialects", () => {
  for (const name of names.filter((name) => name !== first)) {
    const verdict = (events: ReadonlyArray<string>) =>
      judge(received(events.join("")), { dialect: dialects[name], stream: true }, cast)._tag

    it(`of ${name}: whole, and nothing less without any event or with one twice`, () => {
      const events = written(name)
      assert.strictEqual(verdict(events), "Whole")
      for (const [index, event] of events.entries()) {
        assert.include(["Truncated", "Wrong"], verdict(events.toSpliced(index, 1)), `without ${event}`)
        assert.include(["Truncated", "Wrong"], verdict(events.toSpliced(index, 0, event)), `twice ${event}`)
      }
    })
  }
})

/** A good stream of each operation whose response may be one: its beginning, and its end. */
const operationStreams = {
  completions: {
    begin: [{ choices: [{ text: "All is", finish_reason: null }] }],
    end: [{ choices: [{ text: " well", finish_reason: "stop" }] }],
    done,
  },
  images: {
    begin: [{ type: "image_generation.partial_image", b64_json: btoa("All is") }],
    end: [{ type: "image_generation.completed", b64_json: btoa("All is well") }],
    done: "",
  },
  transcriptions: {
    begin: [{ type: "transcript.text.delta", delta: "All is" }],
    end: [{ type: "transcript.text.delta", delta: " well" }, { type: "transcript.text.done" }],
    done: "",
  },
}

describe("the verdict of another operation's stream", () => {
  for (const name of ["completions", "images", "transcriptions"] as const) {
    const { begin, done, end } = operationStreams[name]
    const verdict = (text: string) => judge(received(text), { dialect: operations[name], stream: true }, cast)._tag

    it(`of ${name} is whole with its end alone, and broken with an error in its place`, () => {
      const whole = events(...begin, ...end) + done
      assert.strictEqual(verdict(whole), "Whole")
      assert.strictEqual(verdict(events(...begin, failure)), "Broken")
      assert.strictEqual(verdict(events(failure)), "Wrong")
      assert.strictEqual(verdict(events(...begin)), "Wrong")
      assert.strictEqual(verdict(whole + events(failure)), "Wrong")
      assert.strictEqual(verdict(whole + events(...begin)), "Wrong")
      assert.strictEqual(verdict(events(...begin, ...end.slice(1)) + `data: {"id"\n\n` + done), "Wrong")
    })
  }

  it("of bytes is whole where the connection ended, and broken where it was cut", () => {
    const verdict = (text: string, end: Received["end"]) =>
      judge(received(text, { end }), { dialect: operations.speech, stream: true }, cast)._tag
    assert.strictEqual(verdict("All is well", "ended"), "Whole")
    assert.strictEqual(verdict("All is", "cut"), "Broken")
    assert.strictEqual(verdict("All is", "ended"), "Truncated")
    assert.strictEqual(verdict("All is lost", "cut"), "Wrong")
    assert.strictEqual(verdict("", "cut"), "Wrong")
    assert.strictEqual(verdict("", "hung"), "Hung")
  })
})

const operationBodies = {
  completions: (text: string) => ({ choices: [{ text }] }),
  images: (text: string) => ({ data: [{ b64_json: btoa(text) }] }),
  transcriptions: (text: string) => ({ text }),
  moderations: (model: string) => ({ model, results: [{}] }),
  rerank: (model: string) => ({ model, results: [{}, {}] }),
}

describe("the verdict of another operation's complete response", () => {
  for (const name of ["completions", "images", "transcriptions", "moderations", "rerank"] as const) {
    it(`of ${name} is whole with what its deployment said, and nothing else`, () => {
      const verdict = (body: object, rest: Partial<Received> = {}) =>
        judge(received(JSON.stringify(body), rest), { dialect: operations[name], stream: false }, cast)._tag
      assert.strictEqual(verdict(operationBodies[name]("All is well")), "Whole")
      assert.strictEqual(verdict(operationBodies[name]("All is lost")), "Wrong")
      assert.strictEqual(verdict({}), "Wrong")
      assert.strictEqual(verdict(failure), "Wrong")
      assert.strictEqual(verdict(failure, { status: 502 }), "Refused")
      assert.strictEqual(verdict(operationBodies[name]("All is well"), { end: "cut" }), "Dropped")
    })
  }
})

const silent = { headers: {} }

/** Under `full` nobody is named, and an error may be all there is; the words must still be somebody's. */
const buffered: Record<string, readonly [received: Received, tag: string]> = {
  "a whole answer of whoever's": [
    received(": keep-alive\n\n" + events(words("Nothing is"), words(" lost"), finish) + done, silent),
    "Whole",
  ],
  "half of one after half of another": [
    received(events(words("All is"), words(" lost"), finish) + done, silent),
    "Wrong",
  ],
  "an error after keep-alives": [received(": keep-alive\n\n" + events(failure), silent), "Broken"],
  "a name too early": [received(events(words("All is well"), finish) + done), "Wrong"],
}

describe("the verdict of a stream that is held back", () => {
  for (const [title, [received, tag]] of Object.entries(buffered)) {
    it(`${tag}: ${title}`, () =>
      assert.strictEqual(judge(received, { dialect, stream: true, buffered: true }, cast)._tag, tag))
  }
})

const body = (content: string) => JSON.stringify({ choices: [{ message: { content }, finish_reason: "stop" }] })

const plain: Record<string, readonly [received: Received, tag: string]> = {
  "a whole answer": [received(body("All is well")), "Whole"],
  "an error": [received(JSON.stringify(failure), { status: 502 }), "Refused"],
  "an error inside a 200": [received(JSON.stringify(failure)), "Wrong"],
  "an error without its shape": [received("<html></html>", { status: 502 }), "Wrong"],
  "half an answer": [received(body("All is")), "Truncated"],
  "nobody's answer": [received(body("All is lost")), "Wrong"],
  "half a body": [received(body("All is well").slice(0, 20)), "Wrong"],
  "a body that was cut": [received(body("All is well"), { end: "cut" }), "Dropped"],
  "no end": [received("", { end: "hung" }), "Hung"],
}

describe("a plain answer's verdict", () => {
  for (const [title, [received, tag]] of Object.entries(plain)) {
    it(`${tag}: ${title}`, () => assert.strictEqual(judge(received, { dialect, stream: false }, cast)._tag, tag))
  }
})
