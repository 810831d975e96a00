/**
 * What `serve` says when it is ready: what it serves, a line to try it, and, for a simulation, a line to break it.
 */
import * as Routes from "@understudy/core/Route"
import { hasWildcard } from "@understudy/core/internal/route/Wildcard"
import * as Effect from "effect/Effect"
import type { Configuration } from "../Config.ts"
import * as Environment from "./Environment.ts"
import type { ConfigSource } from "./ConfigSource.ts"

const json = "-H 'content-type: application/json'"

/** The lines. `operator` is whether the operator has a key: it opens what virtual keys do not. */
export const lines = Effect.fnUntraced(function* (
  url: string,
  { configuration, origin }: ConfigSource,
  operator: boolean,
) {
  const { deployments, routes } = configuration
  const named = Object.entries(routes)
  const names = [...Object.keys(routes), ...Object.keys(deployments)]
  const caller = operator ? undefined : configuration.keys[0]
  const model = (caller?.routes ?? names).find((name) => !hasWildcard(name)) ?? names[0] ?? ""
  const authorization = operator
    ? sends("UNDERSTUDY_API_KEY")
    : caller === undefined
      ? ""
      : sends(holding(configuration))
  const simulated = Object.entries(deployments).find(([, { provider }]) => provider === "simulated")?.[0]
  const width = Math.max(...names.map(({ length }) => length))

  const all = [
    "",
    `Understudy serves ${url}/v1 from ${origin}`,
    "",
    ...named.map(([name, route]) => `  ${name.padEnd(width)}  ${Routes.names(route).join(" -> ")}`),
    ...Object.entries(deployments).map(
      ([name, { model, provider }]) => `  ${name.padEnd(width)}  ${provider}, ${model}`,
    ),
    "",
    `Try it in a browser at ${url}/, or here:`,
    `  curl -s ${url}/v1/chat/completions ${json}${authorization} \\`,
    `    -d '{"model":"${model}","messages":[{"role":"user","content":"Who is on tonight?"}]}'`,
  ]
  if (simulated !== undefined) {
    if (caller === undefined)
      all.push(
        "",
        `Break ${simulated}, try again, and end it:`,
        `  curl -s ${url}/simulated/${simulated} ${json}${authorization} -d '{"status":503}'`,
        `  curl -s ${url}/simulated/${simulated} ${json}${authorization} -d '{}'`,
      )
    const found = yield* Environment.credentials
    if (found.length > 0) {
      all.push("", `${found.join(" and ")} would be used by:`, "  npm start -- --live")
    }
  }
  return [...all, ""]
})

/** The header with the key that an environment variable holds. */
const sends = (variable: string): string => ` -H "authorization: Bearer $${variable}"`

/** The variable that the first virtual key came from. */
const holding = ({ variables }: Configuration): string => variables.get("keys[0].key")?.[0] ?? "KEY"
