/**
 * The responses that the gateway stores for later calls: `store`, `previous_response_id`, `background` and the endpoints under
 * `/v1/responses/{id}` of OpenAI's API, so that a conversation goes on with any vendor.
 *
 * `SqlResponseStore` keeps them in the database of the configuration, each for `keep` after the last call that continued it.
 */
import * as Context from "effect/Context"
import * as Data from "effect/Data"
import type * as Duration from "effect/Duration"
import type * as Effect from "effect/Effect"
import type * as Stream from "effect/Stream"
import type { Conversations } from "./Conversations.ts"
import type { Item, PageOf } from "./Items.ts"
import type * as Rows from "./Rows.ts"
import type { StoreLost } from "./StoreLost.ts"

/** How long responses are kept, and how many this process runs in the background at once. */
export interface Settings {
  readonly keep: Duration.Duration
  readonly background: number
}

/** This process runs as many background responses as it may. */
export class TooMany extends Data.TaggedError("TooMany")<{ readonly limit: number }> {}

/** A response to store, as in `Rows`. `extends`: the ids of the responses that it continues and that would expire before it. */
export interface Ended extends Pick<
  Rows.Row,
  "id" | "key_id" | "previous_id" | "conversation_id" | "model" | "status" | "response" | "input"
> {
  readonly extends: ReadonlyArray<string>
}

/** Why there is no chain: a response is not there, or what is there is larger than the limit. */
export type NoChain =
  | { readonly _tag: "NotFound"; readonly id: string }
  | { readonly _tag: "TooLarge"; readonly size: number }

/** Why a response has failed. */
export interface Failure {
  readonly code: string
  readonly message: string
}

/**
 * Runs the call of a background response. Succeeds with the JSON of the response. `publish` takes the text of its events, for
 * readers of its stream.
 */
export type Run = (publish: (text: string) => Effect.Effect<void>) => Effect.Effect<string, Failure>

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
    /**
     * The items that a response was generated from, those of the responses before it included, from the first one of a page on.
     * `undefined` if there is no such response, or one that it continues was deleted.
     */
    readonly inputItems: (
      keyId: string,
      id: string,
      page: PageOf,
    ) => Effect.Effect<Stream.Stream<Item, StoreLost> | undefined, StoreLost>
    /**
     * The items with these ids that responses of the key have in their output. `undefined` if they have more than `maxSize`
     * characters together.
     */
    readonly items: (
      keyId: string,
      ids: ReadonlyArray<string>,
      maxSize: number,
    ) => Effect.Effect<ReadonlyArray<unknown> | undefined, StoreLost>
    /** Succeeds with whether there was one. */
    readonly remove: (keyId: string, id: string) => Effect.Effect<boolean, StoreLost>
    /** Of the responses that a new one continues, those whose expiry is to be put off. */
    readonly expiring: (rows: ReadonlyArray<Rows.Row>) => Effect.Effect<ReadonlyArray<string>>
    /**
     * Stores a response and runs its call in the background, in the context of the caller. The call ends when it is cancelled, and when
     * the gateway stops: then the response has failed.
     */
    readonly start: (queued: Ended, run: Run) => Effect.Effect<void, StoreLost | TooMany>
    /** Cancels a response that runs, on whichever gateway. Succeeds with it, or with what it was if it had ended. */
    readonly cancel: (keyId: string, id: string) => Effect.Effect<Rows.Row | undefined, StoreLost>
    readonly conversations: Conversations
    /** The text of the events of a background response after a sequence number, until it ends. */
    readonly events: (row: Pick<Rows.Row, "id" | "key_id">, after: number) => Stream.Stream<string, StoreLost>
  }
>()("@understudy/http/ResponseStore") {}
