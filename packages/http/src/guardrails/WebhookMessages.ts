/**
 * What a guardrail's webhook is sent, and what it answers. Requests and responses have the shape of `Chat` and `Embedding`, in
 * which a rewritten conversation loses nothing.
 */
import * as Chat from "@understudy/core/Chat"
import type { AnyRequest } from "@understudy/core/Call"
import * as Embedding from "@understudy/core/Embedding"
import * as Guardrails from "@understudy/core/Guardrails"
import type { GuardedCall, GuardrailError } from "@understudy/core/Guardrails"
import * as Operation from "@understudy/core/Operation"
import { problems } from "@understudy/providers/internal/config/SchemaErrors"
import * as Predicate from "effect/Predicate"
import * as Result from "effect/Result"
import * as Schema from "effect/Schema"

// ---------------------------------------------------------------------------------------------------------------------
// What is sent
// ---------------------------------------------------------------------------------------------------------------------

/** The body before a call. */
export const before = (guardrail: string, call: GuardedCall): object => ({
  type: "guardrail.before",
  ...ofCall(guardrail, call),
})

/** The body after a call, with its response. */
export const after = (guardrail: string, call: GuardedCall, response: Chat.Response): object => ({
  type: "guardrail.after",
  ...ofCall(guardrail, call),
  response: {
    model: response.model,
    choices: choicesOf(response).map(({ content, finishReason }) => ({ content, finishReason })),
    usage: response.usage,
  },
})

const ofCall = (
  guardrail: string,
  { caller, id, operation, protocol, request, route, streaming, tags, team }: GuardedCall,
): object => ({
  guardrail,
  call: id,
  route,
  operation,
  streaming,
  protocol,
  key: caller,
  team,
  tags,
  request: requestOf(request),
})

/** Of operations besides chat and embeddings: the fields of the body, and what is known of its files. */
const requestOf = (request: AnyRequest): object => {
  if ("messages" in request) return { messages: request.messages, tools: request.tools }
  if ("input" in request) return { input: request.input }
  const files = Operation.filesOf(request).map(({ filename, mediaType, name, size }) => ({
    name,
    filename,
    mediaType,
    size,
  }))
  return { fields: Operation.fieldsOf(request), files: files.length === 0 ? undefined : files }
}

const choicesOf = (response: Chat.Response): ReadonlyArray<Chat.Choice> => [response, ...(response.alternatives ?? [])]

// ---------------------------------------------------------------------------------------------------------------------
// What is answered
// ---------------------------------------------------------------------------------------------------------------------

const Refuse = Schema.Struct({
  message: Schema.optionalKey(Schema.String.check(Schema.isMaxLength(2000))),
  code: Schema.optionalKey(Schema.String.check(Schema.isPattern(/^[a-z][a-z0-9_]{0,63}$/))),
})

const Reroute = Schema.Struct({ route: Schema.String })

const RewriteMessages = Schema.Struct({
  request: Schema.Struct({ messages: Schema.Array(Chat.Message), tools: Schema.optionalKey(Schema.Array(Chat.Tool)) }),
})

const RewriteFields = Schema.Struct({
  request: Schema.Struct({ fields: Schema.Record(Schema.String, Schema.Unknown) }),
})

const RewriteInput = Schema.Struct({ request: Schema.Struct({ input: Schema.Array(Embedding.Input) }) })

const RewriteChoices = Schema.Struct({
  response: Schema.Struct({
    choices: Schema.Array(
      Schema.Struct({
        content: Schema.optionalKey(Schema.Array(Chat.AssistantContent)),
        text: Schema.optionalKey(Schema.String),
      }),
    ),
  }),
})

/** A decision, or what is wrong with the answer. Never quotes it. */
type Decided<Decision> = Result.Result<Decision, GuardrailError>

const invalid = (message: string): Result.Result<never, GuardrailError> =>
  Result.fail({ message: `its answer is not valid: ${message}` })

/** Decodes an answer, whose unknown members are ignored. */
const read = <A>(schema: Schema.ConstraintDecoder<A>, answer: object): Decided<A> =>
  Result.mapError(Schema.decodeUnknownResult(schema)(answer), ({ issue }) => {
    const path = problems(issue, { path: "", source: undefined })[0]?.path
    return { message: `its answer is not valid: unexpected value${path === undefined ? "" : ` at ${path}`}` }
  })

const actionOf = (answer: unknown): string | undefined => {
  const action = Predicate.isObject(answer) ? Reflect.get(answer, "action") : undefined
  return Predicate.isString(action) ? action : undefined
}

/** The decision before a call, of a parsed answer. */
export const toBefore = (guardrail: string, call: GuardedCall, answer: unknown): Decided<Guardrails.BeforeDecision> => {
  if (!Predicate.isObject(answer)) return invalid("expected an object")
  const { request } = call
  switch (actionOf(answer)) {
    case "pass":
      return Result.succeed(Guardrails.pass)
    case "refuse":
      return toRefuse(guardrail, answer)
    case "route":
      return Result.map(read(Reroute, answer), ({ route }) => Guardrails.reroute(route))
    case "rewrite":
      if ("operation" in request)
        return Result.map(read(RewriteFields, answer), ({ request: { fields } }) =>
          Guardrails.rewriteRequest(Operation.withFields(request, fields)),
        )
      return "messages" in request
        ? Result.map(read(RewriteMessages, answer), ({ request: { messages, tools = request.tools } }) =>
            Guardrails.rewriteRequest({ ...request, messages, tools }),
          )
        : Result.flatMap(read(RewriteInput, answer), ({ request: { input } }) =>
            input.length === request.input.length
              ? Result.succeed(Guardrails.rewriteRequest({ ...request, input }))
              : invalid(`expected ${request.input.length} inputs, found ${input.length}`),
          )
    default:
      return invalid("expected an action: pass, refuse, rewrite or route")
  }
}

/** The decision after a call, of a parsed answer. */
export const toAfter = (
  guardrail: string,
  response: Chat.Response,
  answer: unknown,
): Decided<Guardrails.AfterDecision> => {
  if (!Predicate.isObject(answer)) return invalid("expected an object")
  switch (actionOf(answer)) {
    case "pass":
      return Result.succeed(Guardrails.pass)
    case "refuse":
      return toRefuse(guardrail, answer)
    case "rewrite":
      return Result.flatMap(read(RewriteChoices, answer), ({ response: { choices } }) => rewritten(response, choices))
    default:
      return invalid("expected an action: pass, refuse or rewrite")
  }
}

const toRefuse = (guardrail: string, answer: object): Decided<Guardrails.Refuse> =>
  Result.map(read(Refuse, answer), ({ code, message = `The guardrail "${guardrail}" refused the call.` }) =>
    Guardrails.refuse(message, { code }),
  )

type RewrittenChoice = (typeof RewriteChoices.Type)["response"]["choices"][number]

const rewritten = (
  response: Chat.Response,
  choices: ReadonlyArray<RewrittenChoice>,
): Decided<Guardrails.RewriteResponse> => {
  const originals = choicesOf(response)
  if (choices.length !== originals.length)
    return invalid(`expected ${originals.length} choices, found ${choices.length}`)
  const rewritten: Array<Chat.Choice> = []
  for (const [index, original] of originals.entries()) {
    const { content, text } = choices[index] ?? {}
    if ((content === undefined) === (text === undefined))
      return invalid(`expected either text or content at response.choices[${index}]`)
    rewritten.push(withContent(original, content ?? [{ type: "text", text: text ?? "" }]))
  }
  const [first, ...alternatives] = rewritten
  return Result.succeed(
    Guardrails.rewriteResponse({
      ...response,
      ...first,
      ...(alternatives.length === 0 ? undefined : { alternatives }),
    }),
  )
}

/** A choice with other content: its token probabilities no longer fit, nor a finish for tool calls that it has not. */
const withContent = ({ finishReason, stopSequence }: Chat.Choice, content: Chat.Choice["content"]): Chat.Choice => ({
  content,
  finishReason:
    finishReason === "tool-calls" && content.every(({ type }) => type !== "tool-call") ? "stop" : finishReason,
  stopSequence,
  logprobs: undefined,
})
