/**
 * Google's embeddings, from both ends. Their errors are Gemini's; they have no streams.
 */
export { protocol } from "./Protocol.ts"
export * as Request from "./Request.ts"
export * as Response from "./Response.ts"
