/**
 * OpenAI's Embeddings protocol, from both ends. Its errors are those of Chat Completions; it has no streams.
 */
export { protocol } from "./Protocol.ts"
export * as Request from "./Request.ts"
export * as Response from "./Response.ts"
