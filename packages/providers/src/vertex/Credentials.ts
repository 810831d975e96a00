/**
 * The credentials for Vertex AI, and the access tokens that `google-auth-library` gets for them.
 *
 * Options take precedence: an access token, then credentials. Without them `GOOGLE_APPLICATION_CREDENTIALS` names a file;
 * without it, the library searches the file of `gcloud auth application-default login`, and asks the metadata server.
 *
 * A file is read for each token, so that a replaced file is used with the next one.
 */
import * as HttpStatusReason from "@understudy/core/internal/model/HttpStatusReason"
import type { Reason } from "@understudy/core/ProviderError"
import { ProviderError } from "@understudy/core/ProviderError"
import type * as GoogleAuthLibrary from "google-auth-library"
import { createPrivateKey } from "node:crypto"
import { readFile } from "node:fs/promises"
import * as Config from "effect/Config"
import * as Duration from "effect/Duration"
import * as Effect from "effect/Effect"
import * as Predicate from "effect/Predicate"
import * as Redacted from "effect/Redacted"
import * as Result from "effect/Result"
import type { Dispatcher } from "undici"
import * as Json from "../protocols/Json.ts"
import * as Start from "../ProviderStartError.ts"
import { ProviderStartError } from "../ProviderStartError.ts"
import type * as Secret from "../Secret.ts"
import * as NetworkError from "../transport/NetworkError.ts"
import * as TokenFetch from "./TokenFetch.ts"
import type { Token } from "./Tokens.ts"

export interface Options {
  /**
   * Credentials in Google's JSON format, or the path of a file with them: a service account, an authorized user, or an
   * external account (workload identity federation). Default: Application Default Credentials; with a `baseUrl` that is not
   * Google's, none.
   */
  readonly credentials?: Secret.Secret | undefined
  /** An access token, which is not refreshed: for a proxy that replaces it, or for a trial. */
  readonly accessToken?: Secret.Secret | undefined
}

// ---------------------------------------------------------------------------------------------------------------------
// Sources
// ---------------------------------------------------------------------------------------------------------------------

/** Where tokens come from. */
export type Source =
  | { readonly _tag: "None" }
  | { readonly _tag: "AccessToken"; readonly token: Redacted.Redacted }
  | Library

/** The library gets tokens. */
export interface Library {
  readonly _tag: "Library"
  /** The credentials as text; `undefined` if the library searches them. */
  readonly text: Redacted.Redacted | undefined
  /** The credentials now. */
  readonly read: Effect.Effect<Json.Fields | undefined, string>
  /** Where the credentials are from, for messages. */
  readonly from: string
}

/** Reads the options and the environment, and the file that they name. `isGoogle`: whether requests are sent to Google. */
export const resolve = Effect.fnUntraced(function* (
  options: Options,
  isGoogle: boolean,
): Effect.fn.Return<Source, ProviderStartError | Config.ConfigError> {
  const credentials = yield* reveal(options.credentials)
  const token = yield* reveal(options.accessToken)
  if (token !== undefined) {
    return credentials === undefined
      ? { _tag: "AccessToken", token }
      : yield* startError("both credentials and accessToken are set: remove one of them")
  }
  if (credentials === undefined) {
    if (!isGoogle) return { _tag: "None" }
    const path = yield* variable("GOOGLE_APPLICATION_CREDENTIALS")
    return path === undefined ? applicationDefault : yield* fromFile(path, "GOOGLE_APPLICATION_CREDENTIALS")
  }
  const text = Redacted.value(credentials).trim()
  // A text that is no path may be a secret in another form: it is not shown.
  if (!text.startsWith("{")) return yield* fromFile(text, "credentials", "credentials: neither JSON, nor a file that")
  const fields = parse(text)
  if (Result.isFailure(fields)) return yield* startError(`credentials ${fields.failure}`)
  return { _tag: "Library", text: credentials, read: Effect.succeed(fields.success), from: "credentials" }
})

const applicationDefault: Library = {
  _tag: "Library",
  text: undefined,
  read: Effect.undefined,
  from: "Application Default Credentials",
}

/** The credentials in a file. `unread` begins the message that there is no such file. */
const fromFile = Effect.fnUntraced(function* (
  path: string,
  key: string,
  unread = `${key}: ${path} is no file that`,
): Effect.fn.Return<Library, ProviderStartError> {
  const from = `${key} (${path})`
  const text = Effect.tryPromise({ try: () => readFile(path, "utf8"), catch: codeOf })
  const read = text.pipe(
    Effect.mapError((code) => `the file cannot be read: ${code}`),
    Effect.flatMap((text) => Effect.fromResult(parse(text))),
  )
  const found = yield* Effect.catch(text, (code) => startError(`${unread} can be read: ${code}`))
  const fields = parse(found)
  if (Result.isFailure(fields)) return yield* startError(`${from} ${fields.failure}`)
  return { _tag: "Library", text: Redacted.make(found), read, from }
})

/** The code of an error of a file system, such as `ENOENT`. */
const codeOf = (error: unknown): string =>
  Predicate.hasProperty(error, "code") && Predicate.isString(error.code) ? error.code : "unknown error"

const reveal = (secret: Secret.Secret | undefined): Effect.Effect<Redacted.Redacted | undefined, Config.ConfigError> =>
  secret === undefined || Redacted.isRedacted(secret) ? Effect.succeed(secret) : secret

/** An environment variable; `undefined` if it is not set or empty. */
export const variable = (name: string): Config.Config<string | undefined> =>
  Config.withDefault(Config.NonEmptyString(name), undefined)

export const startError = (message: string) => Effect.fail(new ProviderStartError({ provider: "vertex", message }))

/** The kinds of credentials, and the fields that each requires. */
const kinds: Readonly<Record<string, ReadonlyArray<string>>> = {
  service_account: ["client_email", "private_key"],
  authorized_user: ["client_id", "client_secret", "refresh_token"],
  external_account: ["audience", "subject_token_type", "credential_source"],
  external_account_authorized_user: ["client_id", "client_secret", "refresh_token", "token_url"],
  impersonated_service_account: ["source_credentials", "service_account_impersonation_url"],
}

/** Reads credentials in Google's JSON format. The failure completes a sentence about them. */
const parse = (text: string): Result.Result<Json.Fields, string> => {
  const fields = Json.parseObject(text)
  if (fields === undefined) return Result.fail("must be a JSON object, in the format of Google's credentials files")
  const type = Json.string(fields["type"])
  const required = Object.hasOwn(kinds, type) ? kinds[type] : undefined
  if (required === undefined) {
    return Result.fail(`must have a "type": one of ${Object.keys(kinds).join(", ")}`)
  }
  const missing = required.filter((name) => fields[name] === undefined)
  if (missing.length > 0) return Result.fail(`must have ${missing.map((name) => `"${name}"`).join(", ")} (${type})`)
  const problem =
    keyProblem(fields["private_key"]) ?? keyProblem(Json.fields(fields["source_credentials"])["private_key"])
  if (problem !== undefined) return Result.fail(problem)
  const universe = Json.nonEmptyString(fields["universe_domain"]) ?? "googleapis.com"
  return universe === "googleapis.com"
    ? Result.succeed(fields)
    : Result.fail(`belong to the universe ${universe}: only googleapis.com is supported`)
}

/** The problem of a private key that no request can be signed with. None of the key is shown. */
const keyProblem = (key: unknown): string | undefined => {
  if (key === undefined) return undefined
  const read = Predicate.isString(key) ? Result.try(() => createPrivateKey(key)) : Result.fail(undefined)
  if (Result.isSuccess(read)) {
    const { asymmetricKeyType } = read.success
    return asymmetricKeyType === "rsa" ? undefined : `must have an RSA key as "private_key": ${newKey}`
  }
  return Predicate.isString(key) && key.includes(String.raw`\n`)
    ? String.raw`have a "private_key" with a backslash and an n in place of each line break: its JSON must have \n there, with one backslash`
    : `must have a PEM key as "private_key", from -----BEGIN PRIVATE KEY----- to the end, with its line breaks: ${newKey}`
}

const newKey = "copy it from the JSON file that Google Cloud issued, or create a new key of the service account"

/** The project of the credentials, if they name one. */
export const projectOf = (source: Source): string | undefined =>
  source._tag === "Library" && source.text !== undefined
    ? Json.nonEmptyString(Json.fields(Json.parse(Redacted.value(source.text)))["project_id"])
    : undefined

/** The secrets known at the start: a token, and the secret fields of credentials. */
export const secrets = (source: Source): ReadonlyArray<Redacted.Redacted> => {
  if (source._tag === "AccessToken") return [source.token]
  if (source._tag === "None" || source.text === undefined) return []
  const fields = Json.fields(Json.parse(Redacted.value(source.text)))
  const all = [fields, Json.fields(fields["source_credentials"])]
  return all.flatMap((each) =>
    secretFields.flatMap((name) => {
      const secret = Json.nonEmptyString(each[name])
      return secret === undefined ? [] : [Redacted.make(secret)]
    }),
  )
}

const secretFields = ["private_key", "client_secret", "refresh_token"]

// ---------------------------------------------------------------------------------------------------------------------
// Tokens
// ---------------------------------------------------------------------------------------------------------------------

const scopes = ["https://www.googleapis.com/auth/cloud-platform"]

/** Where the library's requests go, and what it learns. */
export interface Context {
  readonly dispatcher: Dispatcher
  /** Called with each token. */
  readonly onToken: (token: string) => void
}

type Sdk = Pick<typeof GoogleAuthLibrary, "GoogleAuth" | "gcpMetadata">

/** Loads the library. */
export const load: Effect.Effect<Sdk, ProviderStartError> = Start.sdk(
  "vertex",
  "google-auth-library",
  () => import("google-auth-library"),
)

/** Gets a token from the library, in one attempt. */
export const fetchToken = (
  sdk: Sdk,
  { from, read }: Library,
  { dispatcher, onToken }: Context,
): Effect.Effect<Token, ProviderError> => {
  const fail = (detail: string, reason: Reason = { _tag: "Authentication" }) =>
    new ProviderError({ reason, message: `no access token from ${from}: ${detail}` })
  return Effect.flatMap(
    Effect.mapError(read, (problem) => fail(problem)),
    (credentials) =>
      Effect.tryPromise({
        try: (signal) => authorize(sdk, credentials, dispatcher, signal),
        catch: (failure) => classify(failure, credentials, fail),
      }),
  ).pipe(
    Effect.timeoutOrElse({
      duration: maxFetch,
      orElse: () =>
        Effect.fail(
          fail(`no response within ${Duration.toSeconds(maxFetch)} s`, { _tag: "Timeout", phase: "connect" }),
        ),
    }),
    Effect.flatMap(({ expiry, headers }) => {
      const bearer = /^Bearer (.+)$/.exec(headers.get("authorization") ?? "")?.[1]
      // The library takes any response for a token.
      if (bearer === undefined || bearer === "undefined") return Effect.fail(fail("the response has no token"))
      onToken(bearer)
      return Effect.clockWith((clock) =>
        Effect.succeed({
          headers: [...headers].flat(),
          expiresAt: expiry ?? clock.currentTimeMillisUnsafe() + shortLife,
        }),
      )
    }),
  )
}

/** The headers that authorize a request, from a client of the library, and the end of their validity. */
const authorize = (
  { GoogleAuth, gcpMetadata }: Sdk,
  credentials: Json.Fields | undefined,
  dispatcher: Dispatcher,
  signal: AbortSignal,
) => {
  const tokenUri = Json.nonEmptyString(credentials?.["token_uri"]) ?? TokenFetch.tokenAddress
  const auth = new GoogleAuth({
    scopes,
    // Without a project the library runs `gcloud` and asks the metadata server for one.
    projectId: "-",
    ...(credentials === undefined ? undefined : { credentials: credentials as GoogleAuthLibrary.JWTInput }),
    clientOptions: {
      transporterOptions: {
        fetchImplementation: TokenFetch.make(dispatcher, signal, tokenUri),
        retryConfig: { retry: 0, noResponseRetries: 0 },
      },
      ...(tokenUri === TokenFetch.tokenAddress
        ? undefined
        : { additionalClaims: { aud: tokenUri }, endpoints: { oauth2TokenUrl: tokenUri } }),
    },
  })
  // The library remembers that the metadata server did not answer, for the life of the process.
  if (credentials === undefined) gcpMetadata.resetIsAvailableCache()
  return auth
    .getClient()
    .then((client) =>
      client.getRequestHeaders().then((headers) => ({ headers, expiry: client.credentials.expiry_date })),
    )
}

/** The longest time for a token, with all of its exchanges. */
const maxFetch = Duration.seconds(20)

/** The validity of a token that comes without one. */
const shortLife = 300_000

/** The `ProviderError` of a failed exchange. The library's error contains the request, with its secrets: it is not kept. */
const classify = (
  failure: unknown,
  credentials: Json.Fields | undefined,
  fail: (detail: string, reason?: Reason) => ProviderError,
): ProviderError => {
  const detail = Predicate.isError(failure) ? failure.message : String(failure)
  const status = statusOf(failure)
  if (status !== undefined) {
    const summary = detail.includes(String(status)) ? detail : `${detail} (${status})`
    const reason = HttpStatusReason.of(status)
    return fail(summary, status === 400 || status === 404 ? { _tag: "Authentication" } : reason)
  }
  const known = NetworkError.classify(failure)
  if (known !== undefined) return fail(known.message, known.reason)
  return credentials === undefined && /default credentials/i.test(detail)
    ? fail(
        "there are none: set credentials on the deployment or GOOGLE_APPLICATION_CREDENTIALS, run `gcloud auth application-default login`, or run on Google Cloud with a service account",
      )
    : fail(detail)
}

const statusOf = (failure: unknown): number | undefined => {
  const { response, status } = Json.fields(failure)
  const found = Predicate.isNumber(status) ? status : Json.fields(response)["status"]
  return Predicate.isNumber(found) && found >= 300 ? found : undefined
}
