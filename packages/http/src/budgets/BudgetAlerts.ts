/**
 * What becomes of a budget's alerts: a line of the log, and a signed webhook if one is configured (see `WebhookSignature`).
 * `Metrics` counts them.
 */
import * as NodeHttpClient from "@effect/platform-node/NodeHttpClient"
import { scopeKey, toNanos, format } from "@understudy/core/internal/spend/Budget"
import type { BudgetAlert } from "@understudy/core/internal/spend/Account"
import { Budgets } from "@understudy/core/internal/spend/Budgets"
import * as Redaction from "@understudy/providers/internal/transport/Redaction"
import * as Secrets from "@understudy/providers/internal/transport/Secrets"
import * as Clock from "effect/Clock"
import * as DateTime from "effect/DateTime"
import * as Duration from "effect/Duration"
import * as Effect from "effect/Effect"
import * as HttpClient from "effect/http/HttpClient"
import * as HttpClientRequest from "effect/http/HttpClientRequest"
import * as Layer from "effect/Layer"
import * as Queue from "effect/Queue"
import * as Schedule from "effect/Schedule"
import { randomUUID } from "node:crypto"
import type { BudgetSettings } from "../config/BudgetsSection.ts"
import * as WebhookSignature from "../WebhookSignature.ts"

/** Where alerts are sent, and the secret that signs them. */
export type Webhook = Exclude<BudgetSettings["webhook"], undefined>

/** Alerts that wait for the webhook. When there are more, the oldest are dropped: the log has them. */
const capacity = 1000

/** How long one delivery may take. */
const deliveryTimeout = Duration.seconds(10)

/** The tries after the first: 1, 2, 4 … seconds apart. */
const retries = 5

/** Logs and sends the alerts of budgets until the layer closes. */
export const layer = (webhook: Webhook | undefined): Layer.Layer<never, never, Budgets> =>
  Layer.effectDiscard(
    Effect.gen(function* () {
      const budgets = yield* Budgets
      const alerts = yield* Queue.sliding<BudgetAlert>(capacity)
      yield* budgets.subscribe((alert) => Queue.offerUnsafe(alerts, alert))
      const deliver = webhook === undefined ? () => Effect.void : yield* sender(webhook)
      yield* Effect.forkScoped(
        Effect.forever(
          Effect.flatMap(Queue.take(alerts), (alert) =>
            Effect.andThen(report(alert), Effect.forkScoped(deliver(alert))),
          ),
        ),
      )
    }),
  )

const report = (alert: BudgetAlert): Effect.Effect<void> => {
  const { budget, share, spent } = alert
  const text = `Budget "${budget.id}" reached ${Math.round(share * 100)} %: ${format(toNanos(spent))} of ${format(toNanos(budget.amount))} is spent`
  return Effect.logWarning(text)
}

/** The body of a webhook. Amounts are US dollars. */
export const body = ({ budget, period, share, spent }: BudgetAlert): object => ({
  type: "budget.alert",
  data: {
    budget: budget.id,
    scope: scopeKey(budget.scope),
    share,
    spent,
    amount: budget.amount,
    periodStart: DateTime.formatIso(DateTime.makeUnsafe(period.start)),
    periodEnd: Number.isFinite(period.end) ? DateTime.formatIso(DateTime.makeUnsafe(period.end)) : undefined,
  },
})

/** Sends alerts, and tries again after network errors, timeouts and statuses other than 2xx. The last failure is logged. */
const sender = Effect.fnUntraced(function* ({ secret, url }: Webhook) {
  const context = yield* Layer.build(NodeHttpClient.layerUndici)
  const client = yield* Effect.provideContext(HttpClient.HttpClient, context)
  const redaction = Redaction.make(Secrets.make({ urls: [url] }))
  return (alert: BudgetAlert): Effect.Effect<void> =>
    Effect.gen(function* () {
      const id = `msg_${randomUUID()}`
      const text = JSON.stringify(body(alert))
      const attempt = Effect.gen(function* () {
        const now = yield* Clock.currentTimeMillis
        const request = HttpClientRequest.post(url).pipe(
          HttpClientRequest.setHeaders(WebhookSignature.headers(secret, id, now, text)),
          HttpClientRequest.bodyText(text, "application/json"),
        )
        const { status } = yield* Effect.scoped(client.execute(request))
        return yield* status < 200 || status >= 300 ? Effect.fail({ message: `status ${status}` }) : Effect.void
      })
      yield* attempt.pipe(
        Effect.timeoutOrElse({
          duration: deliveryTimeout,
          orElse: () => Effect.fail({ message: `no response in ${Duration.format(deliveryTimeout)}` }),
        }),
        Effect.retry({ schedule: Schedule.exponential("1 second"), times: retries }),
        Effect.catch(({ message }) =>
          Effect.logError(`The alert of budget "${alert.budget.id}" could not be sent: ${redaction.text(message)}`),
        ),
      )
    })
})
