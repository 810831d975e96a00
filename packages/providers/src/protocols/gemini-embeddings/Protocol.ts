/**
 * The name of this protocol, as `Chat.Native` carries it: Google's `POST /v1beta/models/{model}:batchEmbedContents`, and
 * `:embedContent` for one.
 */
export const protocol = "gemini-embeddings"
