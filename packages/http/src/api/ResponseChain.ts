/**
 * The conversation that a call continues: the items of the responses before it, in front of its own input. References to items
 * are replaced by the items.
 */
import * as Json from "@understudy/providers/internal/protocols/Json"
import * as Responses from "@understudy/providers/protocols/responses"
import * as Effect from "effect/Effect"
import * as Predicate from "effect/Predicate"
import * as Stream from "effect/Stream"
import * as ApiError from "./ApiError.ts"
import * as Unavailable from "./Unavailable.ts"
import * as Items from "../responses/Items.ts"
import type { NoChain, ResponseStore } from "../responses/ResponseStore.ts"
import type { StoreLost } from "../responses/StoreLost.ts"
import type { Row } from "../responses/Rows.ts"

type Store = ResponseStore["Service"]

/** The responses up to this one, the first of them first. */
export const load = (
  store: Store,
  keyId: string,
  id: string,
  maxSize: number,
): Effect.Effect<ReadonlyArray<Row>, ApiError.ApiError> =>
  Effect.flatMap(catchLost(store.chain(keyId, id, maxSize)), (chain) =>
    isChain(chain) ? Effect.succeed(chain) : Effect.fail(noChain(chain, id, maxSize)),
  )

/** Whether the chain is there. */
export const isChain = (chain: ReadonlyArray<Row> | NoChain): chain is ReadonlyArray<Row> => Array.isArray(chain)

const noChain = (reason: NoChain, id: string, maxSize: number): ApiError.ApiError =>
  reason._tag === "TooLarge"
    ? tooLarge(maxSize)
    : ApiError.invalid(
        reason.id === id
          ? `Previous response with id '${id}' not found.`
          : `Previous response with id '${id}' not found: it continues '${reason.id}', which was deleted.`,
        { param: "previous_response_id", code: "previous_response_not_found" },
      )

/** The items of a conversation. */
export const conversationItems = (
  { conversations }: Store,
  keyId: string,
  id: string,
  maxSize: number,
): Effect.Effect<ReadonlyArray<unknown>, ApiError.ApiError> =>
  Effect.flatMap(catchLost(conversations.find(keyId, id)), (row) =>
    row === undefined
      ? Effect.fail(noConversation(id))
      : Effect.flatMap(catchLost(conversations.items(row, maxSize)), (items) =>
          items === undefined ? Effect.fail(tooLarge(maxSize)) : Effect.succeed(items),
        ),
  )

/** The error of a conversation that is not there for the key. */
export const noConversation = (id: string): ApiError.ApiError =>
  ApiError.invalid(`Conversation with id '${id}' not found.`, { status: 404, code: "not_found", param: "conversation" })

/** The error of a conversation that is larger than a body may be. */
export const tooLarge = (maxSize: number): ApiError.ApiError =>
  ApiError.invalid(
    `The conversation that this call continues is larger than ${maxSize} bytes, the limit of a body of this gateway ` +
      "(server.maxBody). Start a new one, with a summary of this one.",
    { param: "previous_response_id", status: 413, code: "request_too_large" },
  )

/**
 * The input with its references replaced by the items, which are those of `known` or of other stored responses. The items may have
 * `maxSize` characters together: an item may be referenced many times.
 */
export const resolve = (
  store: Store,
  keyId: string,
  input: ReadonlyArray<unknown>,
  known: ReadonlyArray<unknown>,
  maxSize: number,
): Effect.Effect<ReadonlyArray<unknown>, ApiError.ApiError> => {
  const references = input.filter(Responses.Request.isReference)
  if (references.length === 0) return Effect.succeed(input)
  const missing = Items.ids(references).filter((id) => !known.some((item) => Json.fields(item)["id"] === id))
  const others = missing.length === 0 ? Effect.succeed([]) : catchLost(store.items(keyId, missing, maxSize))
  return Effect.flatMap(others, (items) => {
    if (items === undefined) return Effect.fail(referencesTooLarge(maxSize))
    const byId = new Map([...known, ...items].map((item) => [Json.fields(item)["id"], item]))
    const sizes = new Map<unknown, number>()
    const resolved: Array<unknown> = []
    let size = 0
    for (const [index, item] of input.entries()) {
      if (!Responses.Request.isReference(item)) {
        resolved.push(item)
        continue
      }
      const { id } = Json.fields(item)
      const found = byId.get(id)
      if (found === undefined) return Effect.fail(noItem(id, index))
      const itemSize = sizes.get(id) ?? JSON.stringify(found).length
      sizes.set(id, itemSize)
      size += itemSize
      if (size > maxSize) return Effect.fail(referencesTooLarge(maxSize))
      resolved.push(...Items.asInputs([found]))
    }
    return Effect.succeed(resolved)
  })
}

const referencesTooLarge = (maxSize: number): ApiError.ApiError =>
  ApiError.invalid(
    `The items that this call refers to are larger than ${maxSize} bytes, the limit of a body of this gateway (server.maxBody).`,
    { param: "input", status: 413, code: "request_too_large" },
  )

const noItem = (id: unknown, index: number): ApiError.ApiError =>
  ApiError.invalid(
    `Item with id '${Predicate.isString(id) ? id : ""}' not found. Send the item itself, or store the response that it is of.`,
    { param: `input[${index}]`, status: 404, code: "not_found" },
  )

/** The text of the events of a response after a sequence number. It ends early if the database is lost. */
export const eventsOf = (store: Store, row: Pick<Row, "id" | "key_id">, after: number): Stream.Stream<string> =>
  Stream.catch(store.events(row, after), ({ message }) =>
    Stream.drain(Stream.fromEffect(Effect.logWarning(`The events of response ${row.id} cannot be read: ${message}`))),
  )

/** The error of a lost database, for a call that cannot go on without it. */
export const catchLost = <A>(read: Effect.Effect<A, StoreLost>): Effect.Effect<A, ApiError.ApiError> =>
  Effect.catch(read, ({ message }) =>
    Effect.andThen(Effect.logWarning(`Stored responses cannot be read: ${message}`), Effect.fail(Unavailable.noStore)),
  )
