/**
 * What a configuration comes to: the router that its endpoints ask, and the gateway that serves it.
 */
import * as NodeServices from "@effect/platform-node/NodeServices"
import * as Router from "@understudy/core/Router"
import { toOptions } from "@understudy/providers/Config"
import { AnswerLimits } from "@understudy/providers/internal/transport/AnswerLimits"
import * as Duration from "effect/Duration"
import * as Effect from "effect/Effect"
import * as Layer from "effect/Layer"
import type { Configuration } from "./Config.ts"
import type { ServerSettings } from "./config/ServerSection.ts"
import { Drain } from "./Drain.ts"
import type * as Auth from "./auth/Auth.ts"
import * as KeyedRouter from "./keys/KeyedRouter.ts"
import * as CallLog from "./observe/CallLog.ts"
import * as ContentLog from "./observe/ContentLog.ts"
import * as Metrics from "./observe/Metrics.ts"
import * as EventLoopStall from "./observe/EventLoopStall.ts"
import * as UsageLog from "./observe/UsageLog.ts"
import * as Server from "./Server.ts"

/** How a configuration is served: where, whom it lets in, and whether what is said is logged. */
export interface ServeOptions {
  readonly server: ServerSettings
  readonly auth: Auth.Policy
  readonly logContent: boolean
}

/** The gateway of this configuration, serving until the layer is closed. */
export const layer = (configuration: Configuration, { auth, logContent, server }: ServeOptions) =>
  // Those who tell are built before the server, and so hear of the last call it finishes.
  Server.layer({ ...server, auth, ...writing(configuration) }).pipe(
    Layer.provide([Metrics.layer, CallLog.layer, EventLoopStall.layer, layerUsageLog(configuration)]),
    Layer.provide(router(configuration, server, logContent)),
    Layer.provideMerge(Drain.layer),
  )

/** How long a write may make no progress, where the configuration says so. */
const writing = ({ defaults }: Configuration): Pick<Server.Options, "write"> =>
  defaults.timeout?.write === undefined ? {} : { write: Duration.fromInputUnsafe(defaults.timeout.write) }

/** The router that the endpoints ask: what it says is logged where that is wanted, and keys are held to what is theirs. */
const router = (configuration: Configuration, { limits }: ServerSettings, logContent: boolean) => {
  const { keys } = configuration
  const state = layerState(configuration)
  const answers = Layer.succeed(AnswerLimits, { answer: Number(limits.answer), error: Number(limits.error) })
  const bare = Layer.provide(Router.layerShared(toOptions(configuration)), [state, answers])
  const logged = logContent ? Layer.provide(ContentLog.layer, bare) : bare
  return keys.length === 0 ? logged : Layer.provide(KeyedRouter.layer(keys), [logged, state])
}

const layerUsageLog = ({ usageLog }: Configuration) =>
  usageLog === undefined ? Layer.empty : Layer.provide(UsageLog.layer(usageLog), NodeServices.layer)

/** State in memory, or in Redis where the configuration says so: only then is a client for Redis loaded. */
const layerState = ({ state: { redis } }: Configuration) =>
  redis === undefined
    ? Router.layerMemory
    : Layer.unwrap(
        Effect.map(
          Effect.promise(() => import("./state/RedisState.ts")),
          ({ layer }) => layer(redis),
        ),
      )
