/**
 * `understudy demo PATTERN`: demonstrations of five resilience patterns, offline against fake AWS services, or with
 * `--config` against real accounts.
 */
import * as Command from "effect/cli/Command"
import * as Flag from "effect/cli/Flag"
import * as Effect from "effect/Effect"
import type * as FileSystem from "effect/FileSystem"
import * as Option from "effect/Option"
import type * as Scope from "effect/Scope"
import * as DotEnv from "../../DotEnv.ts"

const config = Flag.File("config", { mustExist: false }).pipe(
  Flag.withDescription(
    "A configuration file with real accounts, Understudy's or LiteLLM's (default: an example against fake AWS services, offline).",
  ),
  Flag.optional,
)

const requests = (defaultCount: number, what: string) =>
  Flag.Int("requests").pipe(
    Flag.withDescription(`The number of ${what} (default: ${defaultCount}).`),
    Flag.withDefault(defaultCount),
  )

/** The module of a pattern, which is loaded when the pattern is run. */
interface Pattern<E> {
  readonly run: (
    file: string | undefined,
    requests: number,
  ) => Effect.Effect<void, E, FileSystem.FileSystem | Scope.Scope>
}

const pattern = <E>(
  name: string,
  description: string,
  count: ReturnType<typeof requests>,
  load: () => Promise<Pattern<E>>,
) =>
  Command.make(name, { config, requests: count }, ({ config, requests }) => {
    const file = Option.getOrUndefined(config)
    return Effect.promise(load).pipe(
      Effect.flatMap(({ run }) => run(file, requests)),
      Effect.scoped,
      Effect.provide(DotEnv.layer(file)),
    )
  }).pipe(Command.withDescription(description))

export const demo = Command.make("demo").pipe(
  Command.withDescription(
    "Demonstrate a resilience pattern, offline or with real accounts (--config). Exit codes: 0, or 1 if the demonstration cannot run.",
  ),
  Command.withShortDescription("Demonstrate a resilience pattern"),
  Command.withSubcommands([
    pattern(
      "cross-region",
      "One inference profile, and the regions it uses.",
      requests(10, "calls"),
      () => import("./CrossRegion.ts"),
    ),
    pattern(
      "account-sharding",
      "Two accounts in turn, each with its own quotas.",
      requests(20, "calls"),
      () => import("./AccountSharding.ts"),
    ),
    pattern(
      "fallback",
      "A primary at its rate limit, and a fallback for the other calls.",
      requests(10, "calls"),
      () => import("./Fallback.ts"),
    ),
    pattern(
      "load-balancing",
      "Two primaries that share the calls, and a fallback.",
      requests(10, "calls"),
      () => import("./LoadBalancing.ts"),
    ),
    pattern(
      "quota-isolation",
      "Consumers with separate rate limits.",
      requests(5, "calls of each consumer"),
      () => import("./QuotaIsolation.ts"),
    ),
  ]),
)
