/**
 * Judges by the bytes alone what a client got: a complete response, a valid error of its protocol, or an outcome that must
 * never happen.
 */
import type { Received } from "./Client.ts"
import type { Dialect, Heard } from "./dialects/Dialect.ts"
import { parsed } from "./Json.ts"
import { secret } from "./Vendor.ts"

/** The scripted response of a deployment: text, or the arguments of a tool call. */
export interface Said {
  readonly deployment: string
  readonly text: string
  readonly arguments?: unknown
  readonly finish: string
}

/** A request. `buffered`: the response starts when it is complete, so that the deployment is not known before. */
export interface Asked {
  readonly dialect: Dialect
  readonly stream: boolean
  readonly buffered?: boolean
}

/**
 * - `Whole`: the complete response of the deployment. `Refused`: an error status with the protocol's error.
 *   `Broken`: the beginning of the deployment's response, then the protocol's error event, and nothing after it. Bytes have no
 *   events: their connection is cut.
 * - `Truncated`: an incomplete response that ends normally. `Wrong`: text of no single deployment, a 200 with an error inside,
 *   a malformed error, a secret. `Hung`: neither. `Dropped`: the connection closed without an error.
 */
export type Verdict =
  | { readonly _tag: "Whole"; readonly deployment: string }
  | { readonly _tag: "Refused"; readonly status: number }
  | { readonly _tag: "Broken"; readonly deployment: string }
  | { readonly _tag: "Truncated" | "Hung" | "Dropped" }
  | { readonly _tag: "Wrong"; readonly why: string }

const wrong = (why: string): Verdict => ({ _tag: "Wrong", why })

/** `cast`: the scripted responses of all deployments. If the response names its deployment, only that one counts. */
export const judge = (received: Received, asked: Asked, cast: ReadonlyArray<Said>): Verdict => {
  const { end, headers, status, text } = received
  const { dialect, buffered = false, stream } = asked
  if (end === "hung") return { _tag: "Hung" }
  const cut = end === "cut" && stream && status === 200 ? dialect.cut : undefined
  if (end !== "ended" && cut === undefined) return { _tag: "Dropped" }
  if (text.includes(secret)) return wrong("shows a secret")
  if (status !== 200) {
    return status >= 400 && dialect.isError(text)
      ? { _tag: "Refused", status }
      : wrong(`${status} without an error's shape`)
  }
  const named = headers["x-understudy-deployment"]
  if ((named === undefined) !== buffered)
    return wrong(buffered ? "names who is to answer" : "does not say who answered")
  const speakers = named === undefined ? cast : cast.filter(({ deployment }) => deployment === decodeURI(String(named)))
  if (speakers.length === 0) return wrong(`answered by ${String(named)}`)
  const answer = (cut ?? (stream ? dialect.stream : dialect.body))(text)
  if (typeof answer === "string") return wrong(answer)
  if (answer.failed && answer.text === "" && !buffered) return wrong("200 with nothing but an error inside")
  const verdicts = speakers.map((said) => compared(answer, said))
  return verdicts.find(({ _tag }) => _tag !== "Wrong") ?? verdicts[0] ?? wrong("nobody's words")
}

/** Compares a response with that of one deployment. */
const compared = (answer: Heard, { deployment, ...words }: Said): Verdict => {
  const begun = words.text.startsWith(answer.text)
  if (answer.failed) {
    return begun && answer.finish === undefined ? { _tag: "Broken", deployment } : wrong("an error after other words")
  }
  if (begun && (answer.finish !== words.finish || answer.text.length < words.text.length)) return { _tag: "Truncated" }
  if (answer.text !== words.text || !sameJson(answer.arguments, words.arguments)) return wrong("other words")
  return { _tag: "Whole", deployment }
}

const sameJson = (text: string, value: unknown): boolean =>
  text === "" ? value === undefined : JSON.stringify(parsed(text)) === JSON.stringify(value)
