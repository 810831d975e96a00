/**
 * Calls straight to Bedrock from one or more accounts, all at once, and where each account's inference profile led them.
 */
import * as Chat from "@understudy/core/Chat"
import * as Deployment from "@understudy/core/Deployment"
import * as Router from "@understudy/core/Router"
import * as Bedrock from "@understudy/providers/bedrock"
import * as Clock from "effect/Clock"
import * as Effect from "effect/Effect"
import * as Redacted from "effect/Redacted"
import type { Stage } from "./Gateway.ts"
import * as Regions from "./Regions.ts"

/** An account by its name here, and the profile that signs in to it. */
export interface Account {
  readonly name: string
  readonly profile: string
}

/** A call that has ended; an `error` where it was not answered. */
export interface Ended {
  readonly number: number
  readonly account: string
  readonly millis: number
  readonly error: string | undefined
}

/** What came of them, and since when (clock milliseconds): for the logs. */
export interface Calls {
  readonly ended: ReadonlyArray<Ended>
  readonly since: number
}

/**
 * So many calls at once, to one account after the other; `told` hears of each as it ends. An account's failure is its own
 * here: nobody answers in its place.
 */
export const call = (
  { settings, standIns }: Stage,
  accounts: readonly [Account, ...ReadonlyArray<Account>],
  requests: number,
  told: (ended: Ended) => Effect.Effect<void>,
) => {
  const provider = ({ name, profile }: Account) =>
    Bedrock.layer(
      standIns === undefined
        ? { region: settings.region, profile }
        : {
            region: settings.region,
            endpoint: standIns.bedrock,
            accessKeyId: Redacted.make(name.toLowerCase()),
            secretAccessKey: Redacted.make("offline"),
          },
    )
  const RouterLive = Router.layer({
    deployments: Object.fromEntries(
      accounts.map((account) => [
        account.name,
        Deployment.make({ model: settings.model, provider: provider(account), retry: { times: 0 } }),
      ]),
    ),
  })
  return Effect.gen(function* () {
    const router = yield* Router.Router
    const since = yield* Clock.currentTimeMillis
    const one = (number: number) =>
      Effect.gen(function* () {
        const account = accounts[(number - 1) % accounts.length] ?? accounts[0]
        const startedAt = yield* Clock.currentTimeMillis
        const error = yield* Effect.match(
          router.chat({
            model: account.name,
            messages: [Chat.user(`Request ${number}: say hello.`)],
            sampling: { maxTokens: 100 },
          }),
          { onSuccess: () => undefined, onFailure: ({ cause, message }) => cause?.reason._tag ?? message },
        )
        const ended = { number, account: account.name, millis: (yield* Clock.currentTimeMillis) - startedAt, error }
        yield* told(ended)
        return ended
      })
    const ended = yield* Effect.forEach(
      Array.from({ length: requests }, (_, index) => index + 1),
      one,
      { concurrency: "unbounded" },
    )
    return { ended, since } satisfies Calls
  }).pipe(Effect.provide(RouterLive))
}

/** Where an account's answered calls went. */
export const regions = (
  { settings, standIns }: Stage,
  { name, profile }: Account,
  { ended, since }: Calls,
): Effect.Effect<ReadonlyArray<Regions.Region>, Regions.NoLogs> =>
  Regions.ask({
    client:
      standIns === undefined
        ? { region: settings.region, profile }
        : {
            region: settings.region,
            endpoint: standIns.logs,
            credentials: { accessKeyId: name.toLowerCase(), secretAccessKey: "offline" },
          },
    logGroup: settings.logGroup,
    model: settings.model,
    since,
    expected: ended.filter(({ account, error }) => account === name && error === undefined).length,
    waits: standIns === undefined ? Regions.patience : [0],
  })
