/**
 * The name of this protocol, as `Chat.Native` carries it: OpenAI's `POST /v1/embeddings`.
 */
export const protocol = "embeddings"
