/**
 * Concurrent calls to Bedrock from one or more accounts, and the regions that each account's inference profile used.
 */
import * as Chat from "@understudy/core/Chat"
import * as Deployment from "@understudy/core/Deployment"
import * as Router from "@understudy/core/Router"
import * as Bedrock from "@understudy/providers/bedrock"
import * as Clock from "effect/Clock"
import * as Effect from "effect/Effect"
import * as Redacted from "effect/Redacted"
import type { Setup } from "./Gateway.ts"
import * as Regions from "./Regions.ts"

/** An account: its name in the output, and its AWS profile. */
export interface Account {
  readonly name: string
  readonly profile: string
}

/** A finished call, with an `error` if it failed. */
export interface FinishedCall {
  readonly number: number
  readonly account: string
  readonly millis: number
  readonly error: string | undefined
}

/** The finished calls, and when they started (clock milliseconds), for the log query. */
export interface Calls {
  readonly finished: ReadonlyArray<FinishedCall>
  readonly since: number
}

/** Makes calls concurrently, to each account in turn, without fallback. Runs `onFinished` for each as it finishes. */
export const call = (
  { settings, fakeAws }: Setup,
  accounts: readonly [Account, ...ReadonlyArray<Account>],
  requests: number,
  onFinished: (finished: FinishedCall) => Effect.Effect<void>,
) => {
  const provider = ({ name, profile }: Account) =>
    Bedrock.layer(
      fakeAws === undefined
        ? { region: settings.region, profile }
        : {
            region: settings.region,
            endpoint: fakeAws.bedrock,
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
    const callOnce = (number: number) =>
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
        const finished = { number, account: account.name, millis: (yield* Clock.currentTimeMillis) - startedAt, error }
        yield* onFinished(finished)
        return finished
      })
    const finished = yield* Effect.forEach(
      Array.from({ length: requests }, (_, index) => index + 1),
      callOnce,
      { concurrency: "unbounded" },
    )
    return { finished, since } satisfies Calls
  }).pipe(Effect.provide(RouterLive))
}

/** The regions that answered an account's calls. */
export const regions = (
  { settings, fakeAws }: Setup,
  { name, profile }: Account,
  { finished, since }: Calls,
): Effect.Effect<ReadonlyArray<Regions.Region>, Regions.LogQueryFailed> =>
  Regions.query({
    client:
      fakeAws === undefined
        ? { region: settings.region, profile }
        : {
            region: settings.region,
            endpoint: fakeAws.logs,
            credentials: { accessKeyId: name.toLowerCase(), secretAccessKey: "offline" },
          },
    logGroup: settings.logGroup,
    model: settings.model,
    since,
    expected: finished.filter(({ account, error }) => account === name && error === undefined).length,
    delays: fakeAws === undefined ? Regions.logDelays : [0],
  })
