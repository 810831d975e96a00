/**
 * The estimated usage of an attempt whose provider did not report it: what it may be charged for. An error before any output
 * is charged by no vendor; an answer that was cut or given up is charged as far as it got.
 */
import * as Cause from "effect/Cause"
import * as Exit from "effect/Exit"
import type { Call } from "../model/Call.ts"
import type * as Chat from "../model/Chat.ts"
import type * as Embedding from "../model/Embedding.ts"
import type { ProviderError } from "../model/ProviderError.ts"
import * as Operation from "../model/Operation.ts"
import { charactersPerToken } from "../model/Usage.ts"
import type { Priced } from "../spend/MaxCost.ts"
import * as MaxCost from "../spend/MaxCost.ts"

/** What arrived of an answer: the number of its parts, of which each is a token or more, and the length of their texts. */
export interface Output {
  readonly parts: number
  readonly characters: number
}

export interface Ended {
  readonly call: Call
  readonly deployment: Priced
  readonly exit: Exit.Exit<unknown, ProviderError>
  /** How long it ran. */
  readonly millis: number
  /** `undefined` for a complete response that did not arrive. */
  readonly output: Output | undefined
  /** What the provider reported. Of a stream that did not end, it says nothing of the output after it. */
  readonly usage: Chat.Usage | undefined
}

/** Tokens that a model writes in a second, unless it is known. */
const tokensPerSecond = 100

/** The usage as it was reported, if that is all of it; `undefined` if nothing is charged. */
export const of = ({ call, deployment, exit, millis, output, usage }: Ended): Chat.Usage | undefined => {
  const { request } = call
  if ("operation" in request) return ofOperation(call, request, deployment, exit, output, usage)
  if (!isCharged(exit, output)) return usage
  if (usage !== undefined && output === undefined) return usage
  const written =
    output === undefined
      ? Math.round((millis / 1000) * tokensPerSecond)
      : Math.max(Exit.isSuccess(exit) ? 0 : output.parts, Math.ceil(output.characters / charactersPerToken))
  const outputTokens = Math.min(written, MaxCost.outputTokens(call.request, deployment))
  if (usage === undefined) return { inputTokens: call.inputTokens, outputTokens }
  return outputTokens <= usage.outputTokens ? usage : { ...usage, outputTokens }
}

/**
 * Of another operation than chat and embeddings. The usage of a complete response that does not report it is unknown. One that was
 * cut or given up may be charged for as a whole.
 */
const ofOperation = (
  call: Call,
  request: Operation.Request,
  deployment: Priced,
  exit: Ended["exit"],
  output: Output | undefined,
  usage: Chat.Usage | undefined,
): Chat.Usage | undefined => {
  // A session reports each response: what it was cut in is not known.
  if (request.body.type === "session") return usage
  if (usage !== undefined || Exit.isSuccess(exit) || !isCharged(exit, output)) return usage
  return {
    inputTokens: call.inputTokens,
    outputTokens: MaxCost.outputTokens(request, deployment),
    units: Operation.maxUnits(request),
  }
}

/** Whether a vendor may charge for an attempt that ended so. */
const isCharged = (exit: Exit.Exit<unknown, ProviderError>, output: Output | undefined): boolean => {
  if (Exit.isSuccess(exit) || (output?.parts ?? 0) > 0) return true
  const error = Cause.findErrorOption(exit.cause)
  if (error._tag === "None") return true
  const { reason, status } = error.value
  if (status !== undefined) return false
  return (
    reason._tag === "Malformed" ||
    reason._tag === "NotAccepted" ||
    (reason._tag === "Timeout" && reason.phase !== "connect")
  )
}

/** The output of a complete response. */
export const outputOf = (response: Chat.Response | Embedding.Response): Output => {
  if ("vectors" in response) return { parts: 0, characters: 0 }
  let parts = 0
  let characters = 0
  for (const { content } of [response, ...(response.alternatives ?? [])]) {
    for (const part of content) {
      parts++
      if (part.type === "tool-call") characters += part.name.length + part.arguments.length
      else if (part.type !== "audio") characters += part.text.length
    }
  }
  return { parts, characters }
}
