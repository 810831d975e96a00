/**
 * The startup message of `serve`. For people: what is served, a command to try it, and, for a simulation, a command to break it.
 * In a JSON log: one object with what is served.
 */
import * as Routes from "@understudy/core/Route"
import { hasWildcard } from "@understudy/core/internal/route/Wildcard"
import * as Effect from "effect/Effect"
import type { Configuration } from "../Config.ts"
import * as Environment from "./Environment.ts"
import type { ConfigSource } from "./ConfigSource.ts"

const json = "-H 'content-type: application/json'"

/** Logs what is served as one message, with its facts as annotations. */
export const log = (
  url: string,
  { configuration: { deployments, routes }, origin }: ConfigSource,
): Effect.Effect<void> =>
  Effect.annotateLogs(Effect.logInfo(served(url, origin)), {
    url,
    config: origin,
    routes: Object.entries(routes).map(([name, route]) => ({ name, deployments: Routes.names(route) })),
    deployments: Object.entries(deployments).map(([name, { model, provider }]) => ({ name, provider, model })),
  })

const served = (url: string, origin: string): string => `Understudy serves ${url}/v1 from ${origin}`

/** The lines. `hasOperatorKey`: the commands use the operator key, else the first virtual key. */
export const lines = Effect.fnUntraced(function* (
  url: string,
  { configuration, origin }: ConfigSource,
  hasOperatorKey: boolean,
) {
  const { deployments, routes } = configuration
  const named = Object.entries(routes)
  const names = [...Object.keys(routes), ...Object.keys(deployments)]
  const virtualKey = hasOperatorKey ? undefined : configuration.keys[0]
  const model = (virtualKey?.routes ?? names).find((name) => !hasWildcard(name)) ?? names[0] ?? ""
  const authorization = hasOperatorKey
    ? authorizationHeader("UNDERSTUDY_API_KEY")
    : virtualKey === undefined
      ? ""
      : authorizationHeader(keyVariable(configuration))
  const simulated = Object.entries(deployments).find(([, { provider }]) => provider === "simulated")?.[0]
  const width = Math.max(...names.map(({ length }) => length))

  const output = [
    "",
    served(url, origin),
    "",
    ...named.map(([name, route]) => `  ${name.padEnd(width)}  ${Routes.names(route).join(" -> ")}`),
    ...Object.entries(deployments).map(
      ([name, { model, provider }]) => `  ${name.padEnd(width)}  ${provider}, ${model}`,
    ),
    "",
    `Try it in a browser at ${url}/, or with:`,
    `  curl -s ${url}/v1/chat/completions ${json}${authorization} \\`,
    `    -d '{"model":"${model}","messages":[{"role":"user","content":"Who is on tonight?"}]}'`,
  ]
  if (simulated !== undefined) {
    if (virtualKey === undefined)
      output.push(
        "",
        `Make ${simulated} fail, try again, then restore it:`,
        `  curl -s ${url}/simulated/${simulated} ${json}${authorization} -d '{"status":503}'`,
        `  curl -s ${url}/simulated/${simulated} ${json}${authorization} -d '{}'`,
      )
    const found = yield* Environment.credentials
    if (found.length > 0) {
      output.push("", `Found ${found.join(" and ")}. To call real providers:`, "  npm start -- --live")
    }
  }
  return [...output, ""]
})

/** The curl option for a key in an environment variable. */
const authorizationHeader = (variable: string): string => ` -H "authorization: Bearer $${variable}"`

/** The environment variable of the first virtual key. */
const keyVariable = ({ variables }: Configuration): string => variables.get("keys[0].key")?.[0] ?? "KEY"
