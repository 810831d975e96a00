/**
 * The responses that the gateway stores for later calls: `store`, `previous_response_id` and the endpoints under
 * `/v1/responses/{id}` of OpenAI's API, so that a conversation goes on with any vendor.
 *
 * `SqlResponseStore` keeps them in the database of the configuration, each for `keep` after the last call that continued it.
 */
import * as Context from "effect/Context"
import * as Data from "effect/Data"
import type * as Duration from "effect/Duration"
import type * as Effect from "effect/Effect"
import type * as Rows from "./Rows.ts"

/** How long responses are kept. */
export interface Settings {
  readonly keep: Duration.Duration
}

/** The database did not respond. */
export class StoreLost extends Data.TaggedError("StoreLost")<{ readonly message: string }> {}

/** A response to store, as in `Rows`. `extends`: the ids of the responses that it continues and that would expire before it. */
export interface Ended extends Omit<Rows.Row, "size" | "created_at" | "expires_at"> {
  readonly extends: ReadonlyArray<string>
}

/** Why there is no chain: a response is not there, or what is there is larger than the limit. */
export type NoChain =
  | { readonly _tag: "NotFound"; readonly id: string }
  | { readonly _tag: "TooLarge"; readonly size: number }

export class ResponseStore extends Context.Service<
  ResponseStore,
  {
    readonly save: (ended: Ended) => Effect.Effect<void, StoreLost>
    readonly find: (keyId: string, id: string) => Effect.Effect<Rows.Row | undefined, StoreLost>
    /** A response and all that it continues, the first of them first. `maxSize` is in characters. */
    readonly chain: (
      keyId: string,
      id: string,
      maxSize: number,
    ) => Effect.Effect<ReadonlyArray<Rows.Row> | NoChain, StoreLost>
    /** The items with these ids that responses of the key have in their output. */
    readonly items: (keyId: string, ids: ReadonlyArray<string>) => Effect.Effect<ReadonlyArray<unknown>, StoreLost>
    /** Succeeds with whether there was one. */
    readonly remove: (keyId: string, id: string) => Effect.Effect<boolean, StoreLost>
    /** Of the responses that a new one continues, those whose expiry is to be put off. */
    readonly expiring: (rows: ReadonlyArray<Rows.Row>) => Effect.Effect<ReadonlyArray<string>>
  }
>()("@understudy/http/ResponseStore") {}
