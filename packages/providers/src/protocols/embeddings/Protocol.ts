/** OpenAI's `POST /v1/embeddings`: its name in `Chat.Native`. */
export const protocol = "embeddings"
