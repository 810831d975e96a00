/**
 * Decodes a stream chunk by chunk. `Encoder.ts` encodes one for clients.
 *
 * Every chunk is a `GenerateContentResponse` with the new content and the usage so far. Calls are complete. There is no
 * final event: a `finishReason` completes its candidate.
 */
import type * as Chat from "@understudy/core/Chat"
import { ProviderError } from "@understudy/core/ProviderError"
import * as Predicate from "effect/Predicate"
import * as Result from "effect/Result"
import type { Decoder, SseEvent } from "../Frames.ts"
import * as FinishReason from "../FinishReason.ts"
import * as Json from "../Json.ts"
import type { Fields } from "../Json.ts"
import * as ToolCalls from "../ToolCalls.ts"
import * as Calls from "./Calls.ts"
import * as Citations from "./Citations.ts"
import * as Content from "./Content.ts"
import * as Errors from "./Errors.ts"
import * as Logprobs from "./Logprobs.ts"
import { protocol } from "./Protocol.ts"
import * as Response from "./Response.ts"
import * as Signatures from "./Signatures.ts"
import * as Usage from "./Usage.ts"

export { array, encoder } from "./Encoder.ts"

/** The keep-alive: an empty chunk. Google's clients parse SSE comments as JSON. */
export const idle = "data: {}\n\n"

// ---------------------------------------------------------------------------------------------------------------------
// Decode: the upstream's events -> frames
// ---------------------------------------------------------------------------------------------------------------------

/** A decoder for one stream; stateful. `classify` classifies an error inside the stream. */
export const decoder = (classify: (error: Errors.WireError) => ProviderError): Decoder<SseEvent> => {
  const state: State = { name: undefined, candidates: new Map() }
  return {
    push: ({ data }) => {
      const body = data.includes('"functionCall"') ? Json.parseExact(data) : Json.parse(data)
      if (!Predicate.isObject(body) && !Array.isArray(body)) return undefined
      const fields = body as Fields
      if (Array.isArray(body) || Predicate.isObject(fields["error"]))
        return Result.fail(classify(Errors.fromBody(body)))
      const decoded = decodeChunk(fields, data, state)
      return decoded instanceof ProviderError
        ? Result.fail(decoded)
        : Result.succeed({ parts: decoded, native: { protocol, data } })
    },
  }
}

interface State {
  /** The name of the response, for ids of calls. Undefined until the first chunk. */
  name: string | undefined
  readonly candidates: Map<number, Candidate>
}

/** The state of one candidate: whether it has content, its calls, its text, and its citations. */
interface Candidate {
  hasContent: boolean
  readonly calls: ToolCalls.Calls
  generated: number
  text: string
  readonly cited: Set<string>
}

const decodeChunk = (body: Fields, data: string, state: State): ReadonlyArray<Chat.Part> | ProviderError => {
  const parts: Array<Chat.Part> = []
  // An empty chunk is a keep-alive.
  if (state.name === undefined && Object.keys(body).length > 0) {
    const id = Json.nonEmptyString(body["responseId"])
    state.name = Calls.nameOf(id, data)
    parts.push({ type: "start", id, model: Json.nonEmptyString(body["modelVersion"]) })
  }
  const end: Array<Chat.Part> = []
  for (const wire of Json.list(body["candidates"])) {
    const candidate = Json.fields(wire)
    decodeCandidate(candidate, state, parts)
    const { finishReason: reason } = candidate
    if (!Predicate.isString(reason) || reason === "") continue
    const failure = decodeFinish(candidate, state, end)
    if (failure !== undefined) return failure
  }
  const block = Response.blocked(body)
  if (block !== undefined) {
    end.push(...(block.content as ReadonlyArray<Chat.Refusal>), { type: "finish", reason: block.finishReason })
  }
  const usage = Usage.decode(body["usageMetadata"])
  if (usage !== undefined) parts.push({ type: "usage", usage })
  parts.push(...end)
  return parts
}

const decodeCandidate = (candidate: Fields, state: State, parts: Array<Chat.Part>): void => {
  const choice = choiceField(candidate["index"])
  const progress = candidateOf(state, choice.choice ?? 0)
  let logprobs = Logprobs.decode(candidate["logprobsResult"])
  const idOf = (id: string | undefined) => id ?? Calls.generatedId(nameIn(state, choice), progress.generated++)
  for (const wire of Json.list(Json.fields(candidate["content"])["parts"])) {
    const part = Content.decodeModelPart(Json.fields(wire), idOf, Signatures.issued)
    if (part === undefined) continue
    progress.hasContent = true
    switch (part.type) {
      case "text":
        progress.text += part.text
        parts.push(logprobs === undefined ? { ...part, ...choice } : { ...part, ...choice, logprobs })
        logprobs = undefined
        break
      case "reasoning":
        parts.push({ ...part, ...choice })
        break
      case "tool-call": {
        const { name, type: _type, ...call } = part
        // Each call is complete.
        progress.calls.push({ ...call, slot: undefined, name: name === "" ? undefined : name, opens: true }, parts)
        break
      }
    }
  }
  for (const citation of Citations.decode(candidate, () => progress.text)) {
    const key = JSON.stringify(citation)
    if (progress.cited.has(key)) continue
    progress.cited.add(key)
    parts.push({ type: "citation", citation, ...choice })
  }
}

const decodeFinish = (candidate: Fields, state: State, parts: Array<Chat.Part>): ProviderError | undefined => {
  const { finishMessage, finishReason: wireReason } = candidate
  const choice = choiceField(candidate["index"])
  const { calls, hasContent } = candidateOf(state, choice.choice ?? 0)
  if (Response.hasFailed(wireReason, hasContent)) {
    return new ProviderError({
      reason: { _tag: "Malformed" },
      message: Response.failureMessage(wireReason, finishMessage),
    })
  }
  const why = Response.refusal(wireReason, finishMessage)
  const reason = calls.end(FinishReason.read(wireReason), parts)
  if (reason instanceof ProviderError) return reason
  if (why !== undefined) parts.push({ type: "refusal", text: why, ...choice })
  parts.push({ type: "finish", reason, ...choice })
  return undefined
}

const noChoice: { readonly choice?: number } = {}
const choiceField = (index: unknown): { readonly choice?: number } => {
  const choice = Json.integer(index) ?? 0
  return choice > 0 ? { choice } : noChoice
}

/** The same name as in a complete response. */
const nameIn = ({ name = "" }: State, { choice }: { readonly choice?: number }): string =>
  choice === undefined ? name : `${name}-${choice}`

const candidateOf = (state: State, choice: number): Candidate => {
  let candidate = state.candidates.get(choice)
  if (candidate === undefined) {
    const index = choice === 0 ? undefined : choice
    const generated = (call: number) => Calls.generatedId(nameIn(state, choiceField(index)), call)
    candidate = { hasContent: false, calls: ToolCalls.make(generated, index), generated: 0, text: "", cited: new Set() }
    state.candidates.set(choice, candidate)
  }
  return candidate
}
