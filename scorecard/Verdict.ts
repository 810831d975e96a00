/**
 * What a caller got, judged by the bytes alone: a whole answer, an error that its protocol knows, or one of the things
 * that must never be.
 */
import type { Received } from "./Client.ts"
import { secret } from "./Vendor.ts"

/** What a deployment says when it is asked: text, or the arguments of a tool call. */
export interface Said {
  readonly text: string
  readonly arguments?: unknown
  readonly finish: string
}

/**
 * - `Whole`: one whole answer, in that deployment's words. `Refused`: an error status with the protocol's error.
 *   `Broken`: the beginning of that deployment's answer, then the protocol's error event, and nothing after it.
 * - `Truncated`: less than an answer, shown as one. `Wrong`: other words than any one deployment's, a 200 with an error
 *   inside, an error without its shape, a secret. `Hung`: neither. `Dropped`: the connection broke off without a word.
 */
export type Verdict =
  | { readonly _tag: "Whole"; readonly deployment: string }
  | { readonly _tag: "Refused"; readonly status: number }
  | { readonly _tag: "Broken"; readonly deployment: string }
  | { readonly _tag: "Truncated" | "Hung" | "Dropped" }
  | { readonly _tag: "Wrong"; readonly why: string }

const wrong = (why: string): Verdict => ({ _tag: "Wrong", why })

/** `said` gives the words of the deployment of that name. */
export const judge = (received: Received, stream: boolean, said: (deployment: string) => Said | undefined): Verdict => {
  const { end, headers, status, text } = received
  if (end === "hung") return { _tag: "Hung" }
  if (end !== "ended") return { _tag: "Dropped" }
  if (text.includes(secret)) return wrong("shows a secret")
  if (status !== 200) return refused(status, text)
  const deployment = decodeURI(String(headers["x-understudy-deployment"]))
  const words = said(deployment)
  if (words === undefined) return wrong(`answered by ${deployment}`)
  const answer = stream ? fromEvents(text) : fromBody(text)
  if (typeof answer === "string") return wrong(answer)
  const truncated = answer.finish !== words.finish || answer.text.length < words.text.length
  if (answer.failed) {
    return words.text.startsWith(answer.text) && answer.finish === undefined
      ? { _tag: "Broken", deployment }
      : wrong("an error after other words")
  }
  if (truncated && words.text.startsWith(answer.text)) return { _tag: "Truncated" }
  if (answer.text !== words.text || !sameJson(answer.arguments, words.arguments)) return wrong("other words")
  return { _tag: "Whole", deployment }
}

/** The words of an answer as its caller puts them together. */
interface Heard {
  readonly text: string
  readonly arguments: string
  readonly finish: string | undefined
  readonly failed: boolean
}

const refused = (status: number, text: string): Verdict =>
  status >= 400 && isError(parse(text)) ? { _tag: "Refused", status } : wrong(`${status} without an error's shape`)

const isError = (body: Wire | undefined): boolean =>
  typeof body?.error?.message === "string" && typeof body.error.type === "string" && typeof body.error.code === "string"

/** As much of OpenAI's bodies and events as is judged. */
interface Wire {
  readonly id?: string
  readonly error?: { readonly message?: unknown; readonly type?: unknown; readonly code?: unknown }
  readonly choices?: ReadonlyArray<{
    readonly message?: Words
    readonly delta?: Words
    readonly finish_reason?: string | null
  }>
}

interface Words {
  readonly content?: string | null
  readonly tool_calls?: ReadonlyArray<{ readonly function?: { readonly arguments?: string } }>
}

const fromBody = (text: string): Heard | string => {
  const body = parse(text)
  if (body === undefined) return "a body that is not JSON"
  if (body.error !== undefined) return "200 with an error inside"
  const choice = body.choices?.[0]
  return {
    text: choice?.message?.content ?? "",
    arguments: choice?.message?.tool_calls?.[0]?.function?.arguments ?? "",
    finish: choice?.finish_reason ?? undefined,
    failed: false,
  }
}

/** Folds a stream's events. Its last one is `[DONE]` or an error, never both and never neither. */
const fromEvents = (text: string): Heard | string => {
  const events = text.split("\n\n").flatMap((block) => (block.startsWith("data: ") ? [block.slice(6)] : []))
  const chunks: Array<Wire> = []
  for (const event of events) {
    if (event === "[DONE]") continue
    const chunk = parse(event)
    if (chunk === undefined) return "an event that is not JSON"
    chunks.push(chunk)
  }
  const failed = chunks.findIndex(({ error }) => error !== undefined)
  const done = events.indexOf("[DONE]")
  if (failed !== -1 && (done !== -1 || failed !== chunks.length - 1)) return "goes on after its error"
  if (failed === 0) return "200 with nothing but an error inside"
  if (failed !== -1 && !isError(chunks[failed])) return "an error event without an error's shape"
  if (done !== -1 && done !== events.length - 1) return "goes on after [DONE]"
  if (failed === -1 && done === -1) return "ends with neither [DONE] nor an error"
  if (new Set(chunks.flatMap(({ id }) => id ?? [])).size > 1) return "more than one id"
  const deltas = chunks.flatMap(({ choices }) => choices?.[0] ?? [])
  const finishes = deltas.flatMap(({ finish_reason }) => finish_reason ?? [])
  if (finishes.length > 1) return "ends twice"
  return {
    text: deltas.map(({ delta }) => delta?.content ?? "").join(""),
    arguments: deltas.map(({ delta }) => delta?.tool_calls?.[0]?.function?.arguments ?? "").join(""),
    finish: finishes[0],
    failed: failed !== -1,
  }
}

const parse = (text: string): Wire | undefined => {
  try {
    return JSON.parse(text) as Wire
  } catch {
    return undefined
  }
}

const sameJson = (text: string, value: unknown): boolean =>
  text === "" ? value === undefined : JSON.stringify(parse(text)) === JSON.stringify(value)
