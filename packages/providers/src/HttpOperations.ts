/**
 * The operations of a provider besides chat and embeddings, by a table of endpoints: the client's body is sent with the vendor's
 * model id, and the response goes to the client as it came. Read of it are its usage, errors, and whether it is complete.
 */
import type * as Chat from "@understudy/core/Chat"
import * as Operation from "@understudy/core/Operation"
import type { Operations } from "@understudy/core/Provider"
import { ProviderError } from "@understudy/core/ProviderError"
import * as Channel from "effect/Channel"
import * as Effect from "effect/Effect"
import type * as Scope from "effect/Scope"
import * as Predicate from "effect/Predicate"
import * as Stream from "effect/Stream"
import * as Json from "./protocols/Json.ts"
import * as JsonText from "./protocols/JsonText.ts"
import * as Overrides from "./protocols/Overrides.ts"
import * as MultipartBody from "./transport/MultipartBody.ts"
import * as RealtimeSession from "./RealtimeSession.ts"
import type { RequestTemplate } from "./transport/RequestTemplate.ts"
import { withModel, withNative } from "./transport/RequestTemplate.ts"
import type * as Sse from "./transport/Sse.ts"
import type * as Transport from "./transport/Transport.ts"

/** How a vendor serves an operation. */
export interface Endpoint {
  readonly template: RequestTemplate
  /** What a request is sent with besides what the client sent. */
  readonly fields?: ((request: Operation.Request) => Readonly<Record<string, unknown>>) | undefined
  /** Whether the model is a field of the body. Default: true. */
  readonly sendsModel?: boolean | undefined
  /** The query of a session besides what the client sent. */
  readonly query?: ((request: Operation.Request) => Readonly<Record<string, string>>) | undefined
  /** The usage in a complete response, or in an event of a stream. `undefined` if it has none. */
  readonly usage: (body: Json.Fields, request: Operation.Request) => Chat.Usage | undefined
  /** Whether an event proves that a stream is complete. Its data is JSON, but for OpenAI's `[DONE]`. */
  readonly isLast: (data: string, body: Json.Fields) => boolean
  /** Whether an event goes to the client: one that was not asked for does not. Default: all. */
  readonly isShown?: ((body: Json.Fields, request: Operation.Request) => boolean) | undefined
}

export interface Options {
  /** The operations that deployments have unless they say otherwise. */
  readonly names: ReadonlySet<Operation.Name>
  readonly endpoints: Readonly<Record<Operation.Name, Endpoint>>
}

/** How requests are sent: see `HttpProvider`. */
export interface Sending extends RealtimeSession.Opening {
  readonly open: (
    template: RequestTemplate,
    body: Transport.Body,
    scope: Scope.Scope,
    isUnbounded?: boolean,
  ) => Effect.Effect<Transport.StreamingResponse, ProviderError>
  /** A response that was opened without a limit, with the limit of all others. */
  readonly bounded: (response: Transport.StreamingResponse) => Transport.StreamingResponse
  readonly events: (response: Transport.StreamingResponse) => Stream.Stream<Sse.Event, ProviderError>
  readonly bytes: (response: Transport.StreamingResponse) => Stream.Stream<Uint8Array, ProviderError>
  readonly text: (response: Transport.StreamingResponse) => Effect.Effect<string, ProviderError>
  /** Reads a response whose status is not 2xx, and fails with its error. */
  readonly failOpened: (
    response: Transport.StreamingResponse,
    request: Operation.Request,
  ) => Effect.Effect<never, ProviderError>
  /** An error in a body with status 2xx, if it is one. */
  readonly errorIn: (body: Json.Fields) => ProviderError | undefined
}

export const make = ({ endpoints, names }: Options, sending: Sending): Operations => ({
  names,
  send: (request) => {
    const { body, model, operation } = request
    const endpoint = endpoints[operation]
    if (body.type === "session") {
      const template = withNative(withModel(endpoint.template, model), {
        headers: request.native?.headers,
        query: { ...endpoint.query?.(request), ...request.native?.query },
      })
      return RealtimeSession.frames(template, request, body.messages, sending)
    }
    return Stream.fromChannel(
      Channel.fromTransform((_, scope) =>
        Effect.flatMap(respond(endpoint, request, body, sending, scope), (frames) =>
          Channel.toPullScoped(Stream.toChannel(frames), scope),
        ),
      ),
    )
  },
})

/** A body that is sent as a whole. */
type Body = Exclude<Operation.Body, { readonly type: "session" }>

type Frames = Stream.Stream<Operation.Frame, ProviderError>

const respond = (
  endpoint: Endpoint,
  request: Operation.Request,
  sent: Body,
  sending: Sending,
  scope: Scope.Scope,
): Effect.Effect<Frames, ProviderError> => {
  const { body, headers } = written(endpoint, request, sent)
  const template = withNative(withPath(withModel(endpoint.template, request.model), request), {
    headers: { ...request.native?.headers, ...headers },
    query: request.query,
  })
  // What is passed on as it arrives may be as large as it is: none of it is kept.
  const isUnbounded = request.streaming === true
  const isFile = isUnbounded && request.operation === "files"
  return Effect.flatMap(sending.open(template, body, scope, isUnbounded), (response) => {
    if (response.status < 200 || response.status >= 300) return sending.failOpened(response, request)
    const contentType = contentTypeOf(response)
    if (/^text\/event-stream/i.test(contentType)) {
      return Effect.succeed(ofEvents(endpoint, request, sending, response, contentType))
    }
    return isFile || (isUnbounded && !isText(contentType))
      ? Effect.succeed(
          ofBytes(endpoint, request, isFile ? sending.bytes(response) : someBytes(sending, response), contentType),
        )
      : Effect.map(
          complete(endpoint, request, sending, isUnbounded ? sending.bounded(response) : response, contentType),
          Stream.succeed,
        )
  })
}

// ---------------------------------------------------------------------------------------------------------------------
// Request
// ---------------------------------------------------------------------------------------------------------------------

/** The template with the method and the path of the request. */
const withPath = (template: RequestTemplate, { method, path = [] }: Operation.Request): RequestTemplate => {
  const [endpoint = "", query] = template.path.split("?", 2)
  const whole = [endpoint, ...path.map(encodeURIComponent)].join("/")
  return { ...template, method, path: query === undefined ? whole : `${whole}?${query}` }
}

const written = (
  { fields, sendsModel = true }: Endpoint,
  request: Operation.Request,
  body: Body,
): { readonly body: Transport.Body; readonly headers: Record<string, string> } => {
  const { model, overrides } = request
  if (body.type === "none") return { body: undefined, headers: {} }
  if (body.type === "json") {
    const { model: _, ...own } = body.fields
    const fixed = { ...(sendsModel ? { ...body.fields, model } : own), ...fields?.(request) }
    return { body: JsonText.print(Overrides.withExtraBody(fixed, overrides?.extraBody), body.fields), headers: {} }
  }
  const { force, params } = overrides?.extraBody ?? {}
  const missing = Object.entries(params ?? {}).filter(([name]) => (Operation.field(request, name) ?? null) === null)
  const more = {
    ...Object.fromEntries(missing),
    ...fields?.(request),
    ...force,
    ...(sendsModel ? { model } : undefined),
  }
  const own: ReadonlyArray<Operation.Field> = Object.entries(more).map(([name, value]) => ({
    name,
    value: Predicate.isObjectKeyword(value) ? JSON.stringify(value) : String(value),
  }))
  const replaced = new Set(["model", ...own.map(({ name }) => name)])
  const sent = body.parts.flatMap((part) => {
    if (replaced.has(part.name)) return []
    return "open" in part && part.forModel !== undefined ? [{ ...part, ...part.forModel(model) }] : [part]
  })
  const multipart = MultipartBody.make([...own, ...sent])
  return {
    body: multipart.open,
    headers: { "content-type": multipart.contentType, "content-length": String(multipart.size) },
  }
}

// ---------------------------------------------------------------------------------------------------------------------
// Response
// ---------------------------------------------------------------------------------------------------------------------

const contentTypeOf = ({ headers }: Transport.StreamingResponse): string => {
  const value = headers["content-type"]
  return (typeof value === "string" ? value : value?.[0]) ?? "application/octet-stream"
}

const isJson = (contentType: string): boolean => /^application\/(?:[\w.-]+\+)?json\b/i.test(contentType)

const isText = (contentType: string): boolean => isJson(contentType) || /^text\//i.test(contentType)

const complete = (
  { usage }: Endpoint,
  request: Operation.Request,
  { errorIn, text }: Sending,
  response: Transport.StreamingResponse,
  contentType: string,
): Effect.Effect<Operation.Frame, ProviderError> =>
  Effect.flatMap(text(response), (data) => {
    const body = isJson(contentType) ? Json.parseObject(data) : {}
    if (body === undefined) return Effect.fail(notJson)
    const error = errorIn(body)
    if (error !== undefined) return Effect.fail(error)
    return Effect.succeed({ contentType, data, usage: usage(body, request), isLast: true })
  })

const malformed = (message: string) => new ProviderError({ reason: { _tag: "Malformed" }, message })
const notJson = malformed("The response is not a JSON object")
const empty = malformed("The response is empty")

/** The events of a stream, written again as they were. A malformed event is skipped, as in chat: the client could not read it. */
const ofEvents = (
  { isLast, isShown = () => true, usage }: Endpoint,
  request: Operation.Request,
  { errorIn, events }: Sending,
  response: Transport.StreamingResponse,
  contentType: string,
): Frames =>
  Stream.mapEffect(events(response), ({ data, event }): Effect.Effect<Operation.Frame, ProviderError> => {
    const parsed = Json.parseObject(data)
    const body = parsed ?? {}
    const isEnd = isLast(data, body)
    if (parsed === undefined && !isEnd) return Effect.succeed({ contentType, data: "" })
    const error = errorIn(body)
    if (error !== undefined) return Effect.fail(error)
    const name = event === "message" ? "" : `event: ${event}\n`
    const lines = data.includes("\n") ? data.replaceAll("\n", "\ndata: ") : data
    return Effect.succeed({
      contentType,
      data: isShown(body, request) ? `${name}data: ${lines}\n\n` : "",
      usage: Json.isObject(body["usage"]) ? usage(body, request) : undefined,
      isLast: isEnd,
    })
  })

/** Bytes of which there must be some. */
const someBytes = (
  { bytes }: Sending,
  response: Transport.StreamingResponse,
): Stream.Stream<Uint8Array, ProviderError> => Stream.orElseIfEmpty(bytes(response), () => Stream.fail(empty))

/** Bytes as they arrive. They are complete when the response ends as HTTP says. */
const ofBytes = (
  { usage }: Endpoint,
  request: Operation.Request,
  bytes: Stream.Stream<Uint8Array, ProviderError>,
  contentType: string,
): Frames =>
  Stream.concat(
    Stream.map(bytes, (data): Operation.Frame => ({ contentType, data })),
    Stream.sync((): Operation.Frame => ({ contentType, data: "", usage: usage({}, request), isLast: true })),
  )
