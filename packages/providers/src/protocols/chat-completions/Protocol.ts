/**
 * The name of this protocol, as `Chat.Native` and `Provider.protocol` carry it: OpenAI's `POST /v1/chat/completions`.
 */
export const protocol = "chat-completions"
