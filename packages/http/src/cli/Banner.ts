/**
 * What `serve` says when it is ready: what it serves, a line to try it, and, for a simulation, a line to break it.
 */
import * as Routes from "@understudy/core/Route"
import * as Effect from "effect/Effect"
import * as Environment from "./Environment.ts"
import type { Source } from "./Source.ts"

const json = "-H 'content-type: application/json'"

/** The lines. `key` is whether callers must send one. */
export const lines = Effect.fnUntraced(function* (url: string, { configuration, origin }: Source, key: boolean) {
  const { deployments, routes } = configuration
  const named = Object.entries(routes)
  const model = named[0]?.[0] ?? Object.keys(deployments)[0] ?? ""
  const authorization = key ? ` -H "authorization: Bearer $UNDERSTUDY_API_KEY"` : ""
  const simulated = Object.entries(deployments).find(([, { provider }]) => provider === "simulated")?.[0]
  const width = Math.max(...[...named.map(([name]) => name), ...Object.keys(deployments)].map(({ length }) => length))

  const all = [
    "",
    `Understudy serves ${url}/v1 from ${origin}`,
    "",
    ...named.map(([name, route]) => `  ${name.padEnd(width)}  ${Routes.names(route).join(" -> ")}`),
    ...Object.entries(deployments).map(
      ([name, { model, provider }]) => `  ${name.padEnd(width)}  ${provider}, ${model}`,
    ),
    "",
    "Try it:",
    `  curl -s ${url}/v1/chat/completions ${json}${authorization} \\`,
    `    -d '{"model":"${model}","messages":[{"role":"user","content":"Who is on tonight?"}]}'`,
  ]
  if (simulated !== undefined) {
    all.push(
      "",
      `Break ${simulated}, try again, and mend it:`,
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
