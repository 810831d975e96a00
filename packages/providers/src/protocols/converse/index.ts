/**
 * Bedrock's Converse protocol, vendor side: encodes requests and decodes responses.
 *
 * A request passes `Request.encode` (`Conversation`, `Content`, `Tools`), or `Request.native` if the client spoke this
 * protocol; `Count.body` to count its tokens. A response passes `Response.decode`; a stream passes `Framing` (bytes to
 * events) and `Stream.decoder`; an exception passes `Errors`.
 */
export * as Count from "./Count.ts"
export * as Errors from "./Errors.ts"
export * as Framing from "./EventStreamCodec.ts"
export * as Prompt from "./Prompt.ts"
export { protocol } from "./Protocol.ts"
export * as Request from "./Request.ts"
export * as Response from "./Response.ts"
export * as Stream from "./Stream.ts"
