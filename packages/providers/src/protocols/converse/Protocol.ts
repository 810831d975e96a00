/**
 * Bedrock's `POST /model/{id}/converse` and `/converse-stream`: their name in `Chat.Native` and `Provider.protocol`.
 */
export const protocol = "converse"
