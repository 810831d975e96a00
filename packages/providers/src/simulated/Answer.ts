/**
 * Makes the response of a simulated provider: a complete response, or the frames of a stream.
 */
import { Call } from "@understudy/core/Call"
import type * as Chat from "@understudy/core/Chat"
import { scatter } from "./Random.ts"
import * as JsonSchemaSample from "./JsonSchemaSample.ts"
import * as Prompt from "./Prompt.ts"
import * as SampleText from "./SampleText.ts"
import * as Tools from "./Tools.ts"

/** The provider's name, its seed, and the fixed text of its responses, if set. */
export interface Identity {
  readonly name: string
  readonly seed: number
  readonly reply: string | undefined
}

/** A choice of the response. */
export interface Choice {
  /** The tokens of the text, or of the tool call's arguments. */
  readonly tokens: ReadonlyArray<string>
  readonly tool: { readonly id: string; readonly name: string } | undefined
  readonly finish: Chat.FinishReason
  readonly stopSequence: string | undefined
}

/** A simulated response. */
export interface SimulatedAnswer {
  readonly id: string
  readonly model: string
  readonly choices: readonly [Choice, ...ReadonlyArray<Choice>]
  readonly usage: Chat.Usage
}

/** The maximum of choices. */
const maxChoices = 128

/** The response to a request. `turn` is the number of the call: ids differ between calls, texts do not. */
export const make = (request: Chat.Request, identity: Identity, turn: number): SimulatedAnswer => {
  const id = scatter(identity.seed, turn).toString(16).padStart(8, "0")
  const prompt = Prompt.read(request.messages)
  const tool = identity.reply === undefined ? Tools.select(request, prompt) : undefined
  const choice = (variant: number): Choice =>
    tool === undefined
      ? limited(untilStop(text(request, identity, prompt, variant), request.sampling?.stop ?? []), request)
      : limited(
          {
            text: tool.arguments,
            tool: { id: `call_${id}${variant === 0 ? "" : `_${variant}`}`, name: tool.name },
            finish: "tool-calls",
            stopSequence: undefined,
          },
          request,
        )
  const others = Math.min(maxChoices, request.sampling?.n ?? 1) - 1
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
  { name, reply, seed }: Identity,
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
// Stop sequences and token limit
// ---------------------------------------------------------------------------------------------------------------------

interface GeneratedText extends Omit<Choice, "tokens"> {
  readonly text: string
}

/** The text up to the first of the stop sequences. */
const untilStop = (text: string, stops: ReadonlyArray<string>): GeneratedText => {
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
  const limit = sampling?.maxTokens
  return limit === undefined || tokens.length <= limit
    ? { tokens, tool, finish, stopSequence }
    : { tokens: tokens.slice(0, Math.max(0, limit)), tool, finish: "length", stopSequence: undefined }
}

/** Tokens of up to eight characters, each with the space before it. */
const tokenise = (text: string): ReadonlyArray<string> => text.match(/\s*\S{1,8}|\s+$/gu) ?? []

// ---------------------------------------------------------------------------------------------------------------------
// Response and frames
// ---------------------------------------------------------------------------------------------------------------------

/** The complete response. */
export const response = ({ choices: [first, ...others], id, model, usage }: SimulatedAnswer): Chat.Response => ({
  id,
  model,
  ...complete(first),
  usage,
  ...(others.length === 0 ? undefined : { alternatives: others.map(complete) }),
})

const complete = ({ finish, stopSequence, tokens, tool }: Choice): Chat.Choice => {
  const text = tokens.join("")
  return {
    content: tool === undefined ? [{ type: "text", text }] : [{ type: "tool-call", ...tool, arguments: text }],
    finishReason: finish,
    ...(stopSequence === undefined ? undefined : { stopSequence }),
  }
}

/** The frames of a stream: those of each token, and those after the last. */
export interface RevealedTokens {
  readonly tokens: ReadonlyArray<ReadonlyArray<Chat.Frame>>
  readonly end: ReadonlyArray<Chat.Frame>
}

/** The frames of the response. */
export const reveal = ({ choices, id, model, usage }: SimulatedAnswer): RevealedTokens => {
  const tokens: Array<ReadonlyArray<Chat.Frame>> = []
  const end: Array<Chat.Frame> = []
  // Frames without a token are sent with the next token.
  let pending: Array<Chat.Frame> = [frame({ type: "start", id, model })]
  choices.forEach(({ finish, stopSequence, tokens: own, tool }, index) => {
    const choice = index === 0 ? undefined : { choice: index }
    if (tool !== undefined) pending.push(frame({ type: "tool-call", index: 0, ...tool, ...choice }))
    for (const text of own) {
      pending.push(
        tool === undefined
          ? frame({ type: "text", text, ...choice })
          : frame({ type: "tool-call-delta", index: 0, arguments: text, ...choice }),
      )
      tokens.push(pending)
      pending = []
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
  return { tokens, end: [...pending, ...end, frame({ type: "usage", usage })] }
}

const frame = (part: Chat.Part): Chat.Frame => ({ parts: [part] })
