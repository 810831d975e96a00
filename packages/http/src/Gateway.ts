/**
 * The gateway's endpoints over a `Router`, as one layer that mounts in any `HttpRouter`: the gateway's own server, or an
 * application's.
 */
import type { Router } from "@understudy/core/Router"
import type * as HttpRouter from "effect/http/HttpRouter"
import * as Layer from "effect/Layer"
import * as Admin from "./api/Admin.ts"
import * as ActivityEndpoint from "./api/Activity.ts"
import * as ChatCompletions from "./api/ChatCompletions.ts"
import * as Embeddings from "./api/Embeddings.ts"
import * as Explain from "./api/Explain.ts"
import * as Gemini from "./api/Gemini.ts"
import * as Generate from "./api/Generate.ts"
import * as Messages from "./api/Messages.ts"
import * as Models from "./api/Models.ts"
import * as Providers from "./api/Providers.ts"
import * as Responses from "./api/Responses.ts"
import * as Activity from "./observe/Activity.ts"

/**
 * OpenAI's API: chat completions, responses, embeddings and models; Anthropic's: messages, their tokens, and models; Gemini's:
 * content, its tokens, embeddings, and models; a plain one of our own; how deployments stand and how one is reset, what
 * happens to calls, and where one would go.
 *
 * ```ts
 * const AppLive = Layer.mergeAll(MyRoutes, Gateway.layer).pipe(Layer.provide(RouterLive))
 * HttpRouter.serve(AppLive)
 * ```
 */
export const layer: Layer.Layer<never, never, Router | HttpRouter.HttpRouter> = Layer.mergeAll(
  ChatCompletions.layer,
  Responses.layer,
  Embeddings.layer,
  Messages.layer,
  Gemini.layer,
  Models.layer,
  Explain.layer,
  Providers.layer,
  Admin.layer,
  Layer.provide(Layer.mergeAll(Generate.layer, ActivityEndpoint.layer), Activity.layer),
)
