/**
 * The name of this protocol, as `Chat.Native` and `Provider.protocol` carry it: OpenAI's `POST /v1/responses`.
 */
export const protocol = "responses"

/** Whose seals its reasoning bears. */
export const issuer = "openai"
