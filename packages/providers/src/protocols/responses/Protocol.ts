/** OpenAI's `POST /v1/responses`: its name in `Chat.Native` and `Provider.protocol`. */
export const protocol = "responses"

/** The issuer of its encrypted reasoning. */
export const issuer = "openai"
