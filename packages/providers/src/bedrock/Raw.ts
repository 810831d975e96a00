/**
 * The seam to the SDK: it resolves credentials, builds and signs the request and turns an error status into its exception;
 * a good answer's body is taken as it came, before the SDK parses it.
 *
 * So a stream is read frame by frame by our own `Framing` (the SDK's iterator throws at the first malformed event, takes a
 * clean end for success, and hands over one event at a time however many came together), and a whole answer is decoded
 * once.
 */
import type {
  BedrockRuntimeClient,
  ConverseCommand,
  ConverseStreamCommand,
  CountTokensCommand,
  InvokeModelCommand,
} from "@aws-sdk/client-bedrock-runtime"
import { Readable } from "node:stream"
import { buffer } from "node:stream/consumers"
import * as Predicate from "effect/Predicate"
import * as Json from "../protocols/Json.ts"
import type { Limits } from "../transport/AnswerLimits.ts"
import * as WaitText from "../transport/WaitText.ts"
import type { Handlers } from "./Connections.ts"
import * as Connections from "./Connections.ts"
import * as Credentials from "./Credentials.ts"
import * as ErrorBody from "./ErrorBody.ts"
import * as Received from "./Received.ts"

/** A client, the handler for requests that its kept connections lost, and how much of an answer is taken. */
export interface Client extends Pick<Handlers, "fresh"> {
  readonly sdk: BedrockRuntimeClient
  /** Told by which credentials each request is signed. */
  readonly note: Credentials.Note
  readonly limits: Limits
  /** Takes secrets out of an error's body. */
  readonly scrub: (text: string) => string
}

/** A good answer: its body has not been read. */
export interface Answer {
  readonly requestId: string | undefined
  /** What Bedrock counted, where the body has no place for it. */
  readonly inputTokens: number | undefined
  readonly body: Readable
}

type Sent = Parameters<Client["fresh"]["handle"]>[0]

/**
 * Sends the command. The signal closes the connection, whether the body has begun or not. Rejects with what the SDK
 * throws.
 */
export const send = (
  { fresh, limits, note, scrub, sdk }: Client,
  command: ConverseCommand | ConverseStreamCommand | InvokeModelCommand | CountTokensCommand,
  signal: AbortSignal,
): Promise<Answer> => {
  // They differ, for the compiler, in what the SDK would make of the body.
  const converse = command as ConverseCommand
  let answer: Answer | undefined
  let isSigned = false
  converse.middlewareStack.add(
    (next, context) => (args) => {
      isSigned = true
      note(context[smithyContext]?.["selectedHttpAuthScheme"]?.identity)
      return next(args)
        .catch((error: unknown) => {
          if (!Connections.isLost(error)) throw error
          return fresh.handle(args.request as Sent, { abortSignal: signal })
        })
        .then((result) => {
          const { response } = result
          if (!isResponse(response)) return result
          const body = Received.body(response, limits)
          // The SDK parses an error, whatever is in it.
          if (response.statusCode >= 300)
            return buffer(body).then((bytes) =>
              withBody(result, Readable.from([Buffer.from(ErrorBody.make(scrub(bytes.toString())))])),
            )
          const { "x-amzn-requestid": requestId, "x-amzn-bedrock-input-token-count": tokens } = response.headers
          answer = { requestId, inputTokens: Json.count(WaitText.number(tokens)), body }
          return withBody(result, Readable.from([]))
        })
    },
    { step: "deserialize", priority: "low", name: "understudyRawBody" },
  )
  return sdk
    .send(converse, { abortSignal: signal })
    .then(() => answer ?? Promise.reject(new Error("The AWS SDK gave no answer")))
    .catch((failure: unknown) =>
      isSigned ? Promise.reject(failure) : Credentials.unsigned(failure).then((why) => Promise.reject(why)),
    )
}

/** Where the SDK keeps what it signed with, as `@smithy/types` names it. */
const smithyContext = "__smithy_context"

const withBody = <Result extends { readonly response: unknown }>(result: Result, body: Readable): Result => ({
  ...result,
  response: { ...(result.response as object), body },
})

const isResponse = (response: unknown): response is Received.Response =>
  Predicate.isObject(response) &&
  Predicate.isNumber(response["statusCode"]) &&
  Predicate.isObject(response["headers"]) &&
  response["body"] instanceof Readable
