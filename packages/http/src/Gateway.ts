/**
 * The gateway's endpoints over a `Router`, as one layer that mounts in any `HttpRouter`: the gateway's own server, or an
 * application's.
 */
import type { Router } from "@understudy/core/Router"
import type * as HttpRouter from "effect/http/HttpRouter"
import * as Layer from "effect/Layer"
import * as ChatCompletions from "./api/ChatCompletions.ts"
import * as Explain from "./api/Explain.ts"
import * as Models from "./api/Models.ts"

/**
 * OpenAI's API: chat completions and models; and where a call to it would go.
 *
 * ```ts
 * const AppLive = Layer.mergeAll(MyRoutes, Gateway.layer).pipe(Layer.provide(RouterLive))
 * HttpRouter.serve(AppLive)
 * ```
 */
export const layer: Layer.Layer<never, never, Router | HttpRouter.HttpRouter> = Layer.mergeAll(
  ChatCompletions.layer,
  Models.layer,
  Explain.layer,
)
