/** A Lambda function behind an HTTP API: the router lives as long as the execution environment, and is warm for the next call. */
import { Chat, Deployment, Route, Router } from "@understudy/core"
import * as Promises from "@understudy/core/Promise"
import * as Bedrock from "@understudy/providers/bedrock"
import { Effect } from "effect"
import * as Exit from "effect/Exit"
import * as Scope from "effect/Scope"
import * as Stage from "./stage/Stage.ts"

// In Lambda the stage is not needed: `Bedrock.layer({ region: "us-east-1" })` signs with the function's role.
const scope = Scope.makeUnsafe()
const stage = await Effect.runPromise(Scope.provide(Stage.make, scope))
const models = ["us.anthropic.claude-sonnet-4-20250514-v1:0", "us.anthropic.claude-3-5-haiku-20241022-v1:0"] as const
await Effect.runPromise(stage.plays(models[0], [Stage.refuses("overloaded")]))

const on = (model: string, region: string) =>
  Deployment.make({
    model: stage.model("bedrock", model),
    provider: Bedrock.layer({ ...Stage.redacted(stage.bedrock), region }),
  })

const router = Promises.make(
  Router.layer({
    deployments: { east: on(models[0], "us-east-1"), west: on(models[1], "us-west-2") },
    // Waiting costs money in Lambda: one retry, and a deadline before the function's own timeout.
    routes: {
      assistant: Route.fallback("east", "west").pipe(
        Route.retry({ times: 1, base: "100 millis" }),
        Route.timeout({ total: "25 seconds" }),
      ),
    },
  }),
)

interface HttpEvent {
  readonly body?: string
}

export const handler = async (event: HttpEvent) => {
  const { prompt = "" } = JSON.parse(event.body ?? "{}") as { readonly prompt?: string }
  const headers = { "content-type": "application/json" }
  try {
    const { receipt, response } = await router.chat({ model: "assistant", messages: [Chat.user(prompt)] })
    return { statusCode: 200, headers, body: JSON.stringify({ text: Chat.text(response), by: receipt.deployment }) }
  } catch (error) {
    return { statusCode: 503, headers, body: JSON.stringify({ error: error instanceof Error ? error.message : "" }) }
  }
}

if (import.meta.main) {
  console.log(await handler({ body: JSON.stringify({ prompt: "Who is on tonight?" }) }))
  await router.close()
  await Effect.runPromise(Scope.close(scope, Exit.void))
}
