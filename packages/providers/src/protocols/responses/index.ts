/**
 * OpenAI's Responses protocol, from both ends: how a `Chat` is said in it and how its answers, streams and errors are
 * read; how a client's request in it is read and how it is answered.
 */
export * as Errors from "./Errors.ts"
export { protocol } from "./Protocol.ts"
export { writeEncrypted } from "./Reasoning.ts"
export * as Request from "./Request.ts"
export * as Response from "./Response.ts"
export { ids } from "./EchoedItems.ts"
export * as Stream from "./Stream.ts"
