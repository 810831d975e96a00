import { assert, describe, it } from "@effect/vitest"
import type { BudgetAlert } from "@understudy/core/internal/spend/Account"
import { Budgets } from "@understudy/core/internal/spend/Budgets"
import * as Deferred from "effect/Deferred"
import * as Effect from "effect/Effect"
import * as Layer from "effect/Layer"
import * as Logger from "effect/Logger"
import * as Redacted from "effect/Redacted"
import * as References from "effect/References"
import { createHmac } from "node:crypto"
import { createServer } from "node:http"
import type { IncomingHttpHeaders } from "node:http"
import type { AddressInfo } from "node:net"
import * as BudgetAlerts from "../../src/budgets/BudgetAlerts.ts"

const alert: BudgetAlert = {
  budget: {
    id: "search",
    scope: { type: "team", name: "search" },
    amount: 50,
    window: { unit: "month" },
    atLimit: "refuse",
  },
  share: 0.8,
  spent: 40.5,
  period: { start: Date.UTC(2026, 10, 1), end: Date.UTC(2026, 11, 1) },
}

/** A webhook's receiver that answers with these statuses, the last one for ever. */
const receiver = Effect.fnUntraced(function* (statuses: ReadonlyArray<number>) {
  const received: Array<{ readonly headers: IncomingHttpHeaders; readonly body: string }> = []
  const accepted = yield* Deferred.make<void>()
  const server = createServer((request, response) => {
    let body = ""
    request.on("data", (chunk) => (body += chunk))
    request.on("end", () => {
      received.push({ headers: request.headers, body })
      const status = statuses[Math.min(received.length, statuses.length) - 1]!
      response.writeHead(status).end()
      if (status < 300) Deferred.doneUnsafe(accepted, Effect.void)
    })
  })
  yield* Effect.acquireRelease(
    Effect.callback<void>((resume) => void server.listen(0, "127.0.0.1", () => resume(Effect.void))),
    () => Effect.sync(() => server.closeAllConnections()),
  )
  return { url: `http://127.0.0.1:${(server.address() as AddressInfo).port}/hook`, received, accepted }
})

/** The alerts layer over budgets whose one listener is given back. */
const start = Effect.fnUntraced(function* (webhook: BudgetAlerts.Webhook | undefined) {
  let publish: (alert: BudgetAlert) => void = () => undefined
  const budgets = Layer.succeed(Budgets, {
    matching: () => ({ isLimited: false, reserve: () => Effect.die("unused") }),
    status: Effect.succeed([]),
    subscribe: (listener) => Effect.sync(() => void (publish = listener)),
  })
  yield* Layer.build(Layer.provide(BudgetAlerts.layer(webhook), budgets))
  return (alert: BudgetAlert) => publish(alert)
})

const quiet = Effect.provideService(References.MinimumLogLevel, "None")

describe("budget alerts", () => {
  it.live("send a signed webhook, again after a failure, under the same id", () =>
    Effect.gen(function* () {
      const { accepted, received, url } = yield* receiver([500, 204])
      const publish = yield* start({ url, secret: Redacted.make("a shared secret") })
      publish(alert)
      yield* Deferred.await(accepted)
      assert.lengthOf(received, 2)
      const [first, second] = received
      assert.strictEqual(first?.headers["webhook-id"], second?.headers["webhook-id"])
      const { "webhook-id": id, "webhook-signature": signature, "webhook-timestamp": timestamp } = second!.headers
      const expected = createHmac("sha256", "a shared secret").update(`${id}.${timestamp}.${second!.body}`)
      assert.strictEqual(signature, `v1,${expected.digest("base64")}`)
      assert.deepStrictEqual(JSON.parse(second!.body), {
        type: "budget.alert",
        data: {
          budget: "search",
          scope: "team:search",
          share: 0.8,
          spent: 40.5,
          amount: 50,
          periodStart: "2026-11-01T00:00:00.000Z",
          periodEnd: "2026-12-01T00:00:00.000Z",
        },
      })
    }).pipe(quiet),
  )

  it.effect("are logged without a webhook", () => {
    const logged: Array<unknown> = []
    return Effect.gen(function* () {
      const publish = yield* start(undefined)
      publish(alert)
      yield* Effect.yieldNow
      assert.deepStrictEqual(logged, ['Budget "search" reached 80 %: $40.50 of $50.00 is spent'])
    }).pipe(
      Effect.scoped,
      Effect.provide(Logger.layer([Logger.make(({ message }) => void logged.push(...[message].flat()))])),
    )
  })
})
