/**
 * Bedrock's Converse protocol: how a `Chat` is said in it and how its answers, streams and errors are read.
 */
export * as Count from "./Count.ts"
export * as Errors from "./Errors.ts"
export * as Framing from "./EventStreamCodec.ts"
export * as Prompt from "./Prompt.ts"
export { protocol } from "./Protocol.ts"
export * as Request from "./Request.ts"
export * as Response from "./Response.ts"
export * as Stream from "./Stream.ts"
