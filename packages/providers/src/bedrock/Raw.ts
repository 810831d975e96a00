/**
 * Sends commands through the AWS SDK. The SDK resolves credentials, builds and signs the request, and converts error
 * statuses to exceptions. The body of a successful response is taken before the SDK parses it.
 *
 * So complete responses are parsed once, and streams are decoded by `EventStreamCodec`. The SDK's iterator throws at the
 * first malformed event, takes a clean end for success, and gives one event at a time even if several arrived together.
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

/** An SDK client. `fresh` repeats requests that a reused connection lost; `limits` bound a response's size. */
export interface Client extends Pick<Handlers, "fresh"> {
  readonly sdk: BedrockRuntimeClient
  /** Called with the credentials that sign each request. */
  readonly onIdentity: Credentials.OnIdentity
  /** Whether the credentials were rejected and are to be read again; `undefined` for credentials given in the options. */
  readonly renewal: { isDue: boolean } | undefined
  readonly limits: Limits
  /** Removes secrets from an error's body. */
  readonly redact: (text: string) => string
}

/** A successful response whose body is not read yet. */
export interface Answer {
  readonly requestId: string | undefined
  /** The input tokens from Bedrock's header, for bodies without a field for them. */
  readonly inputTokens: number | undefined
  readonly body: Readable
}

type Sent = Parameters<Client["fresh"]["handle"]>[0]

/**
 * Sends the command. The signal closes the connection, before or during the body. `trace`: headers that are not signed, as
 * alternating names and values. Rejects with the SDK's exceptions.
 */
export const send = (
  { fresh, limits, onIdentity, redact, renewal, sdk }: Client,
  command: ConverseCommand | ConverseStreamCommand | InvokeModelCommand | CountTokensCommand,
  signal: AbortSignal,
  trace: ReadonlyArray<string> | undefined,
): Promise<Answer> => {
  // To the compiler the commands differ by their outputs, which are not used.
  const converse = command as ConverseCommand
  let answer: Answer | undefined
  let isSigned = false
  converse.middlewareStack.add(
    (next, context) => (args) => {
      isSigned = true
      onIdentity(context[smithyContext]?.["selectedHttpAuthScheme"]?.identity)
      if (trace !== undefined) addHeaders(args.request as Sent, trace)
      return next(args)
        .catch((error: unknown) => {
          if (!Connections.isLost(error)) throw error
          return fresh.handle(args.request as Sent, { abortSignal: signal })
        })
        .then((result) => {
          const { response } = result
          if (!isResponse(response)) return result
          const body = Received.body(response, limits)
          // The SDK parses the body of an error.
          if (response.statusCode >= 300)
            return buffer(body).then((bytes) =>
              withBody(result, Readable.from([Buffer.from(ErrorBody.make(redact(bytes.toString())))])),
            )
          const { "x-amzn-requestid": requestId, "x-amzn-bedrock-input-token-count": tokens } = response.headers
          answer = { requestId, inputTokens: Json.count(WaitText.number(tokens)), body }
          return withBody(result, Readable.from([]))
        })
    },
    { step: "deserialize", priority: "low", name: "understudyRawBody" },
  )
  const attempt = (reads: number): Promise<Answer> =>
    sdk
      .send(converse, { abortSignal: signal })
      .then(() => answer ?? Promise.reject(new Error("The AWS SDK returned no response")))
      .catch((failure: unknown) => {
        if (!isSigned) {
          return Credentials.unsigned(failure).then((why) =>
            reads > 1 && Credentials.isMissing(why) ? attempt(reads - 1) : Promise.reject(why),
          )
        }
        if (renewal !== undefined && Credentials.isRejected(failure)) renewal.isDue = true
        return Promise.reject(failure)
      })
  // Credentials that are missing are read twice: a file that could not be opened a moment ago looks like a missing one.
  const reads = renewal === undefined ? 1 : 2
  return renewal?.isDue ? renew(sdk, renewal).then(() => attempt(reads)) : attempt(reads)
}

const addHeaders = ({ headers }: Sent, added: ReadonlyArray<string>): void => {
  for (let at = 0; at < added.length; at += 2) headers[added[at]!] = added[at + 1]!
}

/** Reads the credentials again, such as keys rotated in a file: the SDK keeps those without an expiration for ever. */
const renew = (sdk: BedrockRuntimeClient, renewal: { isDue: boolean }): Promise<unknown> => {
  renewal.isDue = false
  return sdk.config.credentials({ forceRefresh: true }).catch(() => undefined)
}

/** The context key of the SDK's credentials, from `@smithy/types`. */
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
