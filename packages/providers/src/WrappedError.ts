/**
 * Finds the error inside another error's message. Relays such as LiteLLM put their upstream's error into their own message,
 * after the name of their own exception, often with another status.
 *
 * `litellm.InternalServerError: InternalServerError: OpenAIException - {"error":{"code":400,"type":"exceed_context_size_error"}}`
 * and `Error code: 429 - {'error': {'type': 'tokens'}}`, from OpenAI's Python SDK, are examples.
 */

/** The fields of the inner error, in their order in the message. */
export interface Wrapped {
  readonly codes: ReadonlyArray<string>
  /** Its types, then the exceptions at the beginning of the message. */
  readonly types: ReadonlyArray<string>
  readonly status: number | undefined
}

const none: Wrapped = { codes: [], types: [], status: undefined }

/** The maximum of characters of a message that are searched. */
const maxLength = 8000

/** The beginning of an error body: JSON, escaped JSON or a Python value. */
const body = /\{\s{0,20}\\*["'](?:error|message|detail|type|code|object)\\*["']\s{0,3}:/
const field = /\\*["'](code|type|status|error_type|reason)\\*["']\s{0,3}:\s{0,3}(?:\\*["'])?([A-Za-z0-9_.-]{1,80})/g
const sdk = /\b(?:error|status) code:? (\d{3})\b/i
const exception = /^(?:[a-z_]{1,40}\.){0,4}([A-Z]\w{1,60}(?:Error|Exception|Timeout)|Timeout):\s/

/** The fields of the error wrapped in `message`. */
export const of = (message: string | undefined): Wrapped => {
  if (message === undefined) return none
  const text = message.length > maxLength ? message.slice(0, maxLength) : message
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
