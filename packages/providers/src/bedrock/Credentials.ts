/**
 * The credentials for Bedrock: a bearer key, static keys, AWS's default chain (a profile, SSO, a container's or an
 * instance's role), or a role that static keys or the chain assume.
 *
 * Options take precedence: a bearer key, then static keys, then a profile. Without them the environment is read in the
 * SDK's order: `AWS_BEARER_TOKEN_BEDROCK`, `AWS_PROFILE`, `AWS_ACCESS_KEY_ID` with `AWS_SECRET_ACCESS_KEY` and
 * `AWS_SESSION_TOKEN`, then the chain.
 */
import type { BedrockRuntimeClientConfig } from "@aws-sdk/client-bedrock-runtime"
import type { fromNodeProviderChain, fromTemporaryCredentials } from "@aws-sdk/credential-providers"
import type { NodeHttpHandler } from "@smithy/node-http-handler"
import * as Config from "effect/Config"
import * as Effect from "effect/Effect"
import * as Predicate from "effect/Predicate"
import * as Redacted from "effect/Redacted"
import { open } from "node:fs/promises"
import { devNull } from "node:os"
import { ProviderStartError } from "../ProviderStartError.ts"
import * as Secret from "../Secret.ts"

export interface Options {
  /** A profile of the shared AWS files. */
  readonly profile?: string | undefined
  readonly accessKeyId?: Secret.Secret | undefined
  readonly secretAccessKey?: Secret.Secret | undefined
  readonly sessionToken?: Secret.Secret | undefined
  /** A Bedrock API key, sent as a bearer token in place of a signature. */
  readonly bearerToken?: Secret.Secret | undefined
  /** The ARN of a role to assume with the other credentials. */
  readonly roleArn?: string | undefined
  /** The name of the role's session in AWS's logs. Default: `understudy`. */
  readonly roleSessionName?: string | undefined
}

export type Credentials =
  | { readonly _tag: "Bearer"; readonly token: Redacted.Redacted }
  | Signing
  | {
      readonly _tag: "Role"
      readonly arn: string
      readonly sessionName: string
      readonly assumedBy: Signing
      /** The address of STS. Default: the region's. */
      readonly endpoint: string | undefined
    }

/** Called with each identity that the SDK resolves: an object with text fields. */
export type OnIdentity = (identity: unknown) => void

/** Credentials that sign requests, and so can assume a role. */
export type Signing =
  | {
      readonly _tag: "Keys"
      readonly accessKeyId: Redacted.Redacted
      readonly secretAccessKey: Redacted.Redacted
      readonly sessionToken: Redacted.Redacted | undefined
    }
  | { readonly _tag: "Chain"; readonly profile: string | undefined }

/** Reads the options and the environment. The SDK resolves the chain with each request, because its credentials expire. */
export const resolve = Effect.fnUntraced(function* (
  options: Options,
): Effect.fn.Return<Credentials, ProviderStartError | Config.ConfigError> {
  const bearerToken = yield* reveal(options.bearerToken)
  if (options.roleArn !== undefined) {
    if (bearerToken !== undefined)
      return yield* lacking("a bearer key cannot assume a role: remove bearerToken or roleArn")
    return {
      _tag: "Role",
      arn: options.roleArn,
      sessionName: options.roleSessionName ?? "understudy",
      assumedBy: yield* signing(options),
      endpoint: yield* variable("AWS_ENDPOINT_URL_STS"),
    }
  }
  if (bearerToken !== undefined) return bearer(bearerToken)
  const isSet =
    options.accessKeyId !== undefined || options.secretAccessKey !== undefined || options.profile !== undefined
  const token = isSet ? undefined : yield* Secret.read(undefined, "AWS_BEARER_TOKEN_BEDROCK")
  return token === undefined ? yield* signing(options) : bearer(token)
})

const signing = Effect.fnUntraced(function* (
  options: Options,
): Effect.fn.Return<Signing, ProviderStartError | Config.ConfigError> {
  const accessKeyId = yield* reveal(options.accessKeyId)
  const secretAccessKey = yield* reveal(options.secretAccessKey)
  if (accessKeyId !== undefined || secretAccessKey !== undefined) {
    return yield* keys(accessKeyId, secretAccessKey, yield* reveal(options.sessionToken))
  }
  return options.profile === undefined ? yield* fromEnvironment : chain(options.profile)
})

const fromEnvironment = Effect.gen(function* () {
  const profile = yield* variable("AWS_PROFILE")
  if (profile !== undefined) return chain(profile)
  const accessKeyId = yield* Secret.read(undefined, "AWS_ACCESS_KEY_ID")
  const secretAccessKey = yield* Secret.read(undefined, "AWS_SECRET_ACCESS_KEY")
  return accessKeyId === undefined && secretAccessKey === undefined
    ? chain(undefined)
    : yield* keys(accessKeyId, secretAccessKey, yield* Secret.read(undefined, "AWS_SESSION_TOKEN"))
})

const bearer = (token: Redacted.Redacted): Credentials => ({ _tag: "Bearer", token })

const chain = (profile: string | undefined): Signing => ({ _tag: "Chain", profile })

const keys = (
  accessKeyId: Redacted.Redacted | undefined,
  secretAccessKey: Redacted.Redacted | undefined,
  sessionToken: Redacted.Redacted | undefined,
): Effect.Effect<Signing, ProviderStartError> => {
  if (accessKeyId !== undefined && secretAccessKey !== undefined) {
    return Effect.succeed({ _tag: "Keys", accessKeyId, secretAccessKey, sessionToken })
  }
  return lacking(
    accessKeyId === undefined
      ? "a secret access key without its id: set accessKeyId or AWS_ACCESS_KEY_ID"
      : "an access key id without its secret: set secretAccessKey or AWS_SECRET_ACCESS_KEY",
  )
}

const lacking = (message: string) => Effect.fail(new ProviderStartError({ provider: "bedrock", message }))

const reveal = (secret: Secret.Secret | undefined): Effect.Effect<Redacted.Redacted | undefined, Config.ConfigError> =>
  secret === undefined || Redacted.isRedacted(secret) ? Effect.succeed(secret) : secret

/** An environment variable; `undefined` if it is not set or empty. */
export const variable = (name: string): Config.Config<string | undefined> =>
  Config.withDefault(Config.NonEmptyString(name), undefined)

/** The secrets known at the start. Those of a chain or a role are known when they are resolved: see `secretsOf`. */
export const secrets = (credentials: Credentials): ReadonlyArray<Redacted.Redacted | undefined> => {
  switch (credentials._tag) {
    case "Bearer":
      return [credentials.token]
    case "Keys":
      return [credentials.accessKeyId, credentials.secretAccessKey, credentials.sessionToken]
    case "Role":
      return secrets(credentials.assumedBy)
    case "Chain":
      return []
  }
}

/** The secrets of an identity that the SDK resolved: keys, or a token. */
export const secretsOf = (identity: unknown): ReadonlyArray<string> =>
  Predicate.isObject(identity)
    ? ["accessKeyId", "secretAccessKey", "sessionToken", "token"].flatMap((name) => {
        const value = identity[name]
        return Predicate.isString(value) ? [value] : []
      })
    : []

/** The source of the credentials, for the message that there are none. */
export const describe = (credentials: Credentials): string => {
  switch (credentials._tag) {
    case "Bearer":
      return "the configured bearer token"
    case "Keys":
      return "the configured keys"
    case "Role":
      return `the role ${credentials.arn}, assumed by ${describe(credentials.assumedBy)}`
    case "Chain":
      return credentials.profile === undefined
        ? "the environment (AWS_BEARER_TOKEN_BEDROCK, AWS_PROFILE, AWS_ACCESS_KEY_ID with AWS_SECRET_ACCESS_KEY), the shared files or a role"
        : `the profile "${credentials.profile}"`
  }
}

/** The part of `@aws-sdk/credential-providers` that assumes roles. */
export interface RoleSdk {
  readonly fromNodeProviderChain: typeof fromNodeProviderChain
  readonly fromTemporaryCredentials: typeof fromTemporaryCredentials
}

/**
 * The SDK's settings for the credentials. The authentication scheme is always set: without it the SDK reads the environment
 * again. `roles` is needed to assume a role. `onIdentity` is called with the credentials of the chain and of the role.
 * `requestHandler` sends the requests for them; default: the SDK's own.
 */
export const clientConfig = (
  credentials: Credentials,
  roles: RoleSdk | undefined,
  onIdentity: OnIdentity,
  requestHandler?: NodeHttpHandler,
): BedrockRuntimeClientConfig => {
  switch (credentials._tag) {
    case "Bearer":
      return { token: { token: Redacted.value(credentials.token) }, authSchemePreference: ["httpBearerAuth"] }
    case "Keys":
      return { credentials: asKeys(credentials), authSchemePreference: ["sigv4"] }
    case "Role":
      return {
        ...chainOf(credentials.assumedBy),
        ...(roles === undefined ? undefined : { credentials: assume(credentials, roles, onIdentity, requestHandler) }),
        authSchemePreference: ["sigv4"],
      }
    case "Chain":
      return { ...chainOf(credentials), authSchemePreference: ["sigv4"] }
  }
}

/**
 * The profile, which may also set the region, and that the shared files are read each time: the SDK otherwise keeps the result
 * of the first read, of a missing file too, for the life of the process (`findings/aws-sdk-credentials-read-once.sh`).
 */
const chainOf = (signing: Signing): { readonly profile?: string; readonly ignoreCache?: boolean } => {
  if (signing._tag !== "Chain") return {}
  return signing.profile === undefined ? { ignoreCache: true } : { ignoreCache: true, profile: signing.profile }
}

const asKeys = ({ accessKeyId, secretAccessKey, sessionToken }: Extract<Signing, { readonly _tag: "Keys" }>) => ({
  accessKeyId: Redacted.value(accessKeyId),
  secretAccessKey: Redacted.value(secretAccessKey),
  ...(sessionToken === undefined ? undefined : { sessionToken: Redacted.value(sessionToken) }),
})

/** The chain, whose errors are replaced by `refusal`. */
const withRefusal =
  <Context, Identity>(chain: (context: Context) => Promise<Identity>) =>
  (context: Context): Promise<Identity> =>
    chain(context).catch((failure: unknown) => Promise.reject(refusal(failure)))

/** The role's keys, which the SDK caches and renews. A refused role is reported as missing credentials. */
const assume = (
  { arn, assumedBy, endpoint, sessionName }: Extract<Credentials, { readonly _tag: "Role" }>,
  roles: RoleSdk,
  onIdentity: OnIdentity,
  requestHandler: NodeHttpHandler | undefined,
): NonNullable<BedrockRuntimeClientConfig["credentials"]> => {
  const observed =
    <Context, Identity>(provide: (context: Context) => Promise<Identity>) =>
    (context: Context): Promise<Identity> =>
      provide(context).then((identity) => {
        onIdentity(identity)
        return identity
      })
  const provider = roles.fromTemporaryCredentials({
    params: { RoleArn: arn, RoleSessionName: sessionName },
    masterCredentials:
      assumedBy._tag === "Keys"
        ? asKeys(assumedBy)
        : observed(withRefusal(roles.fromNodeProviderChain(chainOf(assumedBy)))),
    clientConfig: {
      maxAttempts: 1,
      ...(endpoint === undefined ? undefined : { endpoint }),
      ...(requestHandler === undefined ? undefined : { requestHandler }),
    },
  })
  return (identity) =>
    observed(provider)(identity).catch((failure: unknown) =>
      Promise.reject(isRefused(failure) ? missing(failure.message) : failure),
    )
}

/**
 * The error of a credentials service that the SDK called: its name and status only, because the message may repeat a token
 * that only the SDK has read. A status below 500 is reported as missing credentials.
 */
export const refusal = (failure: unknown): unknown => {
  if (!isServiceError(failure)) return failure
  const status = statusOf(failure)
  const summary = `${failure.name} (${status})`
  return status < 500
    ? missing(summary)
    : Object.assign(new Error(summary), { name: failure.name, $metadata: { httpStatusCode: status } })
}

/**
 * Why a request could not be signed: `refusal`, unless no file can be opened now. The SDK treats files that cannot be opened
 * as missing.
 */
export const unsigned = (failure: unknown): Promise<unknown> =>
  open(devNull).then(
    (file) => file.close().then(() => refusal(failure)),
    (error: unknown) => error,
  )

const missing = (message: string): Error => Object.assign(new Error(message), { name: "CredentialsProviderError" })

/** Whether a request could not be signed because there are no credentials, as far as the SDK could read. */
export const isMissing = (failure: unknown): boolean =>
  Predicate.isError(failure) && failure.name === "CredentialsProviderError"

type ServiceError = Error & { readonly $metadata: Readonly<Record<PropertyKey, unknown>> }

const isServiceError = (failure: unknown): failure is ServiceError =>
  Predicate.isError(failure) && "$metadata" in failure && Predicate.isObject(failure.$metadata)

const statusOf = ({ $metadata }: ServiceError): number => Number($metadata["httpStatusCode"] ?? 500)

const isRefused = (failure: unknown): failure is ServiceError => isServiceError(failure) && statusOf(failure) < 500

/** Whether Bedrock rejected the credentials that a request was signed with. */
export const isRejected = (failure: unknown): boolean => {
  if (!isServiceError(failure)) return false
  const status = statusOf(failure)
  return status === 401 || status === 403
}

/** Whether reading the credentials again may give others: those of a chain, and of a role that a chain assumes. */
export const isRenewable = (credentials: Credentials): boolean =>
  credentials._tag === "Role" ? isRenewable(credentials.assumedBy) : credentials._tag === "Chain"
