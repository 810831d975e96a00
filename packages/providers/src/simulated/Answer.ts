/**
 * What a simulated provider answers: decided at once and whole, then given as one response or told in frames.
 */
import { Call } from "@understudy/core/Call"
import type * as Chat from "@understudy/core/Chat"
import { scatter } from "./Random.ts"
import * as JsonSchemaSample from "./JsonSchemaSample.ts"
import * as Prompt from "./Prompt.ts"
import * as SampleText from "./SampleText.ts"
import * as Tools from "./Tools.ts"

/** Who answers: the name in its words, its seed, and the text it says whatever it is asked, if it is to. */
export interface Speaker {
  readonly name: string
  readonly seed: number
  readonly reply: string | undefined
}

/** One answer of those that were asked for. */
export interface Choice {
  /** The tokens, one after the other: of the text, or of the tool call's arguments. */
  readonly tokens: ReadonlyArray<string>
  readonly tool: { readonly id: string; readonly name: string } | undefined
  readonly finish: Chat.FinishReason
  readonly stopSequence: string | undefined
}

export interface SimulatedAnswer {
  readonly id: string
  readonly model: string
  readonly choices: readonly [Choice, ...ReadonlyArray<Choice>]
  readonly usage: Chat.Usage
}

/** No vendor gives more answers to one request. */
const mostChoices = 128

/** `turn` counts the speaker's calls: ids differ from call to call, words do not. */
export const make = (request: Chat.Request, speaker: Speaker, turn: number): SimulatedAnswer => {
  const id = scatter(speaker.seed, turn).toString(16).padStart(8, "0")
  const prompt = Prompt.read(request.messages)
  const wanted = speaker.reply === undefined ? Tools.wanted(request, prompt) : undefined
  const choice = (variant: number): Choice =>
    wanted === undefined
      ? limited(ended(text(request, speaker, prompt, variant), request.sampling?.stop ?? []), request)
      : limited(
          {
            text: wanted.arguments,
            tool: { id: `call_${id}${variant === 0 ? "" : `_${variant}`}`, name: wanted.name },
            finish: "tool-calls",
            stopSequence: undefined,
          },
          request,
        )
  const others = Math.min(mostChoices, request.sampling?.n ?? 1) - 1
  const choices: SimulatedAnswer["choices"] = [
    choice(0),
    ...Array.from({ length: Math.max(0, others) }, (_, index) => choice(index + 1)),
  ]
  return {
    id: `sim-${id}`,
    model: request.model,
    choices,
    usage: {
      inputTokens: new Call(request, false).inputTokens,
      outputTokens: choices.reduce((sum, { tokens }) => sum + tokens.length, 0),
    },
  }
}

const text = (
  request: Chat.Request,
  { name, reply, seed }: Speaker,
  prompt: Prompt.Prompt,
  variant: number,
): string => {
  if (reply !== undefined) return reply
  switch (request.format?.type) {
    case "json":
      return JSON.stringify({ answer: SampleText.text(name, seed, prompt, variant) })
    case "json-schema":
      return JSON.stringify(JsonSchemaSample.make(request.format.schema, prompt))
    default:
      return SampleText.text(name, seed, prompt, variant)
  }
}

// ---------------------------------------------------------------------------------------------------------------------
// Where it ends
// ---------------------------------------------------------------------------------------------------------------------

interface GeneratedText extends Omit<Choice, "tokens"> {
  readonly text: string
}

/** The text up to the first of the stop sequences. */
const ended = (text: string, stops: ReadonlyArray<string>): GeneratedText => {
  let end = text.length
  let stopSequence: string | undefined
  for (const stop of stops) {
    const at = stop === "" ? -1 : text.indexOf(stop)
    if (at >= 0 && at < end) {
      end = at
      stopSequence = stop
    }
  }
  return { text: text.slice(0, end), tool: undefined, finish: "stop", stopSequence }
}

const limited = ({ finish, stopSequence, text, tool }: GeneratedText, { sampling }: Chat.Request): Choice => {
  const tokens = tokenise(text)
  const most = sampling?.maxTokens
  return most === undefined || tokens.length <= most
    ? { tokens, tool, finish, stopSequence }
    : { tokens: tokens.slice(0, Math.max(0, most)), tool, finish: "length", stopSequence: undefined }
}

/** Pieces of up to eight characters, each with the space before it: near enough to a model's, and together the text. */
const tokenise = (text: string): ReadonlyArray<string> => text.match(/\s*\S{1,8}|\s+$/gu) ?? []

// ---------------------------------------------------------------------------------------------------------------------
// As a response, as frames
// ---------------------------------------------------------------------------------------------------------------------

export const response = ({ choices: [first, ...others], id, model, usage }: SimulatedAnswer): Chat.Response => ({
  id,
  model,
  ...whole(first),
  usage,
  ...(others.length === 0 ? undefined : { alternatives: others.map(whole) }),
})

const whole = ({ finish, stopSequence, tokens, tool }: Choice): Chat.Choice => {
  const text = tokens.join("")
  return {
    content: tool === undefined ? [{ type: "text", text }] : [{ type: "tool-call", ...tool, arguments: text }],
    finishReason: finish,
    ...(stopSequence === undefined ? undefined : { stopSequence }),
  }
}

/** A stream's frames: what comes with each token, and what comes after the last. */
export interface RevealedTokens {
  readonly tokens: ReadonlyArray<ReadonlyArray<Chat.Frame>>
  readonly end: ReadonlyArray<Chat.Frame>
}

export const reveal = ({ choices, id, model, usage }: SimulatedAnswer): RevealedTokens => {
  const tokens: Array<ReadonlyArray<Chat.Frame>> = []
  const end: Array<Chat.Frame> = []
  // What comes without a token of its own goes out with the next one.
  let waiting: Array<Chat.Frame> = [frame({ type: "start", id, model })]
  choices.forEach(({ finish, stopSequence, tokens: own, tool }, index) => {
    const choice = index === 0 ? undefined : { choice: index }
    if (tool !== undefined) waiting.push(frame({ type: "tool-call", index: 0, ...tool, ...choice }))
    for (const text of own) {
      waiting.push(
        tool === undefined
          ? frame({ type: "text", text, ...choice })
          : frame({ type: "tool-arguments", index: 0, arguments: text, ...choice }),
      )
      tokens.push(waiting)
      waiting = []
    }
    end.push(
      frame({
        type: "finish",
        reason: finish,
        ...(stopSequence === undefined ? undefined : { stopSequence }),
        ...choice,
      }),
    )
  })
  return { tokens, end: [...waiting, ...end, frame({ type: "usage", usage })] }
}

const frame = (part: Chat.Part): Chat.Frame => ({ parts: [part] })
