/**
 * `understudy demo PATTERN`: five patterns of resilience, each by a command: offline at stand-ins, or with `--config` at
 * the accounts that a configuration names.
 */
import * as Command from "effect/cli/Command"
import * as Flag from "effect/cli/Flag"
import * as Effect from "effect/Effect"
import type * as FileSystem from "effect/FileSystem"
import * as Option from "effect/Option"
import type * as Scope from "effect/Scope"
import * as DotEnv from "../../DotEnv.ts"
import * as AccountSharding from "./AccountSharding.ts"
import * as CrossRegion from "./CrossRegion.ts"
import * as Fallback from "./Fallback.ts"
import * as LoadBalancing from "./LoadBalancing.ts"
import * as QuotaIsolation from "./QuotaIsolation.ts"

const config = Flag.File("config", { mustExist: false }).pipe(
  Flag.withDescription("A configuration with real accounts, LiteLLM's or our own; without it, stand-ins answer"),
  Flag.optional,
)

const requests = (usual: number, what: string) =>
  Flag.Int("requests").pipe(Flag.withDescription(`How many ${what}; ${usual} if not said`), Flag.withDefault(usual))

const pattern = <E>(
  name: string,
  description: string,
  count: ReturnType<typeof requests>,
  run: (file: string | undefined, requests: number) => Effect.Effect<void, E, FileSystem.FileSystem | Scope.Scope>,
) =>
  Command.make(name, { config, requests: count }, ({ config, requests }) => {
    const file = Option.getOrUndefined(config)
    return Effect.provide(Effect.scoped(run(file, requests)), DotEnv.layer(file))
  }).pipe(Command.withDescription(description))

export const demo = Command.make("demo").pipe(
  Command.withDescription("Show a pattern of resilience: offline, or at real accounts with --config"),
  Command.withSubcommands([
    pattern(
      "cross-region",
      "One inference profile, and the regions it leads to",
      requests(10, "calls"),
      CrossRegion.run,
    ),
    pattern(
      "account-sharding",
      "Two accounts in turn, each with quotas of its own",
      requests(20, "calls"),
      AccountSharding.run,
    ),
    pattern("fallback", "A primary at its limit, and who answers the rest", requests(10, "calls"), Fallback.run),
    pattern(
      "load-balancing",
      "Two primaries that share the calls, and a fallback",
      requests(10, "calls"),
      LoadBalancing.run,
    ),
    pattern(
      "quota-isolation",
      "Consumers with limits of their own",
      requests(5, "calls of each consumer"),
      QuotaIsolation.run,
    ),
  ]),
)
