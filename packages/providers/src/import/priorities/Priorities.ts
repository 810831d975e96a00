/**
 * Converts a `providers.yaml`: a list of providers with `name`, `endpoint`, `model` and `priority`, tried in the order of
 * their priority. A provider that failed is skipped for a while.
 *
 * API keys are environment variables: `GROQ_API_KEY`, `TOGETHER_LLAMA_API_KEY`, and the usual names for other vendors. The
 * host of the endpoint, else the beginning of the provider's name, selects the variable.
 */
import * as Result from "effect/Result"
import type { Problem } from "../../config/ConfigError.ts"
import * as Endpoints from "../Endpoints.ts"
import type { Document, Imported } from "../ImportReader.ts"
import type { NotImported } from "../Report.ts"
import { ImportReader, uniqueName } from "../ImportReader.ts"

interface Provider {
  readonly name: string
  readonly priority: number
  readonly deployment: Document
}

/** The converted configuration with a report; or the problems, if no provider can be imported. */
export const read = (input: Document): Result.Result<Imported, ReadonlyArray<Problem>> => {
  const report: Array<NotImported> = []
  const document = new ImportReader(input, "", report)
  const taken = new Set<string>()
  const providers = document
    .list("providers")
    .flatMap((each, index) => provider(new ImportReader(each, `providers[${index}]`, report), taken) ?? [])
    .toSorted((a, b) => a.priority - b.priority)
  document.warnUnread()
  if (providers.length === 0) {
    return Result.fail([...report, { path: "providers", message: "has no entry with a name, an endpoint and a model" }])
  }
  return Result.succeed({
    document: {
      usageLog: { file: "logs/usage.log" },
      // Falls back after one failure, without retries.
      defaults: { retry: { times: 0 }, circuit: { failures: 1, open: "30s", max: "30s" } },
      deployments: Object.fromEntries(providers.map(({ deployment, name }) => [name, deployment])),
      routes: { [uniqueName(taken, "assistant")]: providers.map(({ name }) => name) },
    },
    report,
  })
}

/** A provider of the list. Without a priority it is tried last. */
const provider = (entry: ImportReader, taken: Set<string>): Provider | undefined => {
  const name = entry.text("name")
  const model = entry.text("model")
  const endpoint = entry.text("endpoint")
  const priority = entry.number("priority") ?? Number.POSITIVE_INFINITY
  const apiKey = entry.text("api_key")
  entry.warnUnread()
  for (const [key, value] of Object.entries({ name, model, endpoint })) {
    if (value === undefined) entry.warn(key, "is missing: the provider is not imported", "models")
  }
  if (name === undefined || model === undefined || endpoint === undefined) return undefined
  const own = uniqueName(taken, name)
  if (own !== name) entry.warn("name", `is used twice: this provider is renamed ${own}`, "harmless")
  const baseUrl = endpoint.replace(/\/(chat\/completions\/?)?$/, "")
  const endpointName = Endpoints.atHost(baseUrl)
  const key = apiKey ?? keyOf(endpointName ?? Endpoints.byPrefix(name))
  if (key === undefined && endpointName === undefined)
    entry.warn("api_key", "is missing, and no variable is known for this endpoint: no key is sent", "models")
  return {
    name: own,
    priority,
    deployment: { model, ...Endpoints.at(endpointName ?? "own", { apiKey: key, baseUrl }) },
  }
}

/** A reference to the environment variable with the key of an endpoint. */
const keyOf = (endpoint: Endpoints.Name | undefined): string | undefined => {
  if (endpoint === undefined) return undefined
  const variable = endpoint === "together" ? "TOGETHER_LLAMA_API_KEY" : Endpoints.variableOf(endpoint)
  return variable === undefined ? undefined : Endpoints.reference(variable)
}
