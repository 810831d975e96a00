/**
 * Keys in the list of subprotocols of a request for a WebSocket: browsers cannot set its headers. OpenAI's SDKs send
 * `realtime, openai-insecure-api-key.<key>`.
 */
const prefix = "openai-insecure-api-key."

/** Whether a subprotocol is a key, which no response may repeat. */
export const isKey = (subprotocol: string): boolean => subprotocol.startsWith(prefix)

/** The keys in the header `sec-websocket-protocol`. */
export const keys = (header: string | undefined): ReadonlyArray<string> =>
  header === undefined
    ? []
    : header
        .split(",")
        .map((subprotocol) => subprotocol.trim())
        .flatMap((subprotocol) => (isKey(subprotocol) ? [subprotocol.slice(prefix.length)] : []))
