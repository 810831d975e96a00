/**
 * OpenAI's Embeddings protocol. A request passes `Request.encode` or `Request.native` towards a vendor, and
 * `Request.decode` from a client; a response passes `Response.decode` and `Response.encode`. Errors are those of Chat
 * Completions; there are no streams.
 */
export { protocol } from "./Protocol.ts"
export * as Request from "./Request.ts"
export * as Response from "./Response.ts"
