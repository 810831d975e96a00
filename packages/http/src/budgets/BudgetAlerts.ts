/**
 * What becomes of a budget's alerts: a line of the log, and a webhook if one is configured. `Metrics` counts them.
 *
 * The webhook is signed as Standard Webhooks says (https://www.standardwebhooks.com): the header `webhook-signature` is
 * `v1,` and the base64 of the HMAC-SHA256 of `{webhook-id}.{webhook-timestamp}.{body}`, with the configured secret.
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
import * as Redacted from "effect/Redacted"
import * as Schedule from "effect/Schedule"
import { createHmac, randomUUID } from "node:crypto"
import type { BudgetSettings } from "../config/BudgetsSection.ts"

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

/** The signature of a webhook's body. `timestamp` in seconds. */
export const signature = (secret: Redacted.Redacted, id: string, timestamp: number, body: string): string =>
  `v1,${createHmac("sha256", keyOf(Redacted.value(secret)))
    .update(`${id}.${timestamp}.${body}`)
    .digest("base64")}`

/** Secrets with the specification's prefix are base64; others are used as they are. */
const keyOf = (secret: string): string | Buffer =>
  secret.startsWith("whsec_") ? Buffer.from(secret.slice("whsec_".length), "base64") : secret

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
        const timestamp = Math.floor((yield* Clock.currentTimeMillis) / 1000)
        const request = HttpClientRequest.post(url).pipe(
          HttpClientRequest.setHeaders({
            "webhook-id": id,
            "webhook-timestamp": String(timestamp),
            ...(secret === undefined ? undefined : { "webhook-signature": signature(secret, id, timestamp, text) }),
          }),
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
