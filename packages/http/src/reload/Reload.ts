/**
 * Reloads of the configuration while the gateway serves. The configuration is read again and checked whole; one that is good
 * is put in force at once. One that is rejected changes nothing, and is reported: in the log, at `/ready`, in the metrics,
 * and to the caller of `POST /admin/reload`.
 *
 * In force are then: deployments, routes, defaults, virtual keys, budgets and the recording of calls. What else the file has takes effect at a
 * restart; a reload names what of it has changed.
 */
import * as Router from "@understudy/core/Router"
import { counter, gauge } from "@understudy/core/internal/MetricSeries"
import { credentialVariables, withPrices } from "@understudy/providers/Config"
import type { Problem } from "@understudy/providers/Config"
import * as Clock from "effect/Clock"
import * as ConfigProvider from "effect/ConfigProvider"
import * as Context from "effect/Context"
import * as Effect from "effect/Effect"
import * as Fiber from "effect/Fiber"
import * as Layer from "effect/Layer"
import * as Option from "effect/Option"
import * as Result from "effect/Result"
import * as Semaphore from "effect/Semaphore"
import type { Key, Keyring } from "../auth/Keyring.ts"
import { ConfiguredBudgets } from "../budgets/ConfiguredBudgets.ts"
import type { Configuration } from "../Config.ts"
import { ConfiguredGuardrails } from "../guardrails/ConfiguredGuardrails.ts"
import { InvalidConfiguration, line } from "../Config.ts"
import type { ConfigFiles } from "../ConfigFiles.ts"
import { MainProcess } from "../workers/MainProcess.ts"
import { Recording } from "../record/Recording.ts"
import type { Question } from "../workers/Protocol.ts"
import type { Difference } from "./Differences.ts"
import * as Differences from "./Differences.ts"
import type { InForce } from "./InForce.ts"
import * as StartCheck from "./StartCheck.ts"

/** A configuration as it is read. */
export interface Loaded {
  /** Named in errors. */
  readonly file: string
  readonly files: ConfigFiles
  readonly configuration: Configuration
  /** The operator's key, if there is one, and the virtual keys. */
  readonly keys: ReadonlyArray<Key>
  /** The environment with `.env`, which providers read. */
  readonly variables: ConfigProvider.ConfigProvider
}

/** Reads the configuration again, or from these texts. */
export type Load = (files?: ConfigFiles) => Effect.Effect<Loaded, InvalidConfiguration>

/** What a reload did. */
export interface Reloaded {
  readonly changes: ReadonlyArray<Difference>
  /** The paths of settings that differ from those in force, and take effect at a restart. */
  readonly restart: ReadonlyArray<string>
}

export class Reload extends Context.Service<
  Reload,
  {
    /** Reads and checks the configuration, and puts it in force. `trigger` is named in the log. One runs at a time. */
    readonly reload: (trigger: string) => Effect.Effect<Reloaded, InvalidConfiguration>
    /** When the last reload was rejected, in clock milliseconds; `undefined` if it was not. */
    readonly rejectedAt: () => number | undefined
  }
>()("@understudy/http/Reload") {}

export interface Options {
  readonly inForce: InForce
  readonly keys: Keyring
  readonly load: Load
  /** What is in force at the other workers, if that is another configuration than the one this worker starts with. */
  readonly current?: ConfigFiles | undefined
}

const reloads = counter("understudy_config_reloads_total", "Reloads of the configuration by result (success, failure)")
const lastSuccessful = gauge(
  "understudy_config_last_reload_successful",
  "Whether the last reload of the configuration succeeded: 1 or 0",
)({})
const lastSuccess = gauge(
  "understudy_config_last_reload_success_timestamp_seconds",
  "When the configuration in force was loaded, in seconds since the epoch",
)({})

export const layer = ({ current, inForce, keys, load }: Options): Layer.Layer<Reload, never, Router.Reload> =>
  Layer.effect(
    Reload,
    Effect.gen(function* () {
      const { reload: reloadRouter } = yield* Router.Reload
      const budgets = yield* Effect.serviceOption(ConfiguredBudgets)
      const guardrails = yield* Effect.serviceOption(ConfiguredGuardrails)
      const context = yield* Effect.context<never>()
      const ownContext: (caller: Context.Context<never>) => Context.Context<never> = () => context
      const recording = Option.getOrUndefined(yield* Effect.serviceOption(Recording))
      const scope = yield* Effect.scope
      const oneAtATime = yield* Semaphore.make(1)
      const main = Option.getOrUndefined(yield* Effect.serviceOption(MainProcess))
      const started = inForce.configuration
      let variables = yield* valuesOf(yield* ConfigProvider.ConfigProvider)
      let rejectedAt: number | undefined

      /** The changes of the router, or every problem that a provider or a route has. */
      const replaceRouter = Effect.fnUntraced(function* (loaded: Loaded, changedVariables: ReadonlySet<string>) {
        const configuration = yield* withPrices(loaded.configuration)
        const options = inForce.optionsFor(configuration, changedVariables)
        const changes = yield* Effect.catch(reloadRouter(options), (error) =>
          Effect.flatMap(
            error._tag === "InvalidRoutes" ? Effect.succeed(error.problems) : StartCheck.problems(configuration),
            (problems) => Effect.fail(rejected(loaded, problems.length > 0 ? problems : [whole(error.message)])),
          ),
        )
        return { changes, configuration, options }
      })

      const attempt = Effect.fnUntraced(function* (files: ConfigFiles | undefined) {
        const loaded = yield* load(files)
        const values = yield* valuesOf(loaded.variables)
        const changed = new Set(credentialVariables().filter((name) => values.get(name) !== variables.get(name)))
        const { changes, configuration, options } = yield* Effect.provideService(
          replaceRouter(loaded, changed),
          ConfigProvider.ConfigProvider,
          loaded.variables,
        )
        const before = inForce.configuration
        inForce.replace(configuration, options)
        variables = values
        const hasKeysOfFile = keys.replaceConfigured(loaded.keys)
        if (Option.isSome(guardrails)) yield* guardrails.value.replace(configuration.guardrails)
        if (Option.isSome(budgets)) yield* budgets.value.replace(configuration.budgets.budgets)
        yield* recording?.configure(configuration.record) ?? Effect.void
        // Workers that start from now on serve the same.
        main?.tell("configured", loaded.files)
        return {
          changes: [
            ...Differences.named(changes, before, configuration, changed),
            ...Differences.ofLists(before, configuration),
            ...Differences.ofRecord(before, configuration),
          ],
          restart: [...Differences.untilRestart(started, configuration), ...(hasKeysOfFile ? [] : ["keys"])],
          notImported: configuration.notImported,
        }
      })

      const now = yield* Clock.currentTimeMillis
      for (const result of ["success", "failure"]) reloads({ result }).valueUnsafe(context)
      lastSuccessful.updateUnsafe(1, context)
      lastSuccess.updateUnsafe(now / 1000, context)

      const run = (trigger: string, files: ConfigFiles | undefined) =>
        Effect.gen(function* () {
          const result = yield* Effect.result(attempt(files))
          const now = yield* Clock.currentTimeMillis
          const isRejected = Result.isFailure(result)
          rejectedAt = isRejected ? now : undefined
          reloads({ result: isRejected ? "failure" : "success" }).updateUnsafe(1, context)
          lastSuccessful.updateUnsafe(isRejected ? 0 : 1, context)
          if (isRejected) {
            const { failure } = result
            const { problems } = failure
            const count = problems.length === 1 ? "1 problem" : `${problems.length} problems`
            yield* Effect.logError(`The configuration is rejected (${trigger}): ${count}. The one in force stays.`)
            for (const problem of problems) yield* Effect.logError(line(problem).trim())
            return yield* Effect.fail(failure)
          }
          lastSuccess.updateUnsafe(now / 1000, context)
          const { notImported, ...reloaded } = result.success
          yield* logged(trigger, reloaded, notImported)
          return reloaded
        })

      // In a fibre and a context of its own: a request that is cancelled does not stop it halfway, and what it starts keeps
      // nothing of the request.
      const reload = (trigger: string, files?: ConfigFiles) =>
        Effect.flatMap(
          Effect.forkIn(Effect.updateContext(oneAtATime.withPermits(1)(run(trigger, files)), ownContext), scope),
          Fiber.join,
        )

      if (main !== undefined) {
        yield* main.answer("reload", (text) => {
          const { by, files, trigger } = parseQuestion(text)
          return by === main.worker ? Effect.succeed("") : Effect.as(Effect.ignore(reload(trigger, files)), "")
        })
      }
      if (current !== undefined) yield* Effect.ignore(reload(catchUp, current))

      return {
        rejectedAt: () => rejectedAt,
        // Of several workers, the others do the same, so that all of them serve, or reject, the same configuration.
        reload: (trigger) =>
          main === undefined
            ? reload(trigger)
            : Effect.onExit(reload(trigger), () => Effect.asVoid(main.ask("everyone", question(trigger, main.worker)))),
      }
    }),
  )

const catchUp = "to what is in force"

/** The question that has workers reload. `by`: the worker that has done so, or 0. */
export const question = (trigger: string, by: number): Question => asQuestion({ by, trigger })

/** The question that has a worker reload what the others have in force. */
export const catchUpQuestion = (files: ConfigFiles): Question => asQuestion({ by: 0, files, trigger: catchUp })

interface Asked {
  readonly by: number
  readonly trigger: string
  readonly files?: ConfigFiles | undefined
}

const asQuestion = (asked: Asked): Question => ({ topic: "reload", text: JSON.stringify(asked) })

const parseQuestion = (text: string): Asked => JSON.parse(text)

/** The values of the variables that hold credentials. */
const valuesOf = (provider: ConfigProvider.ConfigProvider): Effect.Effect<ReadonlyMap<string, string | undefined>> =>
  Effect.map(
    Effect.forEach(credentialVariables(), (name) =>
      Effect.map(
        Effect.orElseSucceed(provider.load([name]), () => undefined),
        (node) => [name, node?.value] as const,
      ),
    ),
    (entries) => new Map(entries),
  )

const rejected = ({ file }: Loaded, problems: ReadonlyArray<Problem>): InvalidConfiguration =>
  new InvalidConfiguration({ file, problems })

const whole = (message: string): Problem => ({ path: "deployments", message })

/** One line for the reload, one for each change. */
const logged = (
  trigger: string,
  { changes, restart }: Reloaded,
  notImported: ReadonlyArray<Problem>,
): Effect.Effect<void> =>
  Effect.gen(function* () {
    const count = changes.length === 1 ? "1 change" : `${changes.length} changes`
    yield* Effect.logInfo(`The configuration is reloaded (${trigger}): ${changes.length === 0 ? "no change" : count}`)
    for (const { change, fields, kind, name } of changes) {
      const what = kind === name ? kind : `${kind} ${name}`
      yield* Effect.logInfo(`${what} ${change}${fields.length === 0 ? "" : `: ${fields.join(", ")}`}`)
    }
    for (const problem of notImported) yield* Effect.logWarning(line(problem).trim())
    if (restart.length > 0)
      yield* Effect.logWarning(`Changed, but in force only after a restart: ${restart.join(", ")}`)
  })
