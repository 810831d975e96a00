/**
 * The `deployments` section of a configuration: the keys of every deployment, and those of its vendor.
 */
import * as Deployment from "@understudy/core/Deployment"
import { didYouMean } from "@understudy/core/internal/route/Suggestion"
import type { UnitRates } from "@understudy/core/internal/model/Cost"
import { queueFallbacks } from "@understudy/core/internal/policy/QueuePolicy"
import { names } from "@understudy/core/Operation"
import type * as Config from "effect/Config"
import * as Predicate from "effect/Predicate"
import * as Redacted from "effect/Redacted"
import * as Result from "effect/Result"
import * as Schema from "effect/Schema"
import type { DeploymentContext, KeysOf, ProviderLayer, VendorName } from "../Catalog.ts"
import { byName, isVendor, vendorNames } from "../Catalog.ts"
import type { ProviderStartError } from "../ProviderStartError.ts"
import type { Hint, Location } from "./SchemaErrors.ts"
import { decode, within } from "./SchemaErrors.ts"
import * as Policies from "./Policies.ts"
import type { Problem } from "./ConfigError.ts"
import { describeValue, invalidValue, unknownKey } from "./ConfigError.ts"
import { PositiveMillis } from "./DurationText.ts"
import { Faults } from "./Faults.ts"
import { Params } from "./Params.ts"
import * as VendorOperations from "./VendorOperations.ts"
import { amount, count, countOrNone, flag, secrets, text, word } from "./Fields.ts"

const optional = Schema.optionalKey

const dollars = (kind: string) =>
  amount.pipe(
    Schema.annotateKey({ messageMissingKey: `is missing: set the price of a million ${kind} tokens, in US dollars` }),
  )

/** The prices of a million tokens of each kind, and of a request, in US dollars. */
const rates = {
  input: dollars("input"),
  output: dollars("output"),
  cachedInput: optional(amount),
  cacheWrite: optional(amount),
  reasoning: optional(amount),
  request: optional(amount),
}

/** The prices of a second of audio, of a million characters, of an image, and of a million tokens of audio and images. */
const units = {
  second: optional(amount),
  characters: optional(amount),
  image: optional(amount),
  audioInput: optional(amount),
  cachedAudioInput: optional(amount),
  audioOutput: optional(amount),
  imageInput: optional(amount),
  imageOutput: optional(amount),
} satisfies Record<keyof UnitRates, unknown>

const tier = "{ above: 200000, input: 2.5, output: 15 }"

/** Rate and concurrency limits of a deployment or a virtual key: requests and tokens a minute, requests a day, calls at a time. */
export const limits = {
  rpm: optional(count),
  tpm: optional(count),
  rpd: optional(count),
  concurrency: optional(count),
}

/** The queue of a limit: the most calls that wait, and the longest wait. */
export const queue = { max: optional(countOrNone), maxWait: optional(PositiveMillis) }

/** The limits of a deployment. */
const Limits = Schema.Struct({
  ...limits,
  queue: optional(Schema.Struct({ ...queue, fallback: optional(word(queueFallbacks)) })),
})

/** The keys that every deployment may have. */
export const Common = Schema.Struct({
  model: text("the vendor's id of a model").pipe(
    Schema.annotateKey({ messageMissingKey: "is missing: name the model by its vendor's id, such as gpt-4o" }),
  ),
  weight: optional(amount),
  limits: optional(Limits),
  capabilities: optional(
    Schema.Struct({
      tools: optional(flag),
      vision: optional(flag),
      audio: optional(flag),
      files: optional(flag),
      jsonSchema: optional(flag),
      reasoning: optional(flag),
      embeddings: optional(flag),
      prefill: optional(flag),
      contextWindow: optional(count),
      maxOutput: optional(count),
    }),
  ),
  operations: optional(
    Schema.Array(Schema.Literals(names).annotate({ expected: `one of ${names.join(", ")}` })).annotate({
      expected: `a list of ${names.join(", ")}`,
    }),
  ),
  price: optional(
    Schema.Struct({
      ...rates,
      units: optional(Schema.Struct(units)),
      tiers: optional(
        Schema.Array(
          Schema.Struct({
            ...rates,
            above: count.pipe(
              Schema.annotateKey({
                messageMissingKey: "is missing: set the input tokens above which these prices hold",
              }),
            ),
          }).annotate({ expected: tier }),
        ).annotate({ expected: `a list of prices by input tokens, such as [${tier}]` }),
      ),
    }),
  ),
  params: optional(Params),
  force: optional(Params),
  retry: optional(Policies.Retry.part),
  timeout: optional(Policies.Timeout.deployment),
  circuit: optional(Policies.Circuit),
  cooldown: optional(Policies.Cooldown),
  unsupportedParams: optional(Policies.UnsupportedParams),
  faults: optional(Faults),
})

/** The keys of every deployment whose vendor has an `apiKey`: several in its place, one for each account. */
export const Accounts = Schema.Struct({ apiKeys: optional(secrets) })

/** A decoded deployment: its vendor, the vendor's keys, its API keys if it has several, and the common options. */
export interface Settings<Name extends VendorName = VendorName> extends Deployment.Options {
  readonly provider: Name
  readonly keys: KeysOf<Name>
  readonly apiKeys?: ReadonlyArray<Redacted.Redacted> | undefined
}

/** The deployment with each of its accounts alone, in their order, and the path of the account's key below it. */
export const accounts = <Name extends VendorName>({
  apiKeys,
  ...deployment
}: Settings<Name>): ReadonlyArray<{ readonly settings: Settings<Name>; readonly path: string }> =>
  apiKeys === undefined
    ? [{ settings: deployment, path: "apiKey" }]
    : apiKeys.map((apiKey, index) => ({
        settings: { ...deployment, keys: { ...deployment.keys, apiKey } },
        path: `apiKeys[${index}]`,
      }))

type Failure = ReadonlyArray<Problem>

/** Decodes a deployment. Error messages are about the vendor named in `provider`. */
export const read = (input: unknown, place: Location): Result.Result<Settings, Failure> => {
  if (!Predicate.isObject(input)) return Result.fail([invalidValue(place.path, expected, place.source)])
  const provider = input["provider"]
  return isVendor(provider) ? readAs(provider, input, place) : Result.fail([noVendor(input, within(place, "provider"))])
}

const expected = "a mapping such as { provider: openai, model: gpt-4o }"

const noVendor = (input: object, { path, source }: Location): Problem => {
  const known = vendorNames.join(", ")
  if (!("provider" in input)) return { path, message: `is missing: set it to one of ${known}` }
  const suggestion = Predicate.isString(source) ? didYouMean(source, vendorNames) : ""
  return { path, message: `expected one of ${known}, found ${describeValue(source)}${suggestion}` }
}

const readAs = <Name extends VendorName>(
  provider: Name,
  input: Readonly<Record<string, unknown>>,
  place: Location,
): Result.Result<Settings<Name>, Failure> => {
  const vendor = byName[provider]
  const ofVendor = Object.keys(vendor.keys.fields).flatMap((key) => (key === "apiKey" ? [key, "apiKeys"] : [key]))
  const known = ["provider", ...Object.keys(Common.fields), ...ofVendor]
  const unknownKeys = Object.keys(input)
    .filter((key) => !known.includes(key))
    .map((key) => unknownKey(place.path, key, known, elsewhere(provider)(key)))
  const common = Result.flatMap(
    decode(Common, only(input, Common.fields), place, Policies.wrongPlaceHint),
    (common) => {
      const problem = VendorOperations.problem(provider, common.operations ?? [])
      return problem === undefined
        ? Result.succeed(common)
        : Result.fail([{ path: within(place, "operations").path, message: problem }])
    },
  )
  const keys = decode(vendor.keys, only(input, vendor.keys.fields), place)
  const accounts = Result.flatMap(
    decode(Accounts, hasApiKey(provider) ? only(input, Accounts.fields) : {}, place),
    (accounts) => distinct(accounts, input, place),
  )
  return Result.isSuccess(common) && Result.isSuccess(keys) && Result.isSuccess(accounts) && unknownKeys.length === 0
    ? Result.succeed({ ...common.success, ...accounts.success, provider, keys: keys.success })
    : Result.fail([...unknownKeys, ...failures(common), ...failures(keys), ...failures(accounts)])
}

const hasApiKey = (provider: VendorName): boolean => Object.hasOwn(byName[provider].keys.fields, "apiKey")

/** A second list of keys, or the same key twice, is a mistake: its limits would count twice. */
const distinct = <A extends { readonly apiKeys?: ReadonlyArray<Redacted.Redacted> }>(
  accounts: A,
  input: Readonly<Record<string, unknown>>,
  place: Location,
): Result.Result<A, Failure> => {
  const { apiKeys = [] } = accounts
  const { path } = within(place, "apiKeys")
  const values = apiKeys.map(Redacted.value)
  const problems = values.flatMap((value, index) => {
    const first = values.indexOf(value)
    return first === index
      ? []
      : [{ path: `${path}[${index}]`, message: `is the same key as ${path}[${first}]: list each key once` }]
  })
  if (apiKeys.length > 0 && "apiKey" in input) {
    problems.push({ path, message: "apiKey is set too: move it into the list, and remove apiKey" })
  }
  return problems.length === 0 ? Result.succeed(accounts) : Result.fail(problems)
}

const only = (input: Readonly<Record<string, unknown>>, fields: Schema.Struct.Fields): Record<string, unknown> =>
  Object.fromEntries(Object.entries(input).filter(([key]) => Object.hasOwn(fields, key)))

const failures = (result: Result.Result<unknown, Failure>): Failure => (Result.isFailure(result) ? result.failure : [])

const elsewhere =
  (provider: VendorName): Hint =>
  (key) => {
    if (key === "accept") return "set it on a route"
    if (key === "stream") return "set it on a route or under `defaults`"
    if (key === "queue") return "set it under `limits`"
    if (key === "cache" || key === "sse" || key === "shadow") return Policies.wrongPlaceHint(key)
    const owners = vendorNames.filter((name) =>
      key === "apiKeys" ? hasApiKey(name) : Object.hasOwn(byName[name].keys.fields, key),
    )
    return owners.length === 0 ? undefined : `a key of ${some(owners)}, not of ${provider}`
  }

const some = (owners: ReadonlyArray<string>): string =>
  owners.length <= 3 ? owners.join(" and ") : `${owners.slice(0, 2).join(", ")} and others`

/** What the layer of one account is made of: equal settings make equal providers. */
export interface ProviderSettings<Name extends VendorName = VendorName> {
  readonly provider: Name
  readonly keys: KeysOf<Name>
  readonly context: DeploymentContext
}

/** Those of each account of a deployment. `connectTimeout` is the default for `timeout.connect`. */
export const providerSettings = <Name extends VendorName>(
  name: string,
  settings: Settings<Name>,
  connectTimeout: DeploymentContext["connectTimeout"],
): ReadonlyArray<ProviderSettings<Name>> =>
  accounts(settings).map(({ settings: { keys, model, provider, timeout } }) => ({
    provider,
    keys,
    context: { name, model, connectTimeout: timeout?.connect ?? connectTimeout },
  }))

/** The layer of one account. */
export const layer = <Name extends VendorName>({ context, keys, provider }: ProviderSettings<Name>): ProviderLayer =>
  byName[provider].layer(keys, context)

/** The deployment with the layer of each of its accounts. */
export const toDeployment = (
  { apiKeys: _apiKeys, keys: _keys, provider: vendor, ...options }: Settings,
  layers: ReadonlyArray<ProviderLayer>,
): Deployment.Deployment<ProviderStartError | Config.ConfigError> => {
  const [only, ...others] = layers
  return Deployment.make({ ...options, vendor, provider: only !== undefined && others.length === 0 ? only : layers })
}
