/** Anthropic's `POST /v1/messages`: its name in `Chat.Native` and `Provider.protocol`. */
export const protocol = "messages"

/** The issuer of its encrypted reasoning, on every cloud. */
export const issuer = "anthropic"

/** The name of an event without one (WHATWG HTML, "server-sent events"). */
export const nameless = "message"
