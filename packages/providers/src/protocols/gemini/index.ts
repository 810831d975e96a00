/**
 * Google's Gemini protocol. The vendor side encodes requests and decodes responses; the client side decodes requests
 * and encodes responses.
 *
 * A request passes, towards a vendor: `Request.encode` (`Conversation`, `Content`, `Tools`, `Generation`), or
 * `Request.native` (`ForeignContent`) if the client spoke this protocol; `Count.body` to count its tokens. A response
 * passes: `Response.decode`, or `Stream.decoder` event by event; `Errors.parse` if its status is not 2xx.
 *
 * Towards a client, a request passes `Request.decode` (`Names`, then `Wire` validates), and a response
 * `Response.encode`, `Stream.encoder` or `Stream.array` (`Encoder`), or `Errors.encode`.
 */
export * as Count from "./Count.ts"
export * as Errors from "./Errors.ts"
export { protocol } from "./Protocol.ts"
export * as Request from "./Request.ts"
export * as Response from "./Response.ts"
export * as Signatures from "./Signatures.ts"
export * as Stream from "./Stream.ts"
