/**
 * A `providers.yaml` as one of ours: a list of providers, each with its `name`, `endpoint`, `model` and `priority`, of which
 * the first that can answers, and whoever failed is left alone for a while.
 *
 * Its keys are in the environment: `GROQ_API_KEY`, `TOGETHER_LLAMA_API_KEY`, and for other vendors what they are usually
 * called. Whose key an endpoint wants is told by its host, else by how the provider's name begins.
 */
import * as Predicate from "effect/Predicate"
import * as Result from "effect/Result"
import type { Problem } from "../../config/ConfigError.ts"
import * as Endpoints from "../Endpoints.ts"
import type { Document, Imported } from "../ImportReader.ts"
import { ImportReader, unused } from "../ImportReader.ts"

/** Whether a parsed document is one. */
export const is = (input: unknown): input is Document =>
  Predicate.isObject(input) && "providers" in input && !("deployments" in input)

interface Provider {
  readonly name: string
  readonly priority: number
  readonly deployment: Document
}

/** The document of ours that says the same, with a report of what it cannot say; or why there is none. */
export const read = (input: Document): Result.Result<Imported, ReadonlyArray<Problem>> => {
  const report: Array<Problem> = []
  const document = new ImportReader(input, "", report)
  const taken = new Set<string>()
  const providers = document
    .list("providers")
    .flatMap((each, index) => provider(new ImportReader(each, `providers[${index}]`, report), taken) ?? [])
    .toSorted((a, b) => a.priority - b.priority)
  document.rest()
  if (providers.length === 0) {
    return Result.fail([...report, { path: "providers", message: "has nobody with a name, an endpoint and a model" }])
  }
  return Result.succeed({
    document: {
      usageLog: { file: "logs/usage.log" },
      // One failure, and the next is asked at once.
      defaults: { retry: { times: 0 }, circuit: { failures: 1, open: "30s", max: "30s" } },
      deployments: Object.fromEntries(providers.map(({ deployment, name }) => [name, deployment])),
      routes: { [unused(taken, "assistant")]: providers.map(({ name }) => name) },
    },
    report,
  })
}

/** Whoever has no priority comes last. */
const provider = (entry: ImportReader, taken: Set<string>): Provider | undefined => {
  const name = entry.text("name")
  const model = entry.text("model")
  const endpoint = entry.text("endpoint")
  const priority = entry.number("priority") ?? Number.POSITIVE_INFINITY
  const apiKey = entry.text("api_key")
  entry.rest()
  for (const [key, value] of Object.entries({ name, model, endpoint })) {
    if (value === undefined) entry.tell(key, "is missing: the provider is left out")
  }
  if (name === undefined || model === undefined || endpoint === undefined) return undefined
  const own = unused(taken, name)
  if (own !== name) entry.tell("name", `is another's too: this one is called ${own}`)
  const baseUrl = endpoint.replace(/\/(chat\/completions\/?)?$/, "")
  const here = Endpoints.hosted(baseUrl)
  const key = apiKey ?? keyOf(here ?? Endpoints.named(name))
  if (key === undefined && here === undefined) entry.tell("api_key", "is not known for this endpoint: none is sent")
  return { name: own, priority, deployment: { model, ...Endpoints.at(here ?? "own", { apiKey: key, baseUrl }) } }
}

/** The environment variable with the key of whoever that is. */
const keyOf = (whose: Endpoints.Name | undefined): string | undefined => {
  if (whose === undefined) return undefined
  const variable = whose === "together" ? "TOGETHER_LLAMA_API_KEY" : Endpoints.variableOf(whose)
  return variable === undefined ? undefined : Endpoints.reference(variable)
}
