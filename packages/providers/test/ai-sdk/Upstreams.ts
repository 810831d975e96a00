/** Support of the tests of the AI SDK: a fault server, and a route over deployments that call it, as models of `ai`. */
import { createAnthropic } from "@ai-sdk/anthropic"
import { createOpenAI } from "@ai-sdk/openai"
import * as Deployment from "@understudy/core/Deployment"
import * as Route from "@understudy/core/Route"
import * as AiSdk from "@understudy/providers/ai-sdk"
import * as Anthropic from "@understudy/providers/anthropic"
import * as OpenAi from "@understudy/providers/openai"
import * as FaultServer from "@understudy/providers/testing"
import * as Effect from "effect/Effect"
import { apiKey } from "../Contract.ts"

/** Prices in US dollars per million tokens. */
const price = { input: 1, output: 2 }

/** A server, and a route that tries `lead`, then `understudy`: our own providers, or models of the AI SDK. */
export const upstreams = Effect.fnUntraced(function* (
  kind: "own" | "ai-sdk",
  {
    policy = Route.retry({ times: 0 }),
    ...options
  }: AiSdk.ModelOptions & { readonly policy?: (route: Route.Route) => Route.Route } = {},
) {
  const server = yield* FaultServer.make()
  const deployments = kind === "own" ? own(server.url) : vendors(server.url)
  const understudy = yield* Effect.acquireRelease(
    Effect.sync(() =>
      AiSdk.createUnderstudy(
        { deployments, routes: { assistant: policy(Route.fallback("lead", "understudy")) } },
        options,
      ),
    ),
    (understudy) => Effect.promise(() => understudy.close()),
  )
  return { server, understudy, assistant: understudy("assistant") }
})

const own = (url: string) => ({
  lead: Deployment.make({ model: "lead", price, provider: OpenAi.layer({ apiKey, baseUrl: `${url}/v1` }) }),
  understudy: Deployment.make({ model: "understudy", price, provider: Anthropic.layer({ apiKey, baseUrl: url }) }),
})

const vendors = (url: string) => {
  const openai = createOpenAI({ apiKey: "sk-secret", baseURL: `${url}/v1` })
  const anthropic = createAnthropic({ apiKey: "sk-secret", baseURL: `${url}/v1` })
  return {
    lead: Deployment.make({ model: "lead", price, provider: AiSdk.layer(openai.chat("lead")) }),
    understudy: Deployment.make({ model: "understudy", price, provider: AiSdk.layer(anthropic) }),
  }
}

/** Awaits a promise of `ai`. */
export const awaited = <A>(promise: () => PromiseLike<A>): Effect.Effect<A> => Effect.promise(async () => promise())

/** The error that a promise of `ai` rejects with. */
export const rejection = (promise: () => PromiseLike<unknown>): Effect.Effect<unknown> =>
  Effect.promise(async () =>
    promise().then(
      () => {
        throw new Error("the promise did not reject")
      },
      (error: unknown) => error,
    ),
  )

/** The call of a result. */
export const callOf = (result: Parameters<typeof AiSdk.routeMetadata>[0] | undefined): AiSdk.RouteMetadata => {
  const call = result && AiSdk.routeMetadata(result)
  if (call === undefined) throw new Error("no metadata of the route")
  return call
}
