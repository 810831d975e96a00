/**
 * The vendors of a configuration's `provider` key. Each has the schema of its keys, its provider layer, and where its
 * credentials and model ids come from. A new vendor is one entry; one that speaks OpenAI's protocol is one entry in
 * `openai/Compatible.ts` instead.
 */
import type { Name as Operation } from "@understudy/core/Operation"
import type { Provider } from "@understudy/core/Provider"
import type * as Config from "effect/Config"
import type * as Duration from "effect/Duration"
import * as Effect from "effect/Effect"
import * as Layer from "effect/Layer"
import * as Record from "effect/Record"
import * as Schema from "effect/Schema"
import * as Guardrail from "./bedrock/Guardrail.ts"
import { DurationText } from "./config/DurationText.ts"
import {
  address,
  countOrNone,
  errorStatus,
  flag,
  hidden,
  number,
  proxy,
  secret,
  secretText,
  text,
  textOrNumber,
  word,
} from "./config/Fields.ts"
import { isLocal } from "./Local.ts"
import { apis } from "./openai/Api.ts"
import * as Compatible from "./openai/Compatible.ts"
import type * as OpenAi from "./openai/OpenAi.ts"
import type { ProviderStartError } from "./ProviderStartError.ts"
import * as Vertex from "./vertex/Api.ts"

/** The layer of a vendor's provider. */
export type ProviderLayer = Layer.Layer<Provider, ProviderStartError | Config.ConfigError>

/** The context of a layer besides its vendor's keys. */
export interface DeploymentContext {
  /** The deployment's name, and its model's id. */
  readonly name: string
  readonly model: string
  readonly connectTimeout: Duration.Input | undefined
}

/** A vendor: the schema of its keys, its layer, and hints for error messages. */
export interface Vendor<Fields extends Schema.Struct.Fields = Schema.Struct.Fields> {
  readonly keys: Schema.Struct<Fields>
  readonly layer: (keys: Schema.Struct.Type<Fields>, context: DeploymentContext) => ProviderLayer
  /** The sources of its credentials: the deployment's keys, else environment variables. */
  readonly credentials: { readonly keys: ReadonlyArray<string>; readonly variables: ReadonlyArray<string> }
  /** The form of its model ids and how to get access, for the message about a model that was not found. */
  readonly models: string
  /** The address of its status page. */
  readonly statusPage?: string | undefined
  /** The operations besides chat and embeddings that it is known to have. Default: none. */
  readonly operations?: ReadonlySet<Operation> | undefined
  /** Whether a deployment may list others, as with OpenAI's protocol, in which requests of all operations can be sent. */
  readonly anyOperation?: boolean | undefined
}

const vendor = <const Fields extends Schema.Struct.Fields>(vendor: Vendor<Fields>): Vendor<Fields> => vendor

/** A layer whose module is loaded when it is built, so that a configuration loads the vendors that it names. */
const lazy = <Module>(load: () => Promise<Module>, layer: (module: Module) => ProviderLayer): ProviderLayer =>
  Layer.unwrap(Effect.map(Effect.promise(load), layer))

const openAi = (options: OpenAi.Options) =>
  lazy(
    () => import("./openai/OpenAi.ts"),
    ({ layer }) => layer(options),
  )

const optional = Schema.optionalKey

/** Unlike other secrets, it may be a path. */
const credentials = secretText('the path of a file with credentials, or its JSON, such as "${GOOGLE_CREDENTIALS}"')

const headers = optional(
  Schema.Record(Schema.String, hidden("a header's value, a text")).annotate({
    expected: 'a mapping of header names to texts, such as { "x-team": "search" }',
  }),
)

/** The keys of the vendors in `openai/Compatible.ts`. */
export const compatibleKeys = Schema.Struct({
  apiKey: optional(secret),
  baseUrl: optional(address("http://127.0.0.1:8000/v1")),
  headers,
  local: optional(flag),
  proxy: optional(proxy),
})

const compatible = Record.map(
  Compatible.vendors,
  ({ models, operations, statusPage, variable }: Compatible.Vendor, name: Compatible.Name) =>
    vendor({
      keys: compatibleKeys,
      layer: (keys, { connectTimeout }) =>
        openAi({
          ...keys,
          vendor: name,
          plainByStream: keys.local ?? isLocal(name, keys.baseUrl),
          connectTimeout,
        }),
      credentials: { keys: ["apiKey"], variables: variable === undefined ? [] : [variable] },
      models,
      statusPage,
      operations,
      anyOperation: true,
    }),
)

/** All vendors, by the name that `provider:` takes. */
export const vendors = {
  openai: vendor({
    keys: Schema.Struct({
      apiKey: optional(secret),
      baseUrl: optional(address("http://127.0.0.1:11434/v1")),
      organization: optional(text("the id of an organization")),
      api: optional(word(apis)),
      headers,
      local: optional(flag),
      proxy: optional(proxy),
    }),
    layer: (keys, { connectTimeout }) =>
      openAi({ ...keys, plainByStream: keys.local ?? isLocal("openai", keys.baseUrl), connectTimeout }),
    credentials: { keys: ["apiKey"], variables: ["OPENAI_API_KEY"] },
    models: "ids look like gpt-4o; a compatible endpoint lists its ids under /models",
    statusPage: "https://status.openai.com",
    operations: Compatible.ofOpenAi,
    anyOperation: true,
  }),
  anthropic: vendor({
    keys: Schema.Struct({
      apiKey: optional(secret),
      baseUrl: optional(address("https://api.anthropic.com")),
      headers,
      local: optional(flag),
      proxy: optional(proxy),
    }),
    layer: (keys, { connectTimeout }) =>
      lazy(
        () => import("./anthropic/Anthropic.ts"),
        ({ layer }) => layer({ ...keys, connectTimeout }),
      ),
    credentials: { keys: ["apiKey"], variables: ["ANTHROPIC_API_KEY"] },
    models: "ids look like claude-sonnet-4-5",
    statusPage: "https://status.claude.com",
  }),
  bedrock: vendor({
    keys: Schema.Struct({
      region: optional(text("an AWS region, such as us-east-1")),
      profile: optional(text("the name of a profile in the shared AWS files")),
      accessKeyId: optional(secret),
      secretAccessKey: optional(secret),
      sessionToken: optional(secret),
      bearerToken: optional(secret),
      roleArn: optional(text("the ARN of a role, such as arn:aws:iam::123456789012:role/bedrock")),
      roleSessionName: optional(text("a name for AWS's logs")),
      endpoint: optional(address("https://bedrock-runtime.us-east-1.amazonaws.com")),
      proxy: optional(proxy),
      guardrail: optional(
        Schema.Struct({
          id: text("the id or the ARN of a guardrail"),
          version: textOrNumber("a guardrail's version, such as 1 or DRAFT").pipe(
            Schema.annotateKey({ messageMissingKey: "is missing: a guardrail's number, or DRAFT" }),
          ),
          trace: optional(word(Guardrail.traces)),
          streaming: optional(word(Guardrail.streamings)),
        }).annotate({ expected: "a guardrail, such as { id: gr-1, version: 1 }" }),
      ),
      promptVariables: optional(
        Schema.Record(Schema.String, textOrNumber("a variable's value, a text")).annotate({
          expected: "a mapping of a prompt's variables to texts, such as { tone: formal }",
        }),
      ),
    }),
    layer: (keys, { connectTimeout, model }) =>
      lazy(
        () => import("./bedrock/Bedrock.ts"),
        ({ layer, regionOf }) => layer({ ...keys, region: keys.region ?? regionOf(model), connectTimeout }),
      ),
    credentials: {
      keys: ["bearerToken", "accessKeyId", "secretAccessKey", "sessionToken", "profile", "roleArn"],
      variables: ["AWS_BEARER_TOKEN_BEDROCK", "AWS_PROFILE", "AWS_ACCESS_KEY_ID", "AWS_SECRET_ACCESS_KEY"],
    },
    models:
      "access to a model is granted per region in the Bedrock console; most newer models need an inference profile, such as us.anthropic.claude-sonnet-4-5-20250929-v1:0",
    statusPage: "https://health.aws.amazon.com",
    operations: new Set(["rerank"]),
  }),
  gemini: vendor({
    keys: Schema.Struct({
      apiKey: optional(secret),
      baseUrl: optional(address("https://generativelanguage.googleapis.com")),
      apiVersion: optional(text("a version of the API, such as v1beta")),
      headers,
      local: optional(flag),
      proxy: optional(proxy),
    }),
    layer: (keys, { connectTimeout }) =>
      lazy(
        () => import("./gemini/Gemini.ts"),
        ({ layer }) => layer({ ...keys, connectTimeout }),
      ),
    credentials: { keys: ["apiKey"], variables: ["GEMINI_API_KEY", "GOOGLE_API_KEY"] },
    models: "ids look like gemini-2.5-flash",
    statusPage: "https://aistudio.google.com/status",
  }),
  vertex: vendor({
    keys: Schema.Struct({
      project: optional(text("the id of a Google Cloud project, such as search-prod-1")),
      location: optional(text("global, us, eu, or a region such as us-east5")),
      credentials: optional(credentials),
      accessToken: optional(secret),
      api: optional(word(Vertex.apis)),
      apiVersion: optional(text("a version of the API, such as v1beta1")),
      baseUrl: optional(address("https://us-east5-aiplatform.googleapis.com")),
      headers,
      proxy: optional(proxy),
    }),
    layer: (keys, { connectTimeout, model }) =>
      lazy(
        () => import("./vertex/Vertex.ts"),
        ({ layer }) => layer({ ...keys, api: keys.api ?? Vertex.apiOf(model), connectTimeout }),
      ),
    credentials: { keys: ["credentials", "accessToken"], variables: ["GOOGLE_APPLICATION_CREDENTIALS"] },
    models:
      "ids look like gemini-2.5-flash, claude-sonnet-4-5@20250929 or meta/llama-3.3-70b-instruct-maas; partners' and open models are enabled per project in Model Garden, and each model is served in some locations",
    statusPage: "https://status.cloud.google.com",
  }),
  azure: vendor({
    keys: Schema.Struct({
      apiKey: optional(secret),
      endpoint: optional(address("https://mine.openai.azure.com")),
      apiVersion: optional(text("the date of an API, such as 2024-10-21")),
      headers,
      proxy: optional(proxy),
    }),
    layer: (keys, { connectTimeout }) =>
      lazy(
        () => import("./openai/Azure.ts"),
        ({ layer }) => layer({ ...keys, connectTimeout }),
      ),
    credentials: { keys: ["apiKey"], variables: ["AZURE_OPENAI_API_KEY"] },
    models: "the id is the name of a deployment in the Azure resource",
    statusPage: "https://azure.status.microsoft",
    operations: Compatible.ofAzure,
    anyOperation: true,
  }),
  ...compatible,
  simulated: vendor({
    keys: Schema.Struct({
      seed: optional(number("a whole number", Number.isSafeInteger)),
      reply: optional(text("the text of every response")),
      latency: optional(DurationText),
      firstToken: optional(DurationText),
      tokenDelay: optional(DurationText),
      failureRate: optional(number("a share from 0 to 1", (value) => value >= 0 && value <= 1)),
      status: optional(errorStatus),
      retryAfter: optional(DurationText),
      disconnectAfterTokens: optional(countOrNone),
      stallAfterTokens: optional(countOrNone),
      outage: optional(
        Schema.Struct({ from: DurationText, for: DurationText }).annotate({
          expected: "a window, such as { from: 10s, for: 1m }",
        }),
      ),
    }),
    layer: (keys, { name }) =>
      lazy(
        () => import("./simulated/Simulated.ts"),
        ({ layer }) => layer({ ...keys, name }),
      ),
    credentials: { keys: [], variables: [] },
    models: "any id is accepted",
  }),
}

/** The name of a vendor, as `provider:` gives it. */
export type VendorName = keyof typeof vendors

/** The decoded keys of a vendor. */
export type KeysOf<Name extends VendorName> = (typeof vendors)[Name]["keys"]["Type"]

export const vendorNames = Object.keys(vendors) as ReadonlyArray<VendorName>

export const isVendor = (name: unknown): name is VendorName => vendorNames.some((each) => each === name)

/** The schema and the layer of each vendor, typed so that a name selects the keys that its layer takes. */
export const byName: {
  readonly [Name in VendorName]: {
    readonly keys: Schema.ConstraintDecoder<KeysOf<Name>> & { readonly fields: Schema.Struct.Fields }
    readonly layer: (keys: KeysOf<Name>, context: DeploymentContext) => ProviderLayer
  }
} = vendors
