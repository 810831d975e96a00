/**
 * The parameters of a deployment: those that its requests get where the caller has not set them, and those that they get in
 * any case. They are applied to the call of an attempt, so that timeouts, limits and budgets read what is sent.
 */
import * as Equal from "effect/Equal"
import type { AnyRequest, Call } from "../model/Call.ts"
import type * as Chat from "../model/Chat.ts"
import * as Outline from "../model/Outline.ts"

/**
 * Parameters of requests, by the names of `Chat.Request`. What a vendor does not support is handled as if the caller had set
 * it: see `UnsupportedParams`.
 *
 * - `maxTokens`: output tokens. Never more than `capabilities.maxOutput`.
 * - `reasoning`: replaced as a whole.
 * - `extraBody`: fields of the vendor's own body, by its names, that have no name here. Objects are merged.
 */
export interface Params extends Partial<Pick<Chat.Sampling, SamplingName>> {
  readonly reasoning?: Chat.ReasoningOptions | undefined
  readonly extraBody?: Readonly<Record<string, unknown>> | undefined
}

type SamplingName = (typeof samplingNames)[number]

/** Those of `Chat.Sampling`. The number of choices and their log probabilities are left to the caller, who reads them. */
export const samplingNames = [
  "maxTokens",
  "temperature",
  "topP",
  "topK",
  "stop",
  "seed",
  "frequencyPenalty",
  "presencePenalty",
] as const satisfies ReadonlyArray<keyof Chat.Sampling>

/** As much of a deployment as decides its parameters. */
export interface Parameterized {
  readonly params?: Params | undefined
  readonly force?: Params | undefined
  readonly capabilities?: { readonly maxOutput?: number | undefined } | undefined
}

/** The call as a deployment gets it: with its parameters, or the call itself if it has none. */
export const callFor = <Request extends AnyRequest>(
  name: string,
  deployment: Parameterized,
  call: Call<Request>,
): Call<Request> =>
  (deployment.params === undefined && deployment.force === undefined) || call.paramsOf === name
    ? call
    : call.withParams(name, apply(deployment, call.request))

const apply = <Request extends AnyRequest>(
  { capabilities, force = none, params = none }: Parameterized,
  request: Request,
): Request => {
  const extraBody = extraBodyOf(params, force)
  if (!("messages" in request)) return extraBody === undefined ? request : { ...request, overrides: { extraBody } }
  const { reasoning, sampling } = request
  const set: { -readonly [Name in SamplingName]?: Chat.Sampling[Name] } = {}
  const put = <Name extends SamplingName>(name: Name): void => {
    const value = force[name] ?? (sampling?.[name] === undefined ? params[name] : undefined)
    if (value !== undefined && !Equal.equals(value, sampling?.[name])) set[name] = value
  }
  samplingNames.forEach(put)
  if (set.maxTokens !== undefined) set.maxTokens = Math.min(set.maxTokens, capabilities?.maxOutput ?? Infinity)
  const reasons = force.reasoning ?? (reasoning === undefined ? params.reasoning : undefined)
  const before = request.overrides
  return Outline.set(request, {
    ...(Object.keys(set).length === 0 ? undefined : { sampling: { ...sampling, ...set } }),
    ...(reasons === undefined ? undefined : { reasoning: reasons }),
    overrides: {
      sampling: { ...before?.sampling, ...set },
      reasoning: reasons ?? before?.reasoning,
      extraBody: extraBody ?? before?.extraBody,
    },
  })
}

const none: Params = {}

const extraBodyOf = (params: Params, force: Params): Chat.Overrides["extraBody"] =>
  params.extraBody === undefined && force.extraBody === undefined
    ? undefined
    : { params: params.extraBody, force: force.extraBody }

/** Fields of bodies that decide what a call costs, or that the engine sets itself: not for `extraBody`, with the cure. */
export const reservedField = (name: string): string | undefined => {
  if (limits.has(name)) return "set `maxTokens`, which budgets and limits of tokens count"
  if (choices.has(name)) return "the number of choices is the caller's"
  return own.has(name) ? "it is a part of the call" : undefined
}

const limits: ReadonlySet<string> = new Set([
  "max_tokens",
  "max_completion_tokens",
  "max_output_tokens",
  "max_tokens_to_sample",
  "max_new_tokens",
  "maxOutputTokens",
  "maxTokens",
  "maxTokenCount",
])
const choices: ReadonlySet<string> = new Set(["n", "best_of", "candidateCount", "candidate_count"])
const own: ReadonlySet<string> = new Set([
  "model",
  "modelId",
  "messages",
  "input",
  "contents",
  "prompt",
  "stream",
  "stream_options",
])

/** The fields of a body that hold parameters, whose own fields are checked too. */
export const containers: ReadonlySet<string> = new Set([
  "generationConfig",
  "generation_config",
  "inferenceConfig",
  "additionalModelRequestFields",
])

/** Parameters as text: `temperature 0.2`, `reasoning high`, `extraBody.service_tier`. Values of other fields are not shown. */
export const describe = (params: Params): ReadonlyArray<string> => {
  const { extraBody = {}, reasoning } = params
  return [
    ...samplingNames.flatMap((name) => (params[name] === undefined ? [] : [`${name} ${JSON.stringify(params[name])}`])),
    ...(reasoning === undefined ? [] : [`reasoning ${reasoning.effort ?? amountOf(reasoning.budget)}`]),
    ...Object.keys(extraBody).map((name) => `extraBody.${name}`),
  ]
}

const amountOf = (budget: number | undefined): string => (budget === undefined ? "on" : `of ${budget} tokens`)
