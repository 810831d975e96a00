/**
 * An error within the words of another: a relay such as LiteLLM puts what its upstream sent into its own message, behind
 * its own exception's name, and often under a status of its own.
 *
 * `litellm.InternalServerError: InternalServerError: OpenAIException - {"error":{"code":400,"type":"exceed_context_size_error"}}`
 * is one, and `Error code: 429 - {'error': {'type': 'tokens'}}`, which is how OpenAI's Python SDK says it.
 */

/** What the inner error said of itself, in the order it stands. */
export interface Wrapped {
  readonly codes: ReadonlyArray<string>
  /** Its types, then the exceptions that the message begins with. */
  readonly types: ReadonlyArray<string>
  readonly status: number | undefined
}

const none: Wrapped = { codes: [], types: [], status: undefined }

/** The most of a message that is looked through. */
const most = 8000

/** Whether there is a body of an error in it, as JSON, escaped JSON or a Python value. */
const body = /\{\s{0,20}\\*["'](?:error|message|detail|type|code|object)\\*["']\s{0,3}:/
const field = /\\*["'](code|type|status|error_type|reason)\\*["']\s{0,3}:\s{0,3}(?:\\*["'])?([A-Za-z0-9_.-]{1,80})/g
const sdk = /\b(?:error|status) code:? (\d{3})\b/i
const exception = /^(?:[a-z_]{1,40}\.){0,4}([A-Z]\w{1,60}(?:Error|Exception|Timeout)|Timeout):\s/

/** What an error that is wrapped in `message` says of itself. */
export const of = (message: string | undefined): Wrapped => {
  if (message === undefined) return none
  const text = message.length > most ? message.slice(0, most) : message
  const types: Array<string> = []
  const codes: Array<string> = []
  let status: number | undefined
  if (body.test(text)) {
    for (const [, name, value = ""] of text.matchAll(field)) {
      if (/^\d+$/.test(value)) status ??= asStatus(value)
      else if (name === "code" || name === "reason") codes.push(value)
      else types.push(value)
    }
    status ??= asStatus(sdk.exec(text)?.[1])
  }
  for (let rest = text; ;) {
    const match = exception.exec(rest)
    if (match?.[1] === undefined) break
    types.push(match[1])
    rest = rest.slice(match[0].length)
  }
  return types.length === 0 && codes.length === 0 && status === undefined ? none : { codes, types, status }
}

const asStatus = (value: string | undefined): number | undefined => {
  const status = Number(value)
  return status >= 400 && status < 600 ? status : undefined
}
