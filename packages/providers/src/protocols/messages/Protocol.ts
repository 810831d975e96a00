/**
 * The name of this protocol, as `Chat.Native` and `Provider.protocol` carry it: Anthropic's `POST /v1/messages`.
 */
export const protocol = "messages"

/** Whose seals its thoughts bear, on any cloud. */
export const issuer = "anthropic"

/** The name of an event that was given none (WHATWG HTML, "server-sent events"). */
export const nameless = "message"
