/**
 * The composition of a gateway from its configuration: the router, its logs and metrics, and the server.
 */
import * as NodeServices from "@effect/platform-node/NodeServices"
import * as BudgetedRouter from "@understudy/core/BudgetedRouter"
import * as GuardedRouter from "@understudy/core/GuardedRouter"
import * as Metrics from "@understudy/core/Metrics"
import * as Router from "@understudy/core/Router"
import * as CacheStore from "@understudy/core/internal/cache/CacheStore"
import { withPrices } from "@understudy/providers/Config"
import { AnswerLimits } from "@understudy/providers/internal/transport/AnswerLimits"
import * as Duration from "effect/Duration"
import * as Effect from "effect/Effect"
import * as Layer from "effect/Layer"
import { randomUUID } from "node:crypto"
import type { Configuration } from "./Config.ts"
import { InvalidConfiguration } from "./Config.ts"
import type { ServerSettings } from "./config/ServerSection.ts"
import { Drain } from "./Drain.ts"
import * as ResponsesWebSocket from "./api/ResponsesWebSocket.ts"
import type * as Auth from "./auth/Auth.ts"
import type { Keyring } from "./auth/Keyring.ts"
import * as ConfiguredGuardrails from "./guardrails/ConfiguredGuardrails.ts"
import * as KeyedRouter from "./keys/KeyedRouter.ts"
import * as CallLog from "./observe/CallLog.ts"
import * as ContentLog from "./observe/ContentLog.ts"
import * as EventLoopStall from "./observe/EventLoopStall.ts"
import * as KeyMetrics from "./observe/KeyMetrics.ts"
import * as ProcessMetrics from "./observe/ProcessMetrics.ts"
import * as UsageLog from "./observe/UsageLog.ts"
import * as Recording from "./record/Recording.ts"
import { InForce } from "./reload/InForce.ts"
import * as Reload from "./reload/Reload.ts"
import * as Server from "./Server.ts"
import type { Database } from "./store/Store.ts"
import { type Connection, MainProcess } from "./workers/MainProcess.ts"
import type { Hello } from "./workers/Protocol.ts"
import * as WorkerFile from "./workers/WorkerFile.ts"
import * as StoreStatus from "./store/StoreStatus.ts"
import * as Telemetry from "./telemetry/Settings.ts"
import { version } from "./telemetry/Version.ts"

/** How a configuration is served: address, authentication, and whether prompts and answers are logged. */
export interface ServeOptions {
  readonly server: ServerSettings
  readonly auth: Auth.Policy
  readonly logContent: boolean
  /** Reads the configuration again, for reloads. Without it, they fail. */
  readonly load?: Reload.Options["load"] | undefined
  /** The main process, in a worker of a gateway with several. */
  readonly main?: Main | undefined
}

/** The main process, and what it said when this worker started. */
export interface Main extends Hello {
  readonly connection: Connection
}

/** The gateway of a configuration. Serves until the layer is closed. */
export const layer = (configuration: Configuration, options: ServeOptions) =>
  Layer.unwrap(
    Effect.map(
      Effect.all([withPrices(configuration), Telemetry.resolve(configuration.telemetry)]),
      ([priced, telemetry]) => gateway(priced, telemetry, options),
    ),
  )

/** The gateway of a configuration whose deployments have their prices. */
const gateway = (
  configuration: Configuration,
  telemetry: Telemetry.Settings,
  { auth, load = notRead, logContent, main, server }: ServeOptions,
) => {
  const { database, faultInjection } = configuration
  const inForce = new InForce(configuration)
  const state = layerState(configuration, main)
  const engine = layerEngine(inForce, server, state)
  // One layer for all that need it, so that it is built once.
  const store = database === undefined ? undefined : layerStore(database)
  const budgets = store === undefined ? undefined : layerBudgets(configuration, store)
  const guardrails = ConfiguredGuardrails.layer(configuration.guardrails)
  const admin = store === undefined || budgets === undefined ? undefined : layerAdmin(auth.keys, store, budgets)
  const recording = Layer.provide(
    Recording.layer({ configured: configuration.record, fileOf: (file) => ownFile(file, main), version }),
    [engine, NodeServices.layer],
  )
  const reload = Reload.layer({ inForce, keys: auth.keys, load, current: main?.current })
  // Metrics and logs are built before the server and closed after it, so that they receive the last call.
  return Server.layer({ ...server, auth, ...writeTimeout(configuration), admin, faultInjection }).pipe(
    Layer.provide([
      Layer.provide(layerMetrics(telemetry), budgets ?? Layer.empty),
      Layer.provide(Metrics.layer({ unbilled: inForce.unbilled }), budgets ?? Layer.empty),
      KeyMetrics.layer,
      ProcessMetrics.layer,
      CallLog.layer,
      EventLoopStall.layer,
      layerUsageLog(configuration, main),
      recording,
      layerLedger(configuration, inForce, store, main),
      layerResponses(configuration, store),
      Layer.succeed(ResponsesWebSocket.Accepts, configuration.responses.webSocket),
      budgets ?? Layer.empty,
      store ?? Layer.empty,
    ]),
    Layer.provide(layerRouter(engine, state, auth.keys, logContent, budgets, guardrails)),
    Layer.provideMerge(Layer.provide(reload, [engine, recording, guardrails, budgets ?? Layer.empty])),
    Layer.provide([layerTraces(telemetry), store === undefined ? Layer.empty : layerStoredKeys(auth.keys, store)]),
    Layer.provideMerge(Drain.layer),
    Layer.provide(main === undefined ? Layer.empty : Layer.succeed(MainProcess, main.connection)),
  )
}

const notRead = () =>
  Effect.fail(
    new InvalidConfiguration({
      file: "the configuration",
      problems: [{ path: "", message: "was made by a program: there is no file to read again" }],
    }),
  )

/** The configured write timeout, if any. */
const writeTimeout = ({ defaults }: Configuration): Pick<Server.Options, "write"> =>
  defaults.timeout?.write === undefined ? {} : { write: Duration.fromInputUnsafe(defaults.timeout.write) }

/** The router itself, and its reloads. */
const layerEngine = ({ options }: InForce, { limits }: ServerSettings, state: ReturnType<typeof layerState>) =>
  Layer.provide(Router.layerShared(options), [
    state,
    Layer.succeed(AnswerLimits, { answer: Number(limits.answer), error: Number(limits.error) }),
  ])

/**
 * The router of the endpoints, with content logging, budgets, guardrails and the limits of virtual keys where they are configured. A
 * key is admitted first; budgets reserve for what guardrails leave of the call.
 */
const layerRouter = (
  engine: ReturnType<typeof layerEngine>,
  state: ReturnType<typeof layerState>,
  keys: Keyring,
  logContent: boolean,
  budgets: ReturnType<typeof layerBudgets> | undefined,
  guardrails: ReturnType<typeof ConfiguredGuardrails.layer>,
) => {
  const logged = logContent ? Layer.provide(ContentLog.layer, engine) : engine
  const budgeted = budgets === undefined ? logged : Layer.provide(BudgetedRouter.layer, [logged, budgets])
  const guarded = Layer.provide(GuardedRouter.layer, [budgeted, guardrails])
  return keys.isOpen && !keys.hasDatabase ? guarded : Layer.provide(KeyedRouter.layer(keys), [guarded, state])
}

const layerUsageLog = ({ usageLog }: Configuration, main: Main | undefined) =>
  usageLog === undefined
    ? Layer.empty
    : Layer.provide(UsageLog.layer({ ...usageLog, file: ownFile(usageLog.file, main) }), NodeServices.layer)

/** The file of this process: workers do not share one. */
const ownFile = (file: string, main: Main | undefined): string =>
  main === undefined ? file : WorkerFile.of(file, main.connection.worker)

/**
 * A database, whether it can be used, and the changes of what is in it. Loaded only if one is configured, and closed after all
 * that use it.
 */
const layerStore = (database: Database) =>
  Layer.unwrap(
    Effect.map(
      Effect.promise(() =>
        Promise.all([import("./store/Store.ts"), import("./store/Changes.ts"), import("./faults/FaultRows.ts")]),
      ),
      ([Store, Changes, FaultRows]) =>
        FaultRows.layer.pipe(
          Layer.provideMerge(Changes.layer),
          Layer.provideMerge(Layer.merge(Store.layer(database), StoreStatus.layer)),
        ),
    ),
  )

/** The budgets that are shared by the database, and their alerts. Gateways lease under a name of their own, which none had before. */
const layerBudgets = ({ budgets }: Configuration, store: ReturnType<typeof layerStore>) =>
  Layer.unwrap(
    Effect.map(
      Effect.all([
        Effect.promise(() => import("./budgets/LeasedBudgets.ts")),
        Effect.promise(() => import("./budgets/BudgetAlerts.ts")),
        Effect.promise(() => import("./budgets/StoredBudgets.ts")),
      ]),
      ([LeasedBudgets, BudgetAlerts, StoredBudgets]) =>
        BudgetAlerts.layer(budgets.webhook).pipe(
          Layer.provideMerge(StoredBudgets.layer(budgets.budgets)),
          Layer.provideMerge(LeasedBudgets.layer(budgets, randomUUID())),
          Layer.provide(store),
        ),
    ),
  )

const layerLedger = (
  { ledger }: Configuration,
  { deployments }: InForce,
  store: ReturnType<typeof layerStore> | undefined,
  main: Main | undefined,
) =>
  store === undefined
    ? Layer.empty
    : Layer.unwrap(
        Effect.map(
          Effect.promise(() => import("./ledger/Ledger.ts")),
          ({ layer }) =>
            Layer.provide(
              layer({ ...ledger, spill: { ...ledger.spill, file: ownFile(ledger.spill.file, main) } }, deployments),
              [store, NodeServices.layer],
            ),
        ),
      )

/** The stored responses, if responses are stored. */
const layerResponses = ({ responses }: Configuration, store: ReturnType<typeof layerStore> | undefined) =>
  store === undefined || !responses.store
    ? Layer.empty
    : Layer.unwrap(
        Effect.map(
          Effect.promise(() => import("./responses/SqlResponseStore.ts")),
          ({ layer }) => Layer.provide(layer(responses), store),
        ),
      )

/** The keys of the database in the keyring, before the server starts. */
const layerStoredKeys = (keys: Keyring, store: ReturnType<typeof layerStore>) =>
  Layer.unwrap(
    Effect.map(
      Effect.promise(() => import("./keys/StoredKeys.ts")),
      ({ layer }) => Layer.provide(layer(keys), store),
    ),
  )

/** The endpoints of the database. */
const layerAdmin = (keys: Keyring, store: ReturnType<typeof layerStore>, budgets: ReturnType<typeof layerBudgets>) =>
  Layer.unwrap(
    Effect.map(
      Effect.promise(() => import("./api/admin/AdminServer.ts")),
      ({ layer }) => Layer.provide(layer(keys), [store, budgets]),
    ),
  )

/** The tracing of requests, and the export of their spans. Loaded only if they are exported. */
const layerTraces = (settings: Telemetry.Settings) => {
  const { traces, warnings } = settings
  const warned = Layer.effectDiscard(Effect.forEach(warnings, (warning) => Effect.logWarning(warning)))
  return traces === undefined
    ? warned
    : Layer.merge(
        warned,
        Layer.unwrap(
          Effect.map(
            Effect.promise(() => import("./telemetry/Telemetry.ts")),
            ({ layerTraces }) => layerTraces(settings, traces),
          ),
        ),
      )
}

/** The export of metrics. Loaded only if they are exported. */
const layerMetrics = (settings: Telemetry.Settings) => {
  const { metrics } = settings
  return metrics === undefined
    ? Layer.empty
    : Layer.unwrap(
        Effect.map(
          Effect.promise(() => import("./telemetry/Telemetry.ts")),
          ({ layerMetrics }) => layerMetrics(settings, metrics),
        ),
      )
}

/**
 * State in memory, or in Redis if it is configured; in a worker, in the main process. The Redis client is loaded only then.
 */
const layerState = ({ state: { redis } }: Configuration, main: Main | undefined) => {
  if (redis === undefined) return main === undefined ? Router.layerMemory : layerWorkerState(main)
  const shared = Layer.unwrap(
    Effect.map(
      Effect.promise(() => import("./state/RedisState.ts")),
      ({ layer }) => layer(redis),
    ),
  )
  return main === undefined ? shared : Layer.provideMerge(layerPermits(main), shared)
}

const layerWorkerState = ({ connection, state }: Main) =>
  Layer.unwrap(
    Effect.map(
      Effect.promise(() => import("./workers/WorkerState.ts")),
      ({ layer }) => Layer.merge(layer(connection, state), CacheStore.layerMemory),
    ),
  )

/** Redis counts rates. Permits belong to one gateway: its main process holds them. */
const layerPermits = ({ connection }: Main) =>
  Layer.unwrap(
    Effect.map(
      Effect.promise(() => import("./workers/WorkerState.ts")),
      ({ layerPermits }) => layerPermits(connection),
    ),
  )
