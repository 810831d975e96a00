/**
 * Streams and complete responses, one as the other: the complete response of a stream's frames, and the frames of a complete
 * response.
 */
import type * as Arr from "effect/Array"
import type * as Chat from "./Chat.ts"

/** The response of a stream, from the frames read so far. */
export class StreamedResponse {
  readonly #choices = new Map<number, StreamedChoice>()
  #id: string | undefined = undefined
  #model: string | undefined = undefined
  #usage: Chat.Usage | undefined = undefined
  #droppedParams: ReadonlyArray<string> | undefined = undefined

  take(frames: ReadonlyArray<Chat.Frame>): void {
    for (const { droppedParams, parts } of frames) {
      this.#droppedParams ??= droppedParams
      for (const part of parts) {
        if (part.type === "start") {
          this.#id ??= part.id
          this.#model ??= part.model
        } else if (part.type === "usage") this.#usage = part.usage
        else this.#choice(part.choice ?? 0).take(part)
      }
    }
  }

  /** The choices, in their order. `other` is the finish reason of one that has not ended. */
  get choices(): Arr.NonEmptyReadonlyArray<Chat.Choice> {
    const [first, ...others] = [...this.#choices]
      .toSorted(([a], [b]) => a - b)
      .map(([, choice]): Chat.Choice => choice.toChoice())
    return [first ?? { content: [], finishReason: "other" }, ...others]
  }

  /** The complete response. It has no `native`. */
  toResponse(): Chat.Response {
    const [first, ...alternatives] = this.choices
    return {
      ...first,
      id: this.#id,
      model: this.#model,
      usage: this.#usage,
      droppedParams: this.#droppedParams,
      ...(alternatives.length === 0 ? undefined : { alternatives }),
    }
  }

  #choice(index: number): StreamedChoice {
    let choice = this.#choices.get(index)
    if (choice === undefined) this.#choices.set(index, (choice = new StreamedChoice()))
    return choice
  }
}

type ChoicePart = Exclude<Chat.Part, { readonly type: "start" | "usage" }>

type Mutable<A> = { -readonly [Key in keyof A]: A[Key] }

/** One choice of a stream. */
class StreamedChoice {
  readonly #content: Array<Chat.AssistantContent> = []
  /** The tool calls, by their index in the stream. */
  readonly #calls = new Map<number, Mutable<Chat.ToolCall>>()
  #finishReason: Chat.FinishReason = "other"
  #stopSequence: string | undefined = undefined

  toChoice(): Chat.Choice {
    return { content: [...this.#content], finishReason: this.#finishReason, stopSequence: this.#stopSequence }
  }

  take(part: ChoicePart): void {
    switch (part.type) {
      case "text": {
        const { signature, text } = part
        const last = this.#content.at(-1)
        if (last?.type === "text" && last.signature === undefined)
          return this.#replaceLast({ ...last, text: last.text + text, signature })
        this.#content.push({ type: "text", text, signature })
        return
      }
      case "reasoning": {
        const { redacted, signature, text } = part
        const last = this.#content.at(-1)
        if (last?.type === "reasoning" && isOpen(last) && redacted === undefined)
          return this.#replaceLast({ ...last, text: last.text + text, signature })
        this.#content.push({ type: "reasoning", text, signature, redacted })
        return
      }
      case "refusal": {
        const last = this.#content.at(-1)
        if (last?.type === "refusal") return this.#replaceLast({ ...last, text: last.text + part.text })
        this.#content.push({ type: "refusal", text: part.text })
        return
      }
      case "citation": {
        const last = this.#content.at(-1)
        if (last?.type !== "text") return
        return this.#replaceLast({ ...last, citations: [...(last.citations ?? []), part.citation] })
      }
      case "tool-call": {
        const { custom, id, name, signature } = part
        const call: Mutable<Chat.ToolCall> = { type: "tool-call", id, name, arguments: "", custom, signature }
        this.#calls.set(part.index, call)
        this.#content.push(call)
        return
      }
      case "tool-call-delta": {
        const call = this.#calls.get(part.index)
        if (call !== undefined) call.arguments += part.arguments
        return
      }
      case "finish":
        this.#finishReason = part.reason
        this.#stopSequence = part.stopSequence
        return
    }
  }

  #replaceLast(content: Chat.AssistantContent): void {
    this.#content[this.#content.length - 1] = content
  }
}

/** A signature, or encrypted reasoning, ends a part. */
const isOpen = ({ redacted, signature }: Chat.Reasoning): boolean => signature === undefined && redacted === undefined

/** The frames of a complete response: one for each of its parts. Citations follow the text that they belong to. */
export const toFrames = (response: Chat.Response): Arr.NonEmptyReadonlyArray<Chat.Frame> => {
  const { alternatives = [], droppedParams, id, model, usage } = response
  const choices = [response, ...alternatives].map(partsOfChoice)
  const output = choices.flatMap(({ parts }) => parts)
  const ends = choices.map(({ finish }) => finish)
  return [
    { parts: [{ type: "start", id, model }], ...(droppedParams === undefined ? undefined : { droppedParams }) },
    ...output.map((part): Chat.Frame => ({ parts: [part] })),
    // Some encoders write the usage with the finish reason.
    { parts: [...(usage === undefined ? [] : [{ type: "usage", usage } as const]), ...ends] },
  ]
}

const partsOfChoice = ({ content, finishReason, stopSequence }: Chat.Choice, choice: number) => ({
  parts: content.flatMap((each, index) => partsOf(each, index, choice)),
  finish: { type: "finish", reason: finishReason, stopSequence, choice } as const,
})

const partsOf = (content: Chat.AssistantContent, index: number, choice: number): ReadonlyArray<Chat.Part> => {
  switch (content.type) {
    case "text": {
      const { citations = [], signature, text } = content
      return [
        { type: "text", text, signature, choice },
        ...citations.map((citation) => ({ type: "citation", citation, choice }) as const),
      ]
    }
    case "reasoning":
    case "refusal":
      return [{ ...content, choice }]
    case "tool-call": {
      const { arguments: text, custom, id, name, signature } = content
      return [
        { type: "tool-call", index, id, name, custom, signature, choice },
        { type: "tool-call-delta", index, arguments: text, choice },
      ]
    }
    // Streams have no audio.
    case "audio":
      return []
  }
}
