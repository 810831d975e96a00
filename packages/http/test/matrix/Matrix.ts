/**
 * The matrix: every client's dialect by every provider's, every feature, streamed and not; what came of each, and what
 * there is against it.
 */
import * as Anthropic from "@understudy/providers/anthropic"
import * as Bedrock from "@understudy/providers/bedrock"
import * as Gemini from "@understudy/providers/gemini"
import * as OpenAi from "@understudy/providers/openai"
import * as Vertex from "@understudy/providers/vertex"
import * as Effect from "effect/Effect"
import * as Redacted from "effect/Redacted"
import { isDeepStrictEqual } from "node:util"
import { chatCompletions as chatClient } from "./clients/ChatCompletions.ts"
import { responses as responsesClient } from "./clients/Responses.ts"
import type { Client } from "./clients/Client.ts"
import { hasFailed } from "./clients/Client.ts"
import { messages as messagesClient } from "./clients/Messages.ts"
import { gemini as geminiClient } from "./clients/Gemini.ts"
import * as Feature from "./Feature.ts"
import type { Asked, Failed, Heard } from "./Feature.ts"
import * as Refusals from "./Refusals.ts"
import * as Stage from "./Stage.ts"
import { chatCompletions } from "./upstreams/ChatCompletions.ts"
import { converse } from "./upstreams/Converse.ts"
import { gemini } from "./upstreams/Gemini.ts"
import { claudeOnVertex, messages } from "./upstreams/Messages.ts"
import { responses } from "./upstreams/Responses.ts"
import type { Upstream } from "./upstreams/Upstream.ts"

const apiKey = Redacted.make("sk-upstream")

const vertex = { project: "p", location: "global", accessToken: apiKey }

/** Who answers: the upstream's wire, and the provider that speaks it. */
export interface Target {
  readonly upstream: Upstream
  readonly layer: Stage.Layered
  readonly model: string
}

export const targets: ReadonlyArray<Target> = [
  {
    upstream: chatCompletions,
    layer: (url) => OpenAi.layer({ baseUrl: `${url}/v1`, apiKey }),
    model: "reasoner",
  },
  {
    upstream: responses,
    layer: (url) => OpenAi.layer({ baseUrl: `${url}/v1`, apiKey, api: "responses" }),
    model: "reasoner",
  },
  { upstream: messages, layer: (url) => Anthropic.layer({ baseUrl: url, apiKey }), model: "claude-sonnet-4-5" },
  {
    upstream: converse,
    layer: (url) => Bedrock.layer({ endpoint: url, region: "us-east-1", bearerToken: apiKey }),
    model: "us.anthropic.claude-sonnet-4-5-20250929-v1:0",
  },
  { upstream: gemini, layer: (url) => Gemini.layer({ baseUrl: url, apiKey }), model: "gemini-2.5-flash" },
  {
    upstream: claudeOnVertex,
    layer: (url) => Vertex.layer({ ...vertex, baseUrl: url, api: "anthropic" }),
    model: "claude-sonnet-4-5",
  },
  {
    upstream: { ...gemini, name: "Gemini on Vertex AI" },
    layer: (url) => Vertex.layer({ ...vertex, baseUrl: url, api: "gemini" }),
    model: "gemini-2.5-flash",
  },
]

export const clients: ReadonlyArray<Client> = [chatClient, responsesClient, messagesClient, geminiClient]

/** What came of one cell. `against` is empty where it is as it should be. */
export interface Cell {
  readonly client: string
  readonly upstream: string
  readonly feature: Feature.Feature
  readonly stream: boolean
  readonly outcome: "carried" | "refused"
  /** Why it is refused: a place in a vendor's documentation. */
  readonly why: string | undefined
  readonly against: ReadonlyArray<string>
}

/** Plays all cells of one target. */
export const play = (target: Target) =>
  Effect.scoped(
    Effect.gen(function* () {
      const stage = yield* Stage.make(target.upstream, target.layer, target.model)
      const cells: Array<Cell> = []
      for (const client of clients) {
        for (const feature of Feature.features) {
          for (const stream of [false, true]) {
            const about = { client: client.name, upstream: target.upstream.name, feature, stream }
            const unsupported = client.cannotSay[feature]
            if (unsupported !== undefined) {
              cells.push({ ...about, outcome: "refused", why: unsupported, against: [] })
              continue
            }
            stage.expect(feature)
            const heard = yield* Effect.promise(() => client.ask(stage.url, feature, stream))
            const why = Refusals.upstreams[target.upstream.name]?.[feature]
            cells.push(
              why === undefined
                ? { ...about, outcome: "carried", why, against: against(feature, stream, client, heard, stage.asked()) }
                : { ...about, outcome: "refused", why, against: notRefused(heard) },
            )
          }
        }
      }
      return cells
    }),
  )

/** What is refused is refused by name, as the caller's, and never answered otherwise. */
const notRefused = (heard: Heard | Failed): ReadonlyArray<string> => {
  if (!hasFailed(heard)) return ["answered, though it cannot be carried"]
  return heard.status === 400 && /does not support|Unsupported/.test(heard.message)
    ? []
    : [`failed with ${heard.status}: ${heard.message}`]
}

const against = (
  feature: Feature.Feature,
  stream: boolean,
  client: Client,
  heard: Heard | Failed,
  asked: ReadonlyArray<Asked>,
): ReadonlyArray<string> => {
  const complaints: Array<string> = []
  const wants = (what: string, is: unknown, wanted: unknown): void => {
    if (!isDeepStrictEqual(is, wanted)) complaints.push(`${what}: ${JSON.stringify(is)}, not ${JSON.stringify(wanted)}`)
  }
  const includes = (what: string, is: string, wanted: string): void => {
    if (!is.includes(wanted)) complaints.push(`${what}: ${JSON.stringify(is)} without ${JSON.stringify(wanted)}`)
  }
  if (feature === "error after the first token" && stream) {
    return hasFailed(heard) ? [] : ["a broken stream ended as if it were whole"]
  }
  if (hasFailed(heard)) return [`failed with ${heard.status}: ${heard.message}`]
  const request = asked.at(-1)
  if (request === undefined) return ["the upstream was not asked"]

  const said = Feature.saidTo[feature]
  wants("usage", heard.usage, { input: Feature.usage.input, output: Feature.usage.output })
  wants("finish", heard.finish, finishes[said])
  includes("the question", request.text, Feature.question)
  if (feature !== "image" && feature !== "document") includes("the system prompt", request.system, Feature.system)
  switch (said) {
    case "text":
    case "stop":
    case "length":
      wants("the answer", heard.text, Feature.answer)
      break
    case "json":
      wants("the answer", heard.text, Feature.json)
      break
    case "reasoning":
      wants("the answer", heard.text, Feature.answer)
      wants("the thought", heard.reasoning, Feature.thought)
      break
    case "call":
    case "calls":
      wants(
        "the calls",
        heard.calls,
        Feature.cities.slice(0, said === "call" ? 1 : 2).map((city) => ({ name: Feature.tool.name, input: { city } })),
      )
      break
    case "refusal":
      break
  }
  switch (feature) {
    case "tools":
    case "parallel tools":
      wants("the tools", request.tools, [{ name: Feature.tool.name, parameters: Feature.schema }])
      wants("the tool choice", request.mustCall, true)
      break
    case "tool results": {
      const ids = request.calls.map(({ id }) => id)
      wants(
        "the calls of the conversation",
        request.calls.map(({ input, name }) => ({ name, input })),
        Feature.cities.map((city) => ({ name: Feature.tool.name, input: { city } })),
      )
      wants("different ids", new Set(ids).size, 2)
      wants(
        "the ids of the results",
        request.results.map(({ id }) => id),
        ids,
      )
      Feature.results.forEach((result, index) => includes("a result", request.results[index]?.text ?? "", result))
      if (client.marksErrors) wants("an error", request.results[1]?.isError, true)
      break
    }
    case "image":
      wants("the image", request.images, [Feature.image])
      break
    case "document":
      wants("the document", request.documents, [Feature.document])
      break
    case "JSON schema":
      wants("the schema", request.schema, Feature.schema)
      break
    case "reasoning":
      wants("that it should think", request.reasons, true)
      break
    case "stop":
      wants("the stop sequences", request.stop, [Feature.stopWord])
      break
    case "max tokens":
      wants("the most tokens", request.maxTokens, Feature.maxTokens)
      break
    case "text":
    case "refusal":
    case "error before the first token":
    case "error after the first token":
      break
  }
  return complaints
}

const finishes: Readonly<Record<Feature.Said, Feature.Finish>> = {
  text: "stop",
  call: "tool-calls",
  calls: "tool-calls",
  json: "stop",
  reasoning: "stop",
  stop: "stop",
  length: "length",
  refusal: "refusal",
}
