/**
 * A complete response as frames, and the response that a stream's parts amount to: for the law that encoders and
 * decoders of streams agree.
 */
import type * as Chat from "@understudy/core/Chat"

/** The response in pieces: texts and arguments are split in two. Audio and log probabilities are left out. */
export const frames = (response: Chat.Response): ReadonlyArray<Chat.Frame> => {
  const parts: Array<Chat.Part> = [{ type: "start", id: response.id, model: response.model }]
  for (const [choice, { content, finishReason }] of [response, ...(response.alternatives ?? [])].entries()) {
    const at = choice === 0 ? {} : { choice }
    let calls = 0
    for (const part of content) parts.push(...pieces(part, part.type === "tool-call" ? calls++ : 0, at))
    parts.push({ type: "finish", reason: finishReason, ...at })
  }
  if (response.usage !== undefined) parts.push({ type: "usage", usage: response.usage })
  return parts.map((part) => ({ parts: [part] }))
}

const halves = (text: string): ReadonlyArray<string> => {
  const middle = Math.ceil(text.length / 2)
  return [text.slice(0, middle), text.slice(middle)].filter((half) => half !== "")
}

const pieces = (
  part: Chat.AssistantContent,
  index: number,
  at: { readonly choice?: number },
): ReadonlyArray<Chat.Part> => {
  switch (part.type) {
    case "text":
      return [
        ...halves(part.text).map((text) => ({ type: "text" as const, text, ...at })),
        ...(part.citations ?? []).map((citation) => ({ type: "citation" as const, citation, ...at })),
      ]
    case "reasoning": {
      const { redacted, signature, text } = part
      const words = halves(text).map((text) => ({ type: "reasoning" as const, text, ...at }))
      if (redacted !== undefined) return [...words, { type: "reasoning", text: "", redacted, ...at }]
      return signature === undefined ? words : [...words, { type: "reasoning", text: "", signature, ...at }]
    }
    case "refusal":
      return halves(part.text).map((text) => ({ type: "refusal", text, ...at }))
    case "tool-call": {
      const { arguments: written, id, name, custom, signature } = part
      const seal = signature === undefined ? {} : { signature }
      const free = custom === true ? { custom: true as const } : {}
      return [
        { type: "tool-call", index, id, name, ...free, ...seal, ...at },
        ...halves(written).map((piece) => ({ type: "tool-call-delta" as const, index, arguments: piece, ...at })),
      ]
    }
    case "audio":
      return []
  }
}

type Writable<A> = { -readonly [K in keyof A]: A[K] }

/** The response that a stream's parts amount to for a client. */
export const fold = (parts: ReadonlyArray<Chat.Part>): Chat.Response => {
  const choices: Array<{ content: Array<Chat.AssistantContent>; finishReason: Chat.FinishReason }> = []
  const of = (choice: number | undefined) => (choices[choice ?? 0] ??= { content: [], finishReason: "other" })
  const whole: Record<string, unknown> = {}
  for (const part of parts) {
    switch (part.type) {
      case "start":
        if (part.id !== undefined) whole["id"] = part.id
        if (part.model !== undefined) whole["model"] = part.model
        break
      case "usage":
        whole["usage"] = part.usage
        break
      case "finish":
        of(part.choice).finishReason = part.reason
        break
      default:
        add(part, of(part.choice).content)
    }
  }
  const [first = { content: [], finishReason: "other" as const }, ...alternatives] = choices
  return { ...whole, ...first, ...(alternatives.length === 0 ? undefined : { alternatives }) }
}

type Said = Exclude<Chat.Part, { readonly type: "start" | "usage" | "finish" }>

const add = (part: Said, content: Array<Chat.AssistantContent>): void => {
  const last = content.at(-1) as Writable<Chat.AssistantContent> | undefined
  switch (part.type) {
    case "text":
      if (last?.type === "text" && last.citations === undefined) last.text += part.text
      else content.push({ type: "text", text: part.text })
      return
    case "citation":
      if (last?.type === "text") last.citations = [...(last.citations ?? []), part.citation]
      return
    case "refusal":
      if (last?.type === "refusal") last.text += part.text
      else content.push({ type: "refusal", text: part.text })
      return
    case "reasoning": {
      const { redacted, signature, text } = part
      const seal = { ...(redacted && { redacted }), ...(signature && { signature }) }
      const open = last?.type === "reasoning" && !last.redacted && !last.signature && !redacted
      if (open) Object.assign(last, seal, { text: last.text + text })
      else content.push({ type: "reasoning", text, ...seal })
      return
    }
    case "tool-call": {
      const { id, name, custom, signature } = part
      content.push({
        type: "tool-call",
        id,
        name,
        arguments: "",
        ...(custom && { custom }),
        ...(signature && { signature }),
      })
      return
    }
    case "tool-call-delta": {
      const calls = content.filter((each) => each.type === "tool-call") as Array<Writable<Chat.ToolCall>>
      const call = calls[part.index]
      if (call !== undefined) call.arguments += part.arguments
    }
  }
}
