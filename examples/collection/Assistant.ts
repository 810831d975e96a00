/**
 * The assistant that the examples of the collection share: it takes a question, and returns the answer and the deployment
 * that answered.
 */
import { Chat, Deployment, Route, Router } from "@understudy/core"
import * as Anthropic from "@understudy/providers/anthropic"
import * as Bedrock from "@understudy/providers/bedrock"
import * as OpenAi from "@understudy/providers/openai"
import { Console, Effect } from "effect"
import type * as Config from "effect/Config"
import type * as Layer from "effect/Layer"
import type { ProviderStartError } from "@understudy/providers/ProviderStartError"
import * as Stage from "../stage/Stage.ts"
import type { Fallbacks, Model, Models } from "./Models.ts"

export interface Question {
  readonly question: string
  readonly systemPrompt?: string
  readonly primaryModel: string
  readonly temperature?: number
  readonly maxTokens?: number
  readonly format?: Chat.Format
}

type Standing = Effect.Success<typeof Stage.make>

/** The route of a chain is named after its primary with this suffix; the plain name is the deployment. */
const routeOf = (primary: string): string => `${primary}-router`

const deployment = (stage: Standing, { model, region, rpm, vendor }: Model) => {
  const common = { model: stage.model(vendor, model), limits: { rpm } }
  switch (vendor) {
    case "openai":
      return Deployment.make({ ...common, provider: OpenAi.layer(Stage.redacted(stage.openai)) })
    case "anthropic":
      return Deployment.make({ ...common, provider: Anthropic.layer(Stage.redacted(stage.anthropic)) })
    case "bedrock":
      return Deployment.make({
        ...common,
        provider: Bedrock.layer({
          ...Stage.redacted(stage.bedrock),
          ...(region === undefined ? undefined : { region }),
        }),
      })
  }
}

/**
 * A router over the collection's models and chains. Throttling, unavailability, broken connections and server errors are
 * retried twice, after 500 ms and 1 s; each attempt has a minute; other errors fall back at once.
 */
export const layer = (
  stage: Standing,
  models: Models,
  fallbacks: Fallbacks,
): Layer.Layer<Router.Router, Router.InvalidRoutes | ProviderStartError | Config.ConfigError> =>
  Router.layer({
    deployments: Object.fromEntries(Object.entries(models).map(([name, model]) => [name, deployment(stage, model)])),
    routes: Object.fromEntries(
      Object.keys(models).map((name) => [
        routeOf(name),
        Route.fallback(name, ...(fallbacks[name] ?? [])).pipe(Route.fallbackOn("any")),
      ]),
    ),
    defaults: {
      retry: { times: 2, base: "500 millis" },
      timeout: { attempt: "60 seconds" },
    },
    onFailover: ({ from, reason, to }) => Console.log(`  ${from}: ${reason}; falling back to ${to}`),
  })

/** The answer, and the deployment that answered as the collection labels it. */
export const ask = (
  models: Models,
  { format, maxTokens, primaryModel, question, systemPrompt, temperature }: Question,
) =>
  Effect.gen(function* () {
    const router = yield* Router.Router
    const { receipt, response } = yield* router.chat({
      model: routeOf(primaryModel),
      messages: [...(systemPrompt === undefined ? [] : [Chat.system(systemPrompt)]), Chat.user(question)],
      sampling: {
        ...(temperature === undefined ? undefined : { temperature }),
        ...(maxTokens === undefined ? undefined : { maxTokens }),
      },
      ...(format === undefined ? undefined : { format }),
    })
    return [label(models, receipt.deployment ?? ""), Chat.text(response)] as const
  })

/** `bedrock:us.anthropic.claude-…` */
const label = (models: Models, name: string): string => {
  const model = models[name]
  const vendors = { openai: "OpenAI", anthropic: "Anthropic", bedrock: "bedrock" }
  return model === undefined ? name : `${vendors[model.vendor]}:${model.model}`
}

/** All chains, a line each. */
export const printChains = (fallbacks: Fallbacks) =>
  Effect.forEach(Object.entries(fallbacks), ([primary, others]) => Console.log(`${primary} -> ${others.join(" -> ")}`))
