/**
 * Google's `POST /v1beta/models/{model}:batchEmbedContents`, and `:embedContent` for a single input: their name in
 * `Chat.Native`.
 */
export const protocol = "gemini-embeddings"
