/**
 * A call: its request and options, the capabilities that it requires of a model, and its estimated size in tokens.
 */
import type * as Duration from "effect/Duration"
import type * as Chat from "./Chat.ts"
import type { Capabilities, Capability } from "./Capabilities.ts"
import type * as Embedding from "./Embedding.ts"
import type { Guard } from "./Guard.ts"
import * as Operations from "./Operation.ts"
import * as Outline from "./Outline.ts"
import type { Priority } from "./Priority.ts"
import type { Spender, Spending } from "./Spending.ts"
import { charactersPerToken } from "./Usage.ts"

export type { Capability } from "./Capabilities.ts"
export type { Guard } from "./Guard.ts"
export type { AttemptSpending, PlannedAttempt, PlannedCall, Refusal, Spender, Spending } from "./Spending.ts"

/** A chat request, an embedding request, or a request of another operation. */
export type AnyRequest = Chat.Request | Embedding.Request | Operations.Request

/** The operations of a deployment. Each has its own circuit and cooldown: a failure of one is none of another. */
export type Operation = "chat" | "embeddings" | "count" | Operations.Name

export const operations: ReadonlyArray<Operation> = ["chat", "embeddings", "count", ...Operations.names]

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
 * The options of a call. None is sent to a provider.
 *
 * - `timeout`: the caller's timeout, if it is shorter than the route's. When it expires, no circuit counts a failure.
 * - `tags`, `headers`: for the conditions of `Route.when`. Header names are in lower case.
 * - `caller`: the name of the caller, for receipts, logs and metrics. Cached responses are kept per caller.
 * - `protocol`: the protocol of the client, for receipts.
 * - `team`: the team of the caller, for receipts and budgets.
 * - `session`: the id of the conversation that the call belongs to, for balances that keep conversations (`AffinityPolicy`).
 * - `priority`: its class in the queues where it waits. Default: `normal`.
 * - `queuedMillis`: how long it has waited before it reached the router, in milliseconds. It counts in `timeout.total`.
 * - `spending`: opens what the call may spend. Set by `BudgetedRouter`.
 * - `guard`: asked about the answer before the call ends. Set by `GuardedRouter`.
 */
export interface CallOptions {
  readonly timeout?: Duration.Input | undefined
  readonly tags?: ReadonlyArray<string> | undefined
  readonly headers?: Readonly<Record<string, string | undefined>> | undefined
  readonly caller?: string | undefined
  readonly protocol?: string | undefined
  readonly team?: string | undefined
  readonly session?: string | undefined
  readonly priority?: Priority | undefined
  readonly queuedMillis?: number | undefined
  readonly spending?: Spender | undefined
  readonly guard?: Guard | undefined
}

const noOptions: CallOptions = {}

/** What a call needs of a model. Tokens are estimated by length. */
export interface Needs {
  readonly requires: ReadonlySet<Capability>
  readonly inputTokens: number
  /** The maximum output tokens that the request asks for; 0 if it sets none. */
  readonly maxOutputTokens: number
}

/** The call that a shadow call was made for: its id, and the route that was called. */
export interface ShadowOf {
  readonly call: string
  readonly route: string
}

/**
 * A call in the engine. `requires` and the token counts are computed on first use: a call to deployments without limits or a
 * known context window never computes them.
 */
export class Call<Request extends AnyRequest = AnyRequest> {
  readonly request: Request
  readonly streaming: boolean
  readonly options: CallOptions
  /** The start of the call, in clock milliseconds. */
  readonly at: number
  readonly operation: Operation
  /** A random number for the splits of its route, from 0 (inclusive) to 1 (exclusive); `undefined` if it has none. */
  draw: number | undefined = undefined
  /** The call that this one is the shadow of: its id and its route. */
  shadowOf: ShadowOf | undefined = undefined
  /** What it may spend; `undefined` if nothing limits it. */
  spending: Spending | undefined = undefined
  /** The deployment whose parameters its request has. */
  paramsOf: string | undefined = undefined
  #estimate: RequestEstimate | undefined

  constructor(
    request: Request,
    streaming: boolean,
    options: CallOptions = noOptions,
    at = 0,
    operation: Operation = operationOf(request),
  ) {
    this.request = request
    this.streaming = streaming
    this.options = options
    this.at = at
    this.operation = operation
  }

  /** This call with the parameters of a deployment in its request. The estimate of its conversation is shared. */
  withParams(deployment: string, request: Request): Call<Request> {
    const { at, draw, operation, options, shadowOf, spending, streaming } = this
    const call = new Call(request, streaming, options, at, operation)
    call.draw = draw
    call.shadowOf = shadowOf
    call.spending = spending
    call.paramsOf = deployment
    call.#estimate = this.#estimate && {
      ...this.#estimate,
      outputTokens: "messages" in request ? outputTokensOf(request) : 0,
    }
    return call
  }

  get requires(): ReadonlySet<Capability> {
    return (this.#estimate ??= estimate(this.request)).requires
  }

  /** Apart from the request, of which it keeps nothing. */
  get needs(): Needs {
    const { inputTokens, outputTokens: maxOutputTokens, requires } = (this.#estimate ??= estimate(this.request))
    return { requires, inputTokens, maxOutputTokens }
  }

  /** Input tokens, estimated by length. */
  get inputTokens(): number {
    return (this.#estimate ??= estimate(this.request)).inputTokens
  }

  /** The tokens that must fit the model's context window: of embedding inputs, those of the longest. */
  get contextTokens(): number {
    return (this.#estimate ??= estimate(this.request)).contextTokens
  }

  /** Estimated input tokens plus the maximum output tokens: what token limits reserve. */
  get tokens(): number {
    return this.inputTokens + (this.#estimate ??= estimate(this.request)).outputTokens
  }
}

/** The operation of a request. */
export const operationOf = (request: AnyRequest): Operation =>
  "messages" in request ? "chat" : "input" in request ? "embeddings" : request.operation

/** Whether the call is for another operation than chat and embeddings. */
export const isOperation = (call: Call): call is Call<Operations.Request> => "operation" in call.request

/** Whether the call is for embeddings, which only some providers support. */
export const isEmbedding = (call: Call): call is Call<Embedding.Request> => "input" in call.request

/** The first capability that the call requires and the model lacks. */
export const missingCapability = (call: Call, capabilities: Capabilities | undefined): Capability | undefined => {
  if (capabilities === undefined) return undefined
  for (const capability of call.requires) if (capabilities[capability] === false) return capability
  return undefined
}

/** Whether the request asks the model to reason. */
export const usesReasoning = (request: AnyRequest): boolean =>
  "messages" in request && request.reasoning !== undefined && request.reasoning.effort !== "none"

interface RequestEstimate {
  readonly requires: ReadonlySet<Capability>
  readonly inputTokens: number
  readonly contextTokens: number
  readonly outputTokens: number
}

/** Roughly what vendors charge for an image of ordinary size. */
const tokensPerImage = 1000

const estimate = (request: AnyRequest): RequestEstimate => {
  if ("messages" in request) return estimateChat(request, Outline.of(request))
  if ("input" in request) return estimateInputs(request.input)
  const inputTokens = Operations.inputTokens(request)
  return {
    requires: nothing,
    inputTokens,
    contextTokens: request.operation === "completions" ? inputTokens : 0,
    outputTokens: Operations.requestedTokens(request),
  }
}

const nothing: ReadonlySet<Capability> = new Set()

const embedding: ReadonlySet<Capability> = new Set<Capability>(["embeddings"])

const estimateInputs = (inputs: Embedding.Request["input"]): RequestEstimate => {
  let inputTokens = 0
  let contextTokens = 0
  for (const input of inputs) {
    const tokens = typeof input === "string" ? Math.ceil(input.length / charactersPerToken) : input.length
    inputTokens += tokens
    if (tokens > contextTokens) contextTokens = tokens
  }
  return { requires: embedding, inputTokens, contextTokens, outputTokens: 0 }
}

const estimateChat = (whole: Chat.Request, outline: Outline.Outline | undefined): RequestEstimate => {
  const request = outline?.request ?? whole
  const requires = new Set<Capability>()
  let characters = outline?.characters ?? 0
  let images = 0
  const measure = (part: Chat.AssistantContent | Chat.UserContent | Chat.ToolResult): void => {
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
        part.content.forEach(measure)
        return
      case "image":
        requires.add("vision")
        images++
        return
      case "file":
        requires.add("files")
        images++
        return
      case "audio":
        requires.add("audio")
        images++
        return
    }
  }
  for (const message of request.messages) for (const part of message.content) measure(part)
  if (request.tools !== undefined && request.tools.length > 0) {
    requires.add("tools")
    characters += JSON.stringify(request.tools).length
  }
  if (request.format?.type === "json-schema") requires.add("jsonSchema")
  if (usesReasoning(whole)) requires.add("reasoning")
  const inputTokens = Math.ceil(characters / charactersPerToken) + images * tokensPerImage
  return { requires, inputTokens, contextTokens: inputTokens, outputTokens: outputTokensOf(whole) }
}

const outputTokensOf = ({ sampling }: Pick<Chat.Request, "sampling">): number => sampling?.maxTokens ?? 0
