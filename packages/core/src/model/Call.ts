/**
 * One operation as the engine sees it: what was asked, what it needs of a model, and how large it looks before anybody
 * has counted.
 */
import type * as Duration from "effect/Duration"
import type * as Chat from "./Chat.ts"
import type { Capabilities } from "./Capabilities.ts"
import type * as Embedding from "./Embedding.ts"

/** What can be asked: the next words of a conversation, or the vectors of texts. */
export type AnyRequest = Chat.Request | Embedding.Request

/** What a deployment is asked to do. What it cannot do of one says nothing of another: each has a circuit and a cooldown of its own. */
export type Operation = "chat" | "embeddings" | "count"

export const operations: ReadonlyArray<Operation> = ["chat", "embeddings", "count"]

/** What a model must be able to do to answer, by the names of `Capabilities`. */
export type Capability = "tools" | "vision" | "audio" | "files" | "jsonSchema" | "reasoning" | "embeddings"

export const capabilities: ReadonlyArray<Capability> = [
  "tools",
  "vision",
  "audio",
  "files",
  "jsonSchema",
  "reasoning",
  "embeddings",
]

/**
 * What a caller says beside the request.
 *
 * - `timeout`: its own deadline, where that is shorter than the route's. Missing it counts against no deployment.
 * - `tags`, `headers`: for the conditions of `Route.when`; header names in lower case. Neither is sent to a provider.
 * - `caller`: who asks, by a name for receipts, logs and metrics. Never sent to a provider either. Answers that a route
 *   keeps are given to nobody but the caller they were for.
 */
export interface CallOptions {
  readonly timeout?: Duration.Input | undefined
  readonly tags?: ReadonlyArray<string> | undefined
  readonly headers?: Readonly<Record<string, string | undefined>> | undefined
  readonly caller?: string | undefined
}

const noOptions: CallOptions = {}

/**
 * A call on its way through the engine. `needs` and `tokens` are found out when first asked for: a call to a deployment
 * without limits or a known window never pays for them.
 */
export class Call<Request extends AnyRequest = AnyRequest> {
  readonly request: Request
  readonly streaming: boolean
  readonly options: CallOptions
  /** When it began, in milliseconds of the clock. */
  readonly at: number
  readonly operation: Operation
  #size: RequestEstimate | undefined

  constructor(
    request: Request,
    streaming: boolean,
    options: CallOptions = noOptions,
    at = 0,
    operation: Operation = usual(request),
  ) {
    this.request = request
    this.streaming = streaming
    this.options = options
    this.at = at
    this.operation = operation
  }

  get requires(): ReadonlySet<Capability> {
    return (this.#size ??= estimate(this.request)).requires
  }

  /** Input tokens, estimated by length. */
  get inputTokens(): number {
    return (this.#size ??= estimate(this.request)).inputTokens
  }

  /** What must fit a model's window at once: of inputs that are embedded one by one, the longest. */
  get contextTokens(): number {
    return (this.#size ??= estimate(this.request)).contextTokens
  }

  /** Input and the most it may write: what limits and budgets reserve. */
  get tokens(): number {
    return this.inputTokens + (this.#size ??= estimate(this.request)).outputTokens
  }
}

const usual = (request: AnyRequest): Operation => ("input" in request ? "embeddings" : "chat")

/** Whether it asks for vectors: what only some vendors' providers give. */
export const isEmbedding = (call: Call): call is Call<Embedding.Request> => "input" in call.request

/** Which of the call's needs a model lacks, if any. */
export const missingCapability = (call: Call, capabilities: Capabilities | undefined): Capability | undefined => {
  if (capabilities === undefined) return undefined
  for (const need of call.requires) if (capabilities[need] === false) return need
  return undefined
}

/** Whether a model is asked to think before it answers. */
export const usesReasoning = (request: AnyRequest): boolean =>
  "messages" in request && request.reasoning !== undefined && request.reasoning.effort !== "none"

interface RequestEstimate {
  readonly requires: ReadonlySet<Capability>
  readonly inputTokens: number
  readonly contextTokens: number
  readonly outputTokens: number
}

/** About four characters a token in most languages and code; counting exactly can take seconds (see docs/performance.md). */
const charactersPerToken = 4

/** What vendors charge for a picture of ordinary size, near enough for an estimate. */
const tokensPerImage = 1000

const estimate = (request: AnyRequest): RequestEstimate =>
  "messages" in request ? measureConversation(request) : measureInputs(request.input)

const embedding: ReadonlySet<Capability> = new Set<Capability>(["embeddings"])

const measureInputs = (inputs: Embedding.Request["input"]): RequestEstimate => {
  let inputTokens = 0
  let windowTokens = 0
  for (const input of inputs) {
    const tokens = typeof input === "string" ? Math.ceil(input.length / charactersPerToken) : input.length
    inputTokens += tokens
    if (tokens > windowTokens) windowTokens = tokens
  }
  return { requires: embedding, inputTokens, contextTokens: windowTokens, outputTokens: 0 }
}

const measureConversation = (request: Chat.Request): RequestEstimate => {
  const needs = new Set<Capability>()
  let characters = 0
  let images = 0
  const look = (part: Chat.AssistantContent | Chat.UserMessage["content"][number] | Chat.ToolResult): void => {
    switch (part.type) {
      case "text":
      case "reasoning":
      case "refusal":
        characters += part.text.length
        return
      case "tool-call":
        characters += part.name.length + part.arguments.length
        return
      case "tool-result":
        part.content.forEach(look)
        return
      case "image":
        needs.add("vision")
        images++
        return
      case "file":
        needs.add("files")
        images++
        return
      case "audio":
        needs.add("audio")
        images++
        return
    }
  }
  for (const message of request.messages) for (const part of message.content) look(part)
  if (request.tools !== undefined && request.tools.length > 0) {
    needs.add("tools")
    characters += JSON.stringify(request.tools).length
  }
  if (request.format?.type === "json-schema") needs.add("jsonSchema")
  if (usesReasoning(request)) needs.add("reasoning")
  const inputTokens = Math.ceil(characters / charactersPerToken) + images * tokensPerImage
  return { requires: needs, inputTokens, contextTokens: inputTokens, outputTokens: request.sampling?.maxTokens ?? 0 }
}
