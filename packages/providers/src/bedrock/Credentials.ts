/**
 * Who asks Bedrock: a bearer key, static keys, whatever AWS's own chain finds (a profile, SSO, a container's or an
 * instance's role), or a role that one of the latter two assumes.
 *
 * What the options say comes first: a bearer key, then static keys, then a profile. Where they say nothing, the
 * environment is asked in the order the SDK has: `AWS_BEARER_TOKEN_BEDROCK`, `AWS_PROFILE`, `AWS_ACCESS_KEY_ID` with
 * `AWS_SECRET_ACCESS_KEY` and `AWS_SESSION_TOKEN`, and then the chain.
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
  /** The role to assume with what was found: its ARN. */
  readonly roleArn?: string | undefined
  /** What AWS's logs call the one who assumed it; `understudy` if not said. */
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
      /** Where roles are given out, if not at the region's own address. */
      readonly endpoint: string | undefined
    }

/** Called with an identity, fields of texts, whenever the SDK finds one. */
export type Note = (identity: unknown) => void

/** What can sign, and so assume a role. */
export type Signing =
  | {
      readonly _tag: "Keys"
      readonly accessKeyId: Redacted.Redacted
      readonly secretAccessKey: Redacted.Redacted
      readonly sessionToken: Redacted.Redacted | undefined
    }
  | { readonly _tag: "Chain"; readonly profile: string | undefined }

/** Reads what the options and the environment hold. The chain is not tried yet: what it finds may expire and be renewed. */
export const resolve = Effect.fnUntraced(function* (
  options: Options,
): Effect.fn.Return<Credentials, ProviderStartError | Config.ConfigError> {
  const bearer = yield* reveal(options.bearerToken)
  if (options.roleArn !== undefined) {
    if (bearer !== undefined) return yield* lacking("a bearer key assumes no role: leave out bearerToken or roleArn")
    return {
      _tag: "Role",
      arn: options.roleArn,
      sessionName: options.roleSessionName ?? "understudy",
      assumedBy: yield* signing(options),
      endpoint: yield* variable("AWS_ENDPOINT_URL_STS"),
    }
  }
  if (bearer !== undefined) return bearing(bearer)
  const isSaid =
    options.accessKeyId !== undefined || options.secretAccessKey !== undefined || options.profile !== undefined
  const borne = isSaid ? undefined : yield* Secret.read(undefined, "AWS_BEARER_TOKEN_BEDROCK")
  return borne === undefined ? yield* signing(options) : bearing(borne)
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

const bearing = (token: Redacted.Redacted): Credentials => ({ _tag: "Bearer", token })

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

/** An environment variable; one that is empty is not set. */
export const variable = (name: string): Config.Config<string | undefined> =>
  Config.withDefault(Config.NonEmptyString(name), undefined)

/** The credentials that are known from the start; those of a chain or a role are found later: see `found`. */
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

/** The texts of credentials as the SDK has them: keys, or a token. */
export const found = (identity: unknown): ReadonlyArray<string> =>
  Predicate.isObject(identity)
    ? ["accessKeyId", "secretAccessKey", "sessionToken", "token"].flatMap((name) => {
        const value = identity[name]
        return Predicate.isString(value) ? [value] : []
      })
    : []

/** Where they come from, for a message that says there are none. */
export const describe = (credentials: Credentials): string => {
  switch (credentials._tag) {
    case "Bearer":
      return "the bearer token given"
    case "Keys":
      return "the keys given"
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
 * The SDK's words for it. The scheme is always said: left to itself, the SDK would look at the environment once more.
 * `roles` is there wherever a role is to be assumed; `note` hears of what the chain finds and of what the role gets;
 * `requestHandler` is how it is asked for, if not the SDK's own way.
 */
export const clientConfig = (
  credentials: Credentials,
  roles: RoleSdk | undefined,
  note: Note,
  requestHandler?: NodeHttpHandler,
): BedrockRuntimeClientConfig => {
  switch (credentials._tag) {
    case "Bearer":
      return { token: { token: Redacted.value(credentials.token) }, authSchemePreference: ["httpBearerAuth"] }
    case "Keys":
      return { credentials: asKeys(credentials), authSchemePreference: ["sigv4"] }
    case "Role":
      return {
        ...profileOf(credentials.assumedBy),
        ...(roles === undefined ? undefined : { credentials: assume(credentials, roles, note, requestHandler) }),
        authSchemePreference: ["sigv4"],
      }
    case "Chain":
      return { ...profileOf(credentials), authSchemePreference: ["sigv4"] }
  }
}

/** It may name the region too. */
const profileOf = (signing: Signing): { readonly profile?: string } =>
  signing._tag === "Chain" && signing.profile !== undefined ? { profile: signing.profile } : {}

const asKeys = ({ accessKeyId, secretAccessKey, sessionToken }: Extract<Signing, { readonly _tag: "Keys" }>) => ({
  accessKeyId: Redacted.value(accessKeyId),
  secretAccessKey: Redacted.value(secretAccessKey),
  ...(sessionToken === undefined ? undefined : { sessionToken: Redacted.value(sessionToken) }),
})

/** The chain, which says no more of a refusal than that. */
const quiet =
  <Context, Identity>(chain: (context: Context) => Promise<Identity>) =>
  (context: Context): Promise<Identity> =>
    chain(context).catch((failure: unknown) => Promise.reject(refusal(failure)))

/** The role's keys, which the SDK keeps and renews. A role that is refused is a lack of credentials, nobody's request. */
const assume = (
  { arn, assumedBy, endpoint, sessionName }: Extract<Credentials, { readonly _tag: "Role" }>,
  roles: RoleSdk,
  note: Note,
  requestHandler: NodeHttpHandler | undefined,
): NonNullable<BedrockRuntimeClientConfig["credentials"]> => {
  const noted =
    <Context, Identity>(provide: (context: Context) => Promise<Identity>) =>
    (context: Context): Promise<Identity> =>
      provide(context).then((identity) => {
        note(identity)
        return identity
      })
  const provider = roles.fromTemporaryCredentials({
    params: { RoleArn: arn, RoleSessionName: sessionName },
    masterCredentials:
      assumedBy._tag === "Keys" ? asKeys(assumedBy) : noted(quiet(roles.fromNodeProviderChain(profileOf(assumedBy)))),
    clientConfig: {
      maxAttempts: 1,
      ...(endpoint === undefined ? undefined : { endpoint }),
      ...(requestHandler === undefined ? undefined : { requestHandler }),
    },
  })
  return (identity) =>
    noted(provider)(identity).catch((failure: unknown) =>
      Promise.reject(isRefused(failure) ? lack(failure.message) : failure),
    )
}

/**
 * What a service that gives out credentials said, where the SDK asked it by itself: no more than its name and status, for it
 * may repeat a token that only the SDK has read. A refusal is a lack of credentials, nobody's request.
 */
export const refusal = (failure: unknown): unknown => {
  if (!isAnswered(failure)) return failure
  const status = statusOf(failure)
  const words = `${failure.name} (${status})`
  return status < 500
    ? lack(words)
    : Object.assign(new Error(words), { name: failure.name, $metadata: { httpStatusCode: status } })
}

/**
 * Why nothing could be signed: `refusal`, unless no file can be opened just now. For the SDK takes files that cannot be opened
 * for files that are not there.
 */
export const unsigned = (failure: unknown): Promise<unknown> =>
  open(devNull).then(
    (file) => file.close().then(() => refusal(failure)),
    (error: unknown) => error,
  )

const lack = (message: string): Error => Object.assign(new Error(message), { name: "CredentialsProviderError" })

type Answered = Error & { readonly $metadata: Readonly<Record<PropertyKey, unknown>> }

const isAnswered = (failure: unknown): failure is Answered =>
  Predicate.isError(failure) && "$metadata" in failure && Predicate.isObject(failure.$metadata)

const statusOf = ({ $metadata }: Answered): number => Number($metadata["httpStatusCode"] ?? 500)

const isRefused = (failure: unknown): failure is Answered => isAnswered(failure) && statusOf(failure) < 500
