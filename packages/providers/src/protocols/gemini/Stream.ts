/**
 * A streamed answer, chunk by chunk: read here, written in `Encoder.ts`.
 *
 * Every chunk is a whole `GenerateContentResponse` with what is new in it, and the usage so far. Calls come whole. There
 * is no event at the end: a `finishReason` is the proof that its candidate is whole.
 */
import type * as Chat from "@understudy/core/Chat"
import { ProviderError } from "@understudy/core/ProviderError"
import * as Predicate from "effect/Predicate"
import * as Result from "effect/Result"
import type { Decoder } from "../Frames.ts"
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

/** A chunk with nothing in it: Google's clients know no comments, and take a comment's text for JSON. */
export const idle = "data: {}\n\n"

/** An SSE event. This protocol names none. */
export interface Event {
  readonly event?: string | undefined
  readonly data: string
}

// ---------------------------------------------------------------------------------------------------------------------
// Decode: the upstream's events -> frames
// ---------------------------------------------------------------------------------------------------------------------

/** For one stream: it holds its state. `classify` is the vendor's judgement of an error inside the stream. */
export const decoder = (classify: (error: Errors.WireError) => ProviderError): Decoder<Event> => {
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
  /** The answer's own name, for the ids of calls that have none. Undefined until the first chunk. */
  name: string | undefined
  readonly candidates: Map<number, Candidate>
}

/** One answer of several: whether it has said anything, what it has called, all its text, and what it has cited. */
interface Candidate {
  said: boolean
  readonly calls: ToolCalls.Calls
  made: number
  text: string
  readonly cited: Set<string>
}

const decodeChunk = (body: Fields, data: string, state: State): ReadonlyArray<Chat.Part> | ProviderError => {
  const parts: Array<Chat.Part> = []
  // A chunk that says nothing keeps its client waiting.
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
    const broken = decodeFinish(candidate, state, end)
    if (broken !== undefined) return broken
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
  const choice = at(candidate["index"])
  const so = candidateOf(state, choice.choice ?? 0)
  let logprobs = Logprobs.decode(candidate["logprobsResult"])
  const idOf = (id: string | undefined) => id ?? Calls.made(nameIn(state, choice), so.made++)
  for (const wire of Json.list(Json.fields(candidate["content"])["parts"])) {
    const said = Content.decodeSaid(Json.fields(wire), idOf, Signatures.issued)
    if (said === undefined) continue
    so.said = true
    switch (said.type) {
      case "text":
        so.text += said.text
        parts.push(logprobs === undefined ? { ...said, ...choice } : { ...said, ...choice, logprobs })
        logprobs = undefined
        break
      case "reasoning":
        parts.push({ ...said, ...choice })
        break
      case "tool-call": {
        const { name, type: _type, ...call } = said
        // They come whole, each on its own.
        so.calls.push({ ...call, slot: undefined, name: name === "" ? undefined : name, opens: true }, parts)
        break
      }
    }
  }
  for (const citation of Citations.decode(candidate, () => so.text)) {
    const key = JSON.stringify(citation)
    if (so.cited.has(key)) continue
    so.cited.add(key)
    parts.push({ type: "citation", citation, ...choice })
  }
}

const decodeFinish = (candidate: Fields, state: State, parts: Array<Chat.Part>): ProviderError | undefined => {
  const { finishMessage, finishReason: word } = candidate
  const choice = at(candidate["index"])
  const { calls, said } = candidateOf(state, choice.choice ?? 0)
  if (Response.isBroken(word, said)) {
    return new ProviderError({
      reason: { _tag: "Malformed" },
      message: Response.brokenMessage(word, finishMessage),
    })
  }
  const why = Response.refusal(word, finishMessage)
  const reason = calls.end(FinishReason.read(word), parts)
  if (reason instanceof ProviderError) return reason
  if (why !== undefined) parts.push({ type: "refusal", text: why, ...choice })
  parts.push({ type: "finish", reason, ...choice })
  return undefined
}

const nowhere: { readonly choice?: number } = {}
const at = (index: unknown): { readonly choice?: number } => {
  const choice = Json.integer(index) ?? 0
  return choice > 0 ? { choice } : nowhere
}

/** As a whole answer's calls are named. */
const nameIn = ({ name = "" }: State, { choice }: { readonly choice?: number }): string =>
  choice === undefined ? name : `${name}-${choice}`

const candidateOf = (state: State, choice: number): Candidate => {
  let candidate = state.candidates.get(choice)
  if (candidate === undefined) {
    const index = choice === 0 ? undefined : choice
    const made = (call: number) => Calls.made(nameIn(state, at(index)), call)
    candidate = { said: false, calls: ToolCalls.make(made, index), made: 0, text: "", cited: new Set() }
    state.candidates.set(choice, candidate)
  }
  return candidate
}
