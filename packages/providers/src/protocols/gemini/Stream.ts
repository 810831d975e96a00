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
import * as Json from "../Json.ts"
import type { Fields } from "../Json.ts"
import * as Calls from "./Calls.ts"
import * as Citations from "./Citations.ts"
import * as Content from "./Content.ts"
import * as Errors from "./Errors.ts"
import * as Logprobs from "./Logprobs.ts"
import { protocol } from "./Protocol.ts"
import * as Response from "./Response.ts"
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
  const state: State = { name: undefined, candidates: new Map(), spoken: false }
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
  /** Whether anything has been said. */
  spoken: boolean
}

/** One answer of several: how much it has called, all its text, and what it has cited already. */
interface Candidate {
  calls: number
  made: number
  text: string
  readonly cited: Set<string>
}

const decodeChunk = (body: Fields, data: string, state: State): ReadonlyArray<Chat.Part> | ProviderError => {
  const parts: Array<Chat.Part> = []
  if (state.name === undefined) {
    const id = Json.words(body["responseId"])
    state.name = Calls.nameOf(id, data)
    parts.push({ type: "start", id, model: Json.words(body["modelVersion"]) })
  }
  let end: ReadonlyArray<Chat.Part> = none
  for (const wire of Json.list(body["candidates"])) {
    const candidate = Json.fields(wire)
    decodeCandidate(candidate, state, parts)
    const { finishMessage, finishReason: reason } = candidate
    if (!Predicate.isString(reason)) continue
    if (Response.isBroken(reason) && !state.spoken) {
      return new ProviderError({
        reason: { _tag: "Malformed" },
        message: Response.brokenMessage(reason, finishMessage),
      })
    }
    end = [...end, ...decodeFinish(candidate, state)]
  }
  const block = Response.blocked(body)
  if (block !== undefined)
    end = [...(block.content as ReadonlyArray<Chat.Refusal>), { type: "finish", reason: block.finish }]
  const usage = Usage.decode(body["usageMetadata"])
  if (usage !== undefined) parts.push({ type: "usage", usage })
  parts.push(...end)
  return parts
}

const none: ReadonlyArray<Chat.Part> = []

const decodeCandidate = (candidate: Fields, state: State, parts: Array<Chat.Part>): void => {
  const choice = at(candidate["index"])
  const so = candidateOf(state, choice.choice ?? 0)
  let logprobs = Logprobs.decode(candidate["logprobsResult"])
  for (const wire of Json.list(Json.fields(candidate["content"])["parts"])) {
    const said = Content.decodeSaid(Json.fields(wire), (id) => id ?? Calls.made(nameIn(state, choice), so.made++))
    if (said === undefined) continue
    state.spoken = true
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
        const { arguments: json, ...call } = said
        const index = so.calls++
        parts.push({ ...call, index, ...choice }, { type: "tool-arguments", index, arguments: json, ...choice })
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

const decodeFinish = (candidate: Fields, state: State): ReadonlyArray<Chat.Part> => {
  const { finishMessage, finishReason } = candidate
  const choice = at(candidate["index"])
  const reason = Response.finish(finishReason, candidateOf(state, choice.choice ?? 0).calls > 0)
  const why = Response.refusal(finishReason, finishMessage)
  const finish: Chat.Part = { type: "finish", reason, ...choice }
  return why === undefined ? [finish] : [{ type: "refusal", text: why, ...choice }, finish]
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
    candidate = { calls: 0, made: 0, text: "", cited: new Set() }
    state.candidates.set(choice, candidate)
  }
  return candidate
}
