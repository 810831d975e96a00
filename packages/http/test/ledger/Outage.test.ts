/**
 * A gateway whose PostgreSQL is killed, or no longer responds, while it serves calls: no call fails for it, and no row is lost
 * or written twice.
 */
import { afterAll, assert, beforeAll, describe, it } from "@effect/vitest"
import * as Context from "effect/Context"
import * as Deferred from "effect/Deferred"
import * as Effect from "effect/Effect"
import * as Exit from "effect/Exit"
import * as Fiber from "effect/Fiber"
import * as HttpServer from "effect/http/HttpServer"
import * as Layer from "effect/Layer"
import * as Logger from "effect/Logger"
import * as Metric from "effect/Metric"
import * as Redacted from "effect/Redacted"
import * as Result from "effect/Result"
import * as Scope from "effect/Scope"
import { once } from "node:events"
import { existsSync } from "node:fs"
import { connect, createServer } from "node:net"
import type { AddressInfo, Socket } from "node:net"
import { join } from "node:path"
import * as App from "../../src/App.ts"
import * as Keyring from "../../src/auth/Keyring.ts"
import * as Config from "../../src/Config.ts"
import * as TestPostgres from "../store/TestPostgres.ts"
import { folder, opened, watch } from "./TestLedger.ts"

/** A server in front of another, which can stop to pass anything on in either direction. */
const relay = (port: number) =>
  Effect.acquireRelease(
    Effect.promise(async () => {
      const sockets = new Set<Socket>()
      const state = { isSilent: false, sockets, port: 0 }
      const server = createServer((client) => {
        const upstream = connect(port, "127.0.0.1")
        for (const [from, to] of [
          [client, upstream],
          [upstream, client],
        ] as const) {
          sockets.add(from)
          from.on("data", (data) => !state.isSilent && to.write(data))
          from.on("close", () => to.destroy())
          from.on("error", () => to.destroy())
        }
      })
      server.listen(0, "127.0.0.1")
      await once(server, "listening")
      state.port = (server.address() as AddressInfo).port
      return { server, state }
    }),
    ({ server, state }) =>
      Effect.sync(() => {
        for (const socket of state.sockets) socket.destroy()
        server.close()
      }),
  )

const spillFile = Effect.map(folder, (folder) => join(folder, "spill.jsonl"))

describe.skipIf(!TestPostgres.installed)("a gateway that loses its PostgreSQL", { timeout: 60_000 }, () => {
  let postgres: TestPostgres.TestPostgres
  beforeAll(async () => {
    postgres = await TestPostgres.start()
  }, 60_000)
  afterAll(() => postgres.close(), 60_000)

  /** A gateway under load: eight clients that call it one call after the other. */
  const underLoad = Effect.fnUntraced(function* (url: string, file: string) {
    const configuration = Result.getOrThrow(
      Config.decode(
        {
          database: url,
          server: { drain: { delay: "0ms" } },
          ledger: { flush: "20ms", spill: { file } },
          deployments: { demo: { provider: "simulated", model: "demo", latency: "1ms", tokenDelay: "0ms" } },
        },
        () => undefined,
      ),
    )
    const scope = yield* Scope.fork(yield* Effect.scope)
    const { logged, logger } = watch()
    const server = { ...configuration.server, port: 0 }
    const auth = { keys: new Keyring.Keyring([]), hosts: [], origins: [] }
    const context = yield* App.layer(configuration, { server, auth, logContent: false }).pipe(
      Layer.provide([Logger.layer([logger]), Layer.succeed(Metric.MetricRegistry, new Map())]),
      Layer.buildWithScope(scope),
    )
    const gateway = HttpServer.formatAddress(Context.get(context, HttpServer.HttpServer).address)
    const statuses: Array<number> = []
    let isStopped = false
    let enough: { readonly count: number; readonly reached: Deferred.Deferred<void> } | undefined
    const body = JSON.stringify({ model: "demo", max_tokens: 5, messages: [{ role: "user", content: "Hello" }] })
    const headers = { "content-type": "application/json" }
    const call = Effect.promise(() =>
      fetch(`${gateway}/v1/chat/completions`, { method: "POST", body, headers }).then(async (response) => {
        await response.text()
        statuses.push(response.status)
        if (enough !== undefined && statuses.length >= enough.count) Deferred.doneUnsafe(enough.reached, Exit.void)
      }),
    )
    const client = Effect.repeat(call, { until: () => isStopped })
    yield* Effect.addFinalizer(() => Effect.sync(() => (isStopped = true)))
    const clients = yield* Effect.forkScoped(
      Effect.all(
        Array.from({ length: 8 }, () => client),
        { concurrency: "unbounded", discard: true },
      ),
    )
    return {
      logged,
      statuses,
      ready: Effect.promise(() => fetch(`${gateway}/ready`).then((response) => response.json())),
      /** Waits until this many more calls were answered. */
      calls: (more: number) =>
        Effect.suspend(() => {
          enough = { count: statuses.length + more, reached: Deferred.makeUnsafe<void>() }
          return Deferred.await(enough.reached)
        }),
      /** Ends the load and then the gateway. */
      stop: Effect.suspend(() => {
        isStopped = true
        return Effect.andThen(Fiber.join(clients), Scope.close(scope, Exit.void))
      }),
    }
  })

  /** Every call was answered, and has one row, one attempt, and is counted once. */
  const assertComplete = Effect.fnUntraced(function* (url: string, statuses: ReadonlyArray<number>) {
    assert.deepStrictEqual([...new Set(statuses)], [200])
    const sql = yield* opened({ type: "postgres", url: Redacted.make(url) })
    const [row] = yield* sql.unsafe<object>(`SELECT
      (SELECT count(*) FROM calls) AS calls, (SELECT count(*) FROM attempts) AS attempts,
      (SELECT CAST(sum(calls) AS BIGINT) FROM spend_daily) AS daily,
      (SELECT CAST(sum(attempts) AS BIGINT) FROM spend_hourly) AS hourly`)
    const { length } = statuses
    assert.deepStrictEqual({ ...row }, { calls: length, attempts: length, daily: length, hourly: length })
  })

  it.live("serves on, and writes every call once when it is back", () =>
    Effect.gen(function* () {
      const url = yield* Effect.promise(() => postgres.database())
      const file = yield* spillFile
      const gateway = yield* underLoad(url, file)
      yield* gateway.calls(200)
      assert.deepStrictEqual(yield* gateway.ready, { status: "ready", database: "up" })
      yield* Effect.promise(() => postgres.kill())
      yield* gateway.logged("The database is lost")
      assert.deepStrictEqual(yield* gateway.ready, { status: "ready", database: "down" })
      yield* gateway.calls(500)
      yield* Effect.promise(() => postgres.restart())
      yield* gateway.logged("are written")
      assert.deepStrictEqual(yield* gateway.ready, { status: "ready", database: "up" })
      yield* gateway.calls(200)
      yield* gateway.stop
      assert.isFalse(existsSync(file))
      yield* assertComplete(url, gateway.statuses)
    }),
  )

  it.live("stops while it is lost, and the next start writes the rest", () =>
    Effect.gen(function* () {
      const url = yield* Effect.promise(() => postgres.database())
      const file = yield* spillFile
      const first = yield* underLoad(url, file)
      yield* first.calls(100)
      yield* Effect.promise(() => postgres.kill())
      yield* first.calls(100)
      yield* first.stop
      assert.isTrue(existsSync(file))
      yield* Effect.promise(() => postgres.restart())
      const second = yield* underLoad(url, file)
      yield* second.logged("are written")
      yield* second.stop
      yield* assertComplete(url, [...first.statuses, ...second.statuses])
    }),
  )

  it.live("counts a server that does not respond as lost", () =>
    Effect.gen(function* () {
      const address = new URL(yield* Effect.promise(() => postgres.database()))
      const { state } = yield* relay(Number(address.port))
      const direct = address.href
      address.port = String(state.port)
      const gateway = yield* underLoad(address.href, yield* spillFile)
      yield* gateway.calls(100)
      state.isSilent = true
      yield* gateway.logged("The database is lost: no response in 3s")
      yield* gateway.calls(100)
      for (const socket of state.sockets) socket.destroy()
      state.isSilent = false
      yield* gateway.logged("are written")
      yield* gateway.stop
      yield* assertComplete(direct, gateway.statuses)
    }),
  )
})
