/** OpenAI's `POST /v1/chat/completions`: its name in `Chat.Native` and `Provider.protocol`. */
export const protocol = "chat-completions"
