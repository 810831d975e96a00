/**
 * The name of this protocol, as `Chat.Native` and `Provider.protocol` carry it: Bedrock's `POST /model/{id}/converse`
 * and `/converse-stream`.
 */
export const protocol = "converse"
