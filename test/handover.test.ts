/**
 * A stream may break between any two of its events. Wherever it does, in whichever vendor's words, its caller reads one
 * sound answer of its own dialect: gone on with by another vendor, answered anew by it, or ended in an error.
 */
import { assert, describe, it } from "@effect/vitest"
import * as Deployment from "@understudy/core/Deployment"
import type { Protect } from "@understudy/core/Policies"
import { protects } from "@understudy/core/Policies"
import { ProviderError } from "@understudy/core/ProviderError"
import type * as Chat from "@understudy/core/Chat"
import * as Route from "@understudy/core/Route"
import * as Router from "@understudy/core/Router"
import * as Testing from "@understudy/core/Testing"
import * as ChatCompletions from "@understudy/providers/protocols/chat-completions"
import * as Converse from "@understudy/providers/protocols/converse"
import * as EventStreamCodec from "@understudy/providers/internal/protocols/converse/EventStreamCodec"
import type { ClientProtocol as Protocol, Encoder } from "@understudy/providers/internal/protocols/ClientProtocol"
import * as Gemini from "@understudy/providers/protocols/gemini"
import * as Messages from "@understudy/providers/protocols/messages"
import * as Responses from "@understudy/providers/protocols/responses"
import { anthropic } from "@understudy/providers/internal/testing/Anthropic"
import { bedrock } from "@understudy/providers/internal/testing/Bedrock"
import { gemini } from "@understudy/providers/internal/testing/Gemini"
import { openAi } from "@understudy/providers/internal/testing/OpenAi"
import { responses } from "@understudy/providers/internal/testing/Responses"
import type { WireRequest, Bytes, Reply, Wire } from "@understudy/providers/internal/testing/Wire"
import * as Duration from "effect/Duration"
import * as Effect from "effect/Effect"
import * as Result from "effect/Result"
import * as Stream from "effect/Stream"
import { dialects } from "../scorecard/Dialect.ts"
import type { Heard } from "../scorecard/dialects/Dialect.ts"
import * as Sse from "../scorecard/Sse.ts"

// ---------------------------------------------------------------------------------------------------------------------
// Who answers
// ---------------------------------------------------------------------------------------------------------------------

const broken = new ProviderError({ reason: { _tag: "Network" }, message: "the connection broke" })

type Push<Event> = (event: Event) => Result.Result<Chat.Frame, ProviderError> | undefined

const framed = <Event>(events: ReadonlyArray<Event>, push: Push<Event>): ReadonlyArray<Chat.Frame> =>
  events.flatMap((event) => {
    const frame = push(event)
    return frame === undefined ? [] : Result.getOrThrow(frame)
  })

const fromText = ({ push }: { readonly push: Push<{ readonly event: string; readonly data: string }> }) => {
  return (bytes: Bytes) =>
    framed(
      Sse.events(String(bytes)).map(({ data, name = "message" }) => ({ event: name, data })),
      push,
    )
}

const fromFrames = () => {
  const { push } = Converse.Stream.decoder(() => broken)
  const framing = EventStreamCodec.decoder()
  return (bytes: Bytes) => framed(typeof bytes === "string" ? [] : framing.push(bytes), push)
}

interface Vendor {
  readonly wire: Wire
  readonly reader: () => (bytes: Bytes) => ReadonlyArray<Chat.Frame>
}

const vendors: Readonly<Record<string, Vendor>> = {
  openai: { wire: openAi, reader: () => fromText(ChatCompletions.Stream.decoder(() => broken)) },
  responses: { wire: responses, reader: () => fromText(Responses.Stream.decoder(() => broken)) },
  anthropic: { wire: anthropic, reader: () => fromText(Messages.Stream.decoder(() => broken)) },
  bedrock: { wire: bedrock, reader: fromFrames },
  gemini: { wire: gemini, reader: () => fromText(Gemini.Stream.decoder(() => broken)) },
}

const offered = { type: "object", properties: { text: { type: "string" } } }

/** A vendor's whole stream of this answer. */
const frames = ({ reader, wire }: Vendor, reply: Reply): ReadonlyArray<Chat.Frame> => {
  const asked: WireRequest = {
    model: `${wire.vendor}-model`,
    stream: true,
    body: {},
    tools: [{ name: "note", schema: offered }],
    choice: "auto",
    last: { role: "user", text: "What now?" },
    n: 1,
    schema: {},
  }
  const { done, finish, output, preamble } = wire.stream(asked, { serial: 7, now: 1_000, key: "key" }, reply)
  return [...preamble, ...output, ...finish, ...done].flatMap(reader())
}

const never = { failures: Number.MAX_SAFE_INTEGER }

const deployment = (frames: ReadonlyArray<Chat.Frame>, end: Testing.Outcome["end"]) =>
  Deployment.make({
    model: "model",
    provider: Testing.script([{ after: Duration.zero, tokenDelay: Duration.zero, frames, end }]).layer,
    circuit: never,
  })

/** A primary that breaks after so many events, another vendor behind it, and what the route says of that. */
interface Case {
  readonly primary: string
  readonly backup: string
  readonly protect: Protect
}

const cast = (reply: Reply) => {
  const deployments: Record<string, Deployment.Deployment> = {}
  const cases: Array<Case> = []
  for (const [name, vendor] of Object.entries(vendors)) {
    const all = frames(vendor, reply)
    deployments[name] = deployment(all, { _tag: "Done" })
    for (let after = 0; after <= all.length; after++) {
      const primary = `${name} for ${after}`
      deployments[primary] = deployment(all.slice(0, after), { _tag: "Fails", error: broken })
      for (const backup of Object.keys(vendors)) {
        // Who goes on after the first words may be anybody; otherwise all there is to read is one vendor's.
        for (const protect of backup === name ? protects : (["continue"] as const))
          cases.push({ primary, backup, protect })
      }
    }
  }
  const routes = Object.fromEntries(
    cases.map(({ backup, primary, protect }) => [
      routeOf({ backup, primary, protect }),
      Route.fallback(primary, backup).pipe(Route.retry({ times: 0 }), Route.stream({ protect })),
    ]),
  )
  return { cases, layer: Router.layer({ deployments, routes }) }
}

const routeOf = ({ backup, primary, protect }: Case): string => `${primary} then ${backup}, ${protect}`

// ---------------------------------------------------------------------------------------------------------------------
// Who asks
// ---------------------------------------------------------------------------------------------------------------------

interface Caller {
  readonly protocol: Protocol
  readonly encoder: Protocol["Stream"]["encoder"]
  readonly dialect: keyof typeof dialects
  readonly read: (text: string) => Heard | string
}

const caller = (protocol: Protocol, dialect: keyof typeof dialects): Caller => ({
  protocol,
  encoder: protocol.Stream.encoder,
  dialect,
  read: dialects[dialect].stream,
})

const callers: Readonly<Record<string, Caller>> = {
  "chat completions": caller(ChatCompletions, "chatCompletions"),
  responses: caller(Responses, "responses"),
  messages: caller(Messages, "messages"),
  gemini: caller(Gemini, "gemini"),
  "gemini, in one array": {
    ...caller(Gemini, "gemini"),
    encoder: Gemini.Stream.array.encoder,
    read: (text) => {
      const elements: ReadonlyArray<unknown> = JSON.parse(text)
      return dialects.gemini.stream(elements.map((element) => `data: ${JSON.stringify(element)}\n\n`).join(""))
    },
  },
}

const failure = { status: 502, type: "server_error", code: "stream_broken", message: "It broke off" }

/** All that the caller reads. */
const asked = Effect.fnUntraced(function* ({ dialect, encoder, protocol }: Caller, route: string, tool: boolean) {
  const body = dialects[dialect].request({ route, text: "What now?", stream: true, tool })
  const request = Result.getOrThrow(
    protocol.Request.decode(body as Record<string, unknown>, { model: route, stream: true }),
  )
  const { frames } = yield* Effect.flatMap(Router.Router, (router) => router.chatStream(request))
  const writer: Encoder = encoder({ request, id: "call", created: 1 })
  let text = ""
  yield* Stream.runForEach(frames, (frame) => Effect.sync(() => void (text += writer.push(frame)))).pipe(
    Effect.match({
      onFailure: () => void (text += writer.fail(failure)),
      onSuccess: () => void (text += writer.end()),
    }),
  )
  return text
}, Effect.scoped)

// ---------------------------------------------------------------------------------------------------------------------
// What is read
// ---------------------------------------------------------------------------------------------------------------------

const replies: Readonly<Record<string, Reply>> = {
  text: { _tag: "Text", pieces: ["Every", " line is", " known", ", or so", " it seems."], finish: "stop" },
  "a call": { _tag: "Call", name: "note", pieces: ['{"te', 'xt":', '"hi"}'] },
}

const compact = (json: string): string => (json === "" ? "" : JSON.stringify(JSON.parse(json)))

for (const [what, reply] of Object.entries(replies)) {
  const { cases, layer } = cast(reply)
  const said = reply.pieces.join("")
  const isCall = reply._tag === "Call"
  const [text, written, finish] = isCall ? ["", said, "tool_calls"] : [said, "", "stop"]

  describe(`${what} that breaks anywhere`, () => {
    for (const [name, caller] of Object.entries(callers)) {
      it.effect(`is one sound stream in ${name}`, () =>
        Effect.gen(function* () {
          for (const each of cases) {
            const route = routeOf(each)
            const heard = caller.read(yield* asked(caller, route, isCall))
            if (typeof heard === "string") return assert.fail(`${route}: ${heard}`)
            if (heard.failed) {
              assert.isTrue(each.protect === "preamble" || (each.protect === "continue" && isCall), route)
              assert.isTrue(text.startsWith(heard.text), route)
            } else {
              assert.deepStrictEqual(
                { ...heard, arguments: compact(heard.arguments) },
                {
                  text,
                  arguments: written,
                  finish,
                  failed: false,
                },
              )
            }
          }
        }).pipe(Effect.provide(layer)),
      )
    }
  })
}
