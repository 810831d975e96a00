/**
 * Calls of OpenAI's Responses API on a gateway that stores responses: before a call is routed, its conversation is completed;
 * when it has ended, its response is stored, before its client reads that it has ended.
 *
 * The vendor gets the whole conversation and stores nothing, so that any other can take the next call.
 */
import type * as Chat from "@understudy/core/Chat"
import * as Outline from "@understudy/core/internal/model/Outline"
import * as Json from "@understudy/providers/internal/protocols/Json"
import * as Responses from "@understudy/providers/protocols/responses"
import * as Effect from "effect/Effect"
import { MaxBodySize } from "effect/http/HttpIncomingMessage"
import * as Predicate from "effect/Predicate"
import type * as Stream from "effect/Stream"
import { randomUUID } from "node:crypto"
import * as ApiError from "./ApiError.ts"
import * as BodyBudget from "./BodyBudget.ts"
import * as BodyLimits from "./BodyLimits.ts"
import { Caller } from "../auth/Caller.ts"
import * as ResponseChain from "./ResponseChain.ts"
import * as Unavailable from "./Unavailable.ts"
import * as Items from "../responses/Items.ts"
import type { ResponseStore, Run } from "../responses/ResponseStore.ts"
import type { Row } from "../responses/Rows.ts"

/** What is to be stored of a call. */
export interface Recording {
  /** The fields of the response that the gateway sets. */
  readonly fields: () => Readonly<Record<string, unknown>>
  /**
   * Stores the JSON of the response. If the database does not take it, the client gets the response all the same, and `fields`
   * say that it is not stored.
   */
  readonly save: (response: string) => Effect.Effect<void>
  /** Of a response that is generated in the background. */
  readonly background?: InBackground | undefined
}

export interface InBackground {
  /** Stores the JSON of a response that waits, and runs its call. */
  readonly start: (queued: string, run: Run) => Effect.Effect<void, ApiError.ApiError>
  /** The text of its events, until it ends. */
  readonly events: Stream.Stream<string>
}

/** A call, and its recording if it is to be stored. */
export type Prepared<A> = A & { readonly recording?: Recording | undefined }

/** Completes the conversation of a call. A call that refers to nothing and is not to be stored stays as it is. */
export const prepare =
  (store: ResponseStore["Service"]) =>
  <A extends { readonly request: Chat.Request }>(call: A): Effect.Effect<Prepared<A>, ApiError.ApiError> => {
    const { native } = Outline.shorten(call.request)
    const { background, conversation, input, previous_response_id: previous, store: stores } = native?.body ?? {}
    if (isSet(conversation) && isSet(previous)) return Effect.fail(bothGiven)
    if (isSet(conversation) && conversationOf(conversation) === undefined) return Effect.fail(notAConversation)
    if (isSet(previous) && !Predicate.isString(previous)) return Effect.fail(notAnId)
    const isStored = stores !== false
    if (isSet(background) && !isStored) return Effect.fail(notStored)
    const refers = isSet(previous) || isSet(conversation) || Json.list(input).some(Responses.Request.isReference)
    return isStored || refers ? complete(store, call, isStored) : Effect.succeed(call)
  }

const isSet = (value: unknown): boolean => value !== undefined && value !== null && value !== false

/** The id of a conversation: a text, or an object with it. */
const conversationOf = (given: unknown): string | undefined =>
  Json.nonEmptyString(Predicate.isString(given) ? given : Json.fields(given)["id"])

const bothGiven = ApiError.invalid("Send either `previous_response_id` or `conversation`, not both.", {
  param: "conversation",
  code: "mutually_exclusive_parameters",
})

const notAConversation = ApiError.invalid(
  "Invalid type for 'conversation': expected the id of a conversation, or an object with it.",
  {
    param: "conversation",
    code: "invalid_type",
  },
)

const notStored = ApiError.invalid("A response in the background is stored: leave out `store`, or set it to true.", {
  param: "background",
})

const notAnId = ApiError.invalid("Invalid type for 'previous_response_id': expected the id of a response.", {
  param: "previous_response_id",
  code: "invalid_type",
})

const complete = Effect.fnUntraced(function* <A extends { readonly request: Chat.Request }>(
  store: ResponseStore["Service"],
  call: A,
  isStored: boolean,
): Effect.fn.Return<Prepared<A>, ApiError.ApiError> {
  const request = Outline.whole(call.request)
  const { background, conversation, metadata, ...body } = request.native?.body ?? {}
  const { previous_response_id: previousId, ...own } = body
  const keyId = (yield* Caller)?.id ?? ""
  const maxSize = Number((yield* MaxBodySize) ?? Infinity)
  const turns = Predicate.isString(previousId) ? yield* ResponseChain.load(store, keyId, previousId, maxSize) : []
  if (turns.some(({ conversation_id: id }) => id !== null)) return yield* Effect.fail(ofConversation)
  const unfinished = turns.find(({ status }) => status !== "completed" && status !== "incomplete")
  if (unfinished !== undefined) return yield* Effect.fail(notEnded(unfinished))
  const conversationId = conversationOf(conversation) ?? null
  const earlier =
    conversationId === null
      ? turns.flatMap(Items.ofTurn)
      : yield* ResponseChain.conversationItems(store, keyId, conversationId, maxSize)
  const input = yield* ResponseChain.resolve(store, keyId, Items.ofInput(own["input"]), earlier, maxSize)
  const history = Items.history(earlier)
  const sent = {
    ...own,
    store: false,
    ...(isUnchanged(own, input, history.own) ? undefined : { input: [...history.own, ...input] }),
  }
  const { limits } = yield* BodyBudget.Current
  // The body itself was checked when it was read.
  const exceeded =
    history.own.length === 0 ? undefined : BodyLimits.check(sent, Infinity, BodyLimits.conversation, limits)
  if (exceeded !== undefined) return yield* Effect.fail(exceeded)
  const completed = yield* decode(sent, history, input, isStored)
  if (!isStored) return { ...call, request: completed }
  const recording = record(store, {
    keyId,
    // PostgreSQL takes no text with a zero byte.
    model: request.model.replaceAll("\0", ""),
    previousId: Predicate.isString(previousId) ? previousId : null,
    conversationId,
    turns,
    input: JSON.stringify(input),
    metadata: metadata ?? {},
    isInBackground: isSet(background),
  })
  return { ...call, request: completed, recording }
})

const ofConversation = ApiError.invalid(
  "The previous response belongs to a conversation: send `conversation` in place of `previous_response_id`.",
  { param: "previous_response_id" },
)

const notEnded = ({ id, status }: Row): ApiError.ApiError =>
  ApiError.invalid(`Previous response with id '${id}' cannot be continued: its status is ${status}.`, {
    param: "previous_response_id",
    code: "previous_response_not_completed",
  })

/** Whether the input stays as the client wrote it. */
const isUnchanged = (
  { input }: Readonly<Record<string, unknown>>,
  resolved: ReadonlyArray<unknown>,
  history: ReadonlyArray<unknown>,
): boolean => history.length === 0 && (Predicate.isString(input) || input === resolved)

/**
 * The request with its conversation. A vendor of this protocol gets all earlier items, every other those that it can read, and
 * the names of those that it cannot are reported as dropped parameters.
 */
const decode = (
  body: Record<string, unknown>,
  { dropped, own, portable }: Items.History,
  input: ReadonlyArray<unknown>,
  isStored: boolean,
): Effect.Effect<Chat.Request, ApiError.ApiError> => {
  const readable = portable === own ? body : { ...body, input: [...portable, ...input] }
  return Effect.mapError(
    Effect.map(Effect.fromResult(Responses.Request.decodeReferring(readable)), (request) => ({
      ...request,
      native: { protocol: Responses.protocol, body, ...(isStored ? { stored: true } : undefined) },
      ...(dropped.length === 0 ? undefined : { droppedParams: [...dropped, ...(request.droppedParams ?? [])] }),
    })),
    ApiError.fromBody,
  )
}

const record = (
  store: ResponseStore["Service"],
  {
    conversationId,
    input,
    isInBackground,
    keyId,
    metadata,
    model,
    previousId,
    turns,
  }: {
    readonly keyId: string
    readonly model: string
    readonly previousId: string | null
    readonly conversationId: string | null
    readonly turns: ReadonlyArray<Row>
    readonly input: string
    readonly metadata: unknown
    readonly isInBackground: boolean
  },
): Recording => {
  const id = `resp_${randomUUID().replaceAll("-", "")}`
  let isStored = true
  const row = (response: string) =>
    Effect.map(store.expiring(turns), (extended) => {
      const status = Json.string(Json.fields(Json.parse(response))["status"])
      return {
        id,
        key_id: keyId,
        previous_id: previousId,
        conversation_id: conversationId,
        model,
        status,
        response,
        input,
        extends: extended,
      }
    })
  const background: InBackground = {
    start: (queued, run) =>
      Effect.catchTags(
        Effect.flatMap(row(queued), (ended) => store.start(ended, run)),
        {
          StoreLost: (lost) => ResponseChain.catchLost(Effect.fail(lost)),
          TooMany: ({ limit }) => Effect.fail(Unavailable.tooManyInBackground(limit)),
        },
      ),
    events: ResponseChain.eventsOf(store, { id, key_id: keyId }, -1),
  }
  return {
    fields: () => ({
      id,
      background: isInBackground,
      metadata,
      previous_response_id: previousId,
      ...(conversationId === null ? undefined : { conversation: { id: conversationId } }),
      store: isStored,
    }),
    save: (response) =>
      Effect.catch(Effect.flatMap(row(response), store.save), ({ message }) => {
        isStored = false
        return Effect.logWarning(`Response ${id} could not be stored: ${message}`)
      }),
    background: isInBackground ? background : undefined,
  }
}
