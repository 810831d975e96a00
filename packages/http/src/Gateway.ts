/**
 * The endpoints of the gateway over a `Router`, as one layer for any `HttpRouter`: that of the gateway's own server or of an
 * application.
 */
import type { Router } from "@understudy/core/Router"
import type * as HttpRouter from "effect/http/HttpRouter"
import * as Layer from "effect/Layer"
import * as Admin from "./api/Admin.ts"
import * as ActivityEndpoint from "./api/Activity.ts"
import * as ChatCompletions from "./api/ChatCompletions.ts"
import * as Embeddings from "./api/Embeddings.ts"
import * as Explain from "./api/Explain.ts"
import * as Files from "./api/Files.ts"
import * as Gemini from "./api/Gemini.ts"
import * as Generate from "./api/Generate.ts"
import * as Messages from "./api/Messages.ts"
import * as Models from "./api/Models.ts"
import * as Operations from "./api/Operations.ts"
import * as OverviewEndpoint from "./api/Overview.ts"
import * as Providers from "./api/Providers.ts"
import * as Realtime from "./api/Realtime.ts"
import * as RecentCallsEndpoint from "./api/RecentCalls.ts"
import * as Responses from "./api/Responses.ts"
import * as Activity from "./observe/Activity.ts"
import * as Overview from "./observe/Overview.ts"
import * as RecentCalls from "./observe/RecentCalls.ts"

/**
 * Mounts OpenAI's API (chat completions, responses, embeddings, models, and what `api/Operations` lists), Anthropic's (messages, token counts, models), Gemini's
 * (content, token counts, embeddings, models), `POST /api/generate`, and the operator's: provider status, overview, recent calls,
 * reset, activity and route explanation.
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
  Operations.layer,
  Files.layer,
  Realtime.layer,
  Messages.layer,
  Gemini.layer,
  Models.layer,
  Explain.layer,
  Providers.layer,
  Admin.layer,
  Layer.provide(OverviewEndpoint.layer, Overview.layer),
  Layer.mergeAll(Generate.layer, ActivityEndpoint.layer, RecentCallsEndpoint.layer).pipe(
    Layer.provide(RecentCalls.layer),
    Layer.provide(Activity.layer),
  ),
)
