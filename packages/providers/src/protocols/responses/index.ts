/**
 * OpenAI's Responses protocol. The vendor side encodes requests and decodes responses; the client side decodes requests
 * and encodes responses.
 *
 * A request passes, towards a vendor: `Request.encode` (`Conversation`, `Content`, `Tools`), or `Request.native`
 * (`EchoedItems`) if the client spoke this protocol. A response passes: `Response.decode`, or `Stream.decoder` event by
 * event; `Errors.parse` if its status is not 2xx.
 *
 * Towards a client, a request passes `Request.decode` (`Wire` validates), and a response `Response.encode` (`Output`,
 * `ResponseObject`), `Stream.encoder` (`Encoder`: `OutputItemWriter` writes, `Follow` records what is passed on) or
 * `Errors.encode`.
 */
export * as Compaction from "./Compaction.ts"
export * as Errors from "./Errors.ts"
export { protocol } from "./Protocol.ts"
export { writeEncrypted } from "./Reasoning.ts"
export * as Request from "./Request.ts"
export * as Response from "./Response.ts"
export { ids } from "./EchoedItems.ts"
export * as Stored from "./Stored.ts"
export * as Stream from "./Stream.ts"
export * as Usage from "./Usage.ts"
