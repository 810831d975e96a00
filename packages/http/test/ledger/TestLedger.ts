/**
 * A router over scripted providers whose calls a ledger records, on a database that can be lost.
 */
import * as NodeServices from "@effect/platform-node/NodeServices"
import { Chat, Deployment, Route, Router } from "@understudy/core"
import * as Testing from "@understudy/core/Testing"
import * as Context from "effect/Context"
import * as Deferred from "effect/Deferred"
import * as Duration from "effect/Duration"
import * as Effect from "effect/Effect"
import * as Exit from "effect/Exit"
import * as Layer from "effect/Layer"
import * as Logger from "effect/Logger"
import * as Metric from "effect/Metric"
import * as Scope from "effect/Scope"
import { SqlClient } from "effect/sql/SqlClient"
import { ConnectionError, SqlError } from "effect/sql/SqlError"
import { mkdtempSync, rmSync } from "node:fs"
import { tmpdir } from "node:os"
import { join } from "node:path"
import { Batch } from "../../src/ledger/Batch.ts"
import * as Ledger from "../../src/ledger/Ledger.ts"
import type { Entry } from "../../src/ledger/Rows.ts"
import * as Write from "../../src/ledger/Write.ts"
import * as Store from "../../src/store/Store.ts"
import * as StoreStatus from "../../src/store/StoreStatus.ts"

/** What becomes of statements: they run; they fail before they begin; or they run, and the reply to the commit is lost. */
export type Fault = "none" | "down" | "reply lost"

export interface Lossy {
  readonly sql: SqlClient
  fault: Fault
}

/** The client, with faults. */
export const lossy = (sql: SqlClient): Lossy => {
  const state: Lossy = {
    fault: "none",
    sql: new Proxy(sql, {
      get: (target, property) => {
        if (property === "unsafe" && state.fault === "down") return () => Effect.fail(gone)
        if (property === "unsafe" && state.fault === "reply lost")
          // A batch is a statement.
          return (text: string, params?: ReadonlyArray<unknown>) => {
            const statement = target.unsafe(text, params)
            return text.includes("INSERT") ? Effect.andThen(statement, Effect.fail(gone)) : statement
          }
        if (property !== "withTransaction") return Reflect.get(target, property)
        const withTransaction: SqlClient["withTransaction"] = (statements) =>
          Effect.suspend(() => {
            if (state.fault === "down") return Effect.fail(gone)
            const run = target.withTransaction(statements)
            return state.fault === "none" ? run : Effect.andThen(run, Effect.fail(gone))
          })
        return withTransaction
      },
    }),
  }
  return state
}

const gone = new SqlError({ reason: new ConnectionError({ cause: new Error("gone"), message: "connection reset" }) })

/** A database, opened until the scope closes. */
export const opened = (database: Store.Database) =>
  Effect.map(Layer.build(Store.layer(database)), Context.get(SqlClient))

/** Writes calls as one batch. Succeeds with the number of those that were not there yet. */
export const write = (sql: SqlClient, entries: ReadonlyArray<Entry>) => Write.write(sql, Batch.of(entries))

/** A new folder, until the scope closes. */
export const folder = Effect.acquireRelease(
  Effect.sync(() => mkdtempSync(join(tmpdir(), "understudy-ledger-"))),
  (folder) => Effect.sync(() => rmSync(folder, { recursive: true, force: true })),
)

export const usage = { inputTokens: 1000, outputTokens: 200, cachedInputTokens: 600, reasoningTokens: 50 }

/** The deployments as a configuration names them. `primary` fails every call but its first, `free` has no price. */
export const deployments = {
  primary: { provider: "openai", model: "gpt-4o", price: { input: 2, output: 10 } },
  backup: { provider: "anthropic", model: "sonnet", price: { input: 3, output: 15, version: "list 7" } },
  free: { provider: "simulated", model: "none" },
}

const RouterLive = () => {
  const healthy = () => Testing.script([Testing.reply("Hello", { usage })]).layer
  const failing = Testing.script([
    Testing.reply("Hello", { usage }),
    Testing.fail({ _tag: "Overloaded" }, { status: 503 }),
  ]).layer
  const circuit = { failures: 1_000_000 }
  return Router.layer({
    deployments: {
      primary: Deployment.make({ ...deployments.primary, provider: failing, circuit }),
      backup: Deployment.make({ ...deployments.backup, provider: healthy(), circuit }),
      free: Deployment.make({ ...deployments.free, provider: healthy(), circuit }),
    },
    routes: {
      assistant: Route.fallback("primary", "backup").pipe(Route.retry({ times: 0 })),
      cheap: Route.fallback("free"),
      alone: Route.fallback("primary").pipe(Route.retry({ times: 0 })),
    },
  })
}

/** A logger that keeps messages, and `logged`, which waits until one has this text. */
export const watch = () => {
  const messages: Array<string> = []
  const waiting: Array<{ readonly text: string; readonly logged: Deferred.Deferred<void> }> = []
  return {
    messages,
    logger: Logger.make(({ message }) => {
      const text = [message].flat().map(String).join(" ")
      messages.push(text)
      for (const { logged, text: expected } of waiting)
        if (text.includes(expected)) Deferred.doneUnsafe(logged, Exit.void)
    }),
    logged: (text: string) =>
      Effect.suspend(() => {
        if (messages.some((message) => message.includes(text))) return Effect.void
        const logged = Deferred.makeUnsafe<void>()
        waiting.push({ text, logged })
        return Deferred.await(logged)
      }),
  }
}

export interface Options {
  readonly flush?: Duration.Input
  readonly spill: { readonly file: string; readonly maxSize?: number }
}

/** A gateway's router with its ledger, until it is closed. */
export const start = Effect.fnUntraced(function* (sql: SqlClient, { flush = "5 millis", spill }: Options) {
  const scope = yield* Scope.fork(yield* Effect.scope)
  const { logged, logger, messages } = watch()
  const registry = new Map()
  const ledger = Ledger.layer(
    {
      keep: Duration.days(90),
      flush: Duration.fromInputUnsafe(flush),
      spill: { maxSize: 1_000_000, ...spill },
    },
    deployments,
  ).pipe(
    Layer.provideMerge(StoreStatus.layer),
    Layer.provide([NodeServices.layer, Layer.succeed(SqlClient, sql)]),
    Layer.provideMerge(RouterLive()),
    Layer.provide([Logger.layer([logger]), Layer.succeed(Metric.MetricRegistry, registry)]),
  )
  const context = yield* Layer.buildWithScope(ledger, scope)
  const router = Context.get(context, Router.Router)
  return {
    messages,
    logged,
    /** The value of a counter or a gauge. */
    metric: (metric: Metric.Metric<number, { readonly count: number } | { readonly value: number }>) =>
      Effect.map(Effect.provideService(Metric.value(metric), Metric.MetricRegistry, registry), (state) =>
        "count" in state ? state.count : state.value,
      ),
    isUp: Context.get(context, StoreStatus.StoreStatus).isUp,
    /** Makes a call, which may fail. */
    call: (model = "cheap", options?: Parameters<typeof router.chat>[1]) =>
      Effect.exit(router.chat({ model, messages: [Chat.user("Hello")] }, options)),
    close: Scope.close(scope, Exit.void),
  }
})
