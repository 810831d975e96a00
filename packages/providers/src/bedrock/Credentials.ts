/**
 * Who asks Bedrock: a bearer key, static keys, or whatever AWS's own chain finds (a profile, SSO, a container's or an
 * instance's role).
 *
 * What the options say comes first: a bearer key, then static keys, then a profile. Where they say nothing, the
 * environment is asked in the order the SDK has: `AWS_BEARER_TOKEN_BEDROCK`, `AWS_PROFILE`, `AWS_ACCESS_KEY_ID` with
 * `AWS_SECRET_ACCESS_KEY` and `AWS_SESSION_TOKEN`, and then the chain.
 */
import type { BedrockRuntimeClientConfig } from "@aws-sdk/client-bedrock-runtime"
import * as Config from "effect/Config"
import * as Effect from "effect/Effect"
import * as Redacted from "effect/Redacted"
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
}

export type Credentials =
  | { readonly _tag: "Bearer"; readonly token: Redacted.Redacted }
  | {
      readonly _tag: "Keys"
      readonly accessKeyId: Redacted.Redacted
      readonly secretAccessKey: Redacted.Redacted
      readonly sessionToken: Redacted.Redacted | undefined
    }
  | { readonly _tag: "Chain"; readonly profile: string | undefined }

/** Reads what the options and the environment hold. The chain is not tried yet: what it finds may expire and be renewed. */
export const resolve = Effect.fnUntraced(function* (options: Options) {
  const bearer = yield* reveal(options.bearerToken)
  if (bearer !== undefined) return bearing(bearer)
  const accessKeyId = yield* reveal(options.accessKeyId)
  const secretAccessKey = yield* reveal(options.secretAccessKey)
  if (accessKeyId !== undefined || secretAccessKey !== undefined) {
    return yield* keys(accessKeyId, secretAccessKey, yield* reveal(options.sessionToken))
  }
  return options.profile === undefined ? yield* fromEnvironment : chain(options.profile)
})

const fromEnvironment = Effect.gen(function* () {
  const bearer = yield* Secret.read(undefined, "AWS_BEARER_TOKEN_BEDROCK")
  if (bearer !== undefined) return bearing(bearer)
  const profile = yield* variable("AWS_PROFILE")
  if (profile !== undefined) return chain(profile)
  const accessKeyId = yield* Secret.read(undefined, "AWS_ACCESS_KEY_ID")
  const secretAccessKey = yield* Secret.read(undefined, "AWS_SECRET_ACCESS_KEY")
  return accessKeyId === undefined && secretAccessKey === undefined
    ? chain(undefined)
    : yield* keys(accessKeyId, secretAccessKey, yield* Secret.read(undefined, "AWS_SESSION_TOKEN"))
})

const bearing = (token: Redacted.Redacted): Credentials => ({ _tag: "Bearer", token })

const chain = (profile: string | undefined): Credentials => ({ _tag: "Chain", profile })

const keys = (
  accessKeyId: Redacted.Redacted | undefined,
  secretAccessKey: Redacted.Redacted | undefined,
  sessionToken: Redacted.Redacted | undefined,
): Effect.Effect<Credentials, ProviderStartError> => {
  if (accessKeyId !== undefined && secretAccessKey !== undefined) {
    return Effect.succeed({ _tag: "Keys", accessKeyId, secretAccessKey, sessionToken })
  }
  const message =
    accessKeyId === undefined
      ? "a secret access key without its id: set accessKeyId or AWS_ACCESS_KEY_ID"
      : "an access key id without its secret: set secretAccessKey or AWS_SECRET_ACCESS_KEY"
  return Effect.fail(new ProviderStartError({ provider: "bedrock", message }))
}

const reveal = (secret: Secret.Secret | undefined): Effect.Effect<Redacted.Redacted | undefined, Config.ConfigError> =>
  secret === undefined || Redacted.isRedacted(secret) ? Effect.succeed(secret) : secret

/** An environment variable; one that is empty is not set. */
export const variable = (name: string): Config.Config<string | undefined> =>
  Config.withDefault(Config.NonEmptyString(name), undefined)

/** What must never be seen in a message. */
export const secrets = (credentials: Credentials): ReadonlyArray<Redacted.Redacted | undefined> => {
  switch (credentials._tag) {
    case "Bearer":
      return [credentials.token]
    case "Keys":
      return [credentials.accessKeyId, credentials.secretAccessKey, credentials.sessionToken]
    case "Chain":
      return []
  }
}

/** Where they come from, for a message that says there are none. */
export const describe = (credentials: Credentials): string => {
  switch (credentials._tag) {
    case "Bearer":
      return "the bearer token given"
    case "Keys":
      return "the keys given"
    case "Chain":
      return credentials.profile === undefined
        ? "the environment (AWS_BEARER_TOKEN_BEDROCK, AWS_PROFILE, AWS_ACCESS_KEY_ID with AWS_SECRET_ACCESS_KEY), the shared files or a role"
        : `the profile "${credentials.profile}"`
  }
}

/** The SDK's words for it. The scheme is always said: left to itself, the SDK would look at the environment once more. */
export const clientConfig = (credentials: Credentials): BedrockRuntimeClientConfig => {
  switch (credentials._tag) {
    case "Bearer":
      return { token: { token: Redacted.value(credentials.token) }, authSchemePreference: ["httpBearerAuth"] }
    case "Keys": {
      const { accessKeyId, secretAccessKey, sessionToken } = credentials
      return {
        credentials: {
          accessKeyId: Redacted.value(accessKeyId),
          secretAccessKey: Redacted.value(secretAccessKey),
          ...(sessionToken === undefined ? undefined : { sessionToken: Redacted.value(sessionToken) }),
        },
        authSchemePreference: ["sigv4"],
      }
    }
    case "Chain":
      return {
        ...(credentials.profile === undefined ? undefined : { profile: credentials.profile }),
        authSchemePreference: ["sigv4"],
      }
  }
}
