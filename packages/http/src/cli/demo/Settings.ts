/**
 * The settings of the demonstrations in a configuration: sections `aws` and `cris`, which the gateway ignores.
 */
import * as Effect from "effect/Effect"
import * as FileSystem from "effect/FileSystem"
import * as Result from "effect/Result"
import * as Schema from "effect/Schema"
import * as Config from "../../Config.ts"
import * as YamlText from "../../config/YamlText.ts"
import * as Example from "./Example.ts"

/** The AWS profiles of two accounts, their region, and the log group of Bedrock's invocation log. */
export interface Settings {
  readonly profiles: readonly [string, string]
  readonly region: string
  readonly logGroup: string
  /** The inference profile to call. */
  readonly model: string
}

const Text = Schema.optional(Schema.String)

const Document = Schema.Struct({
  aws: Schema.optional(
    Schema.Struct({
      profile_name: Text,
      secondary_profile_name: Text,
      region_name: Text,
      bedrock_log_group_name: Text,
    }),
  ),
  cris: Schema.optional(Schema.Struct({ model_id: Text })),
})

/** The text of a configuration and its settings. Without a file, those of the example. */
export const load = Effect.fnUntraced(function* (
  file: string | undefined,
): Effect.fn.Return<
  { readonly text: string; readonly settings: Settings },
  Config.InvalidConfiguration,
  FileSystem.FileSystem
> {
  if (file === undefined) return { text: Example.yaml, settings: yield* read(Example.yaml, "the example") }
  const files = yield* FileSystem.FileSystem
  const text = yield* Effect.mapError(files.readFileString(file), ({ message }) => invalid(file, "", message))
  return { text, settings: yield* read(text, file) }
})

const read = (text: string, file: string): Effect.Effect<Settings, Config.InvalidConfiguration> =>
  Effect.fromResult(
    Result.mapBoth(
      Result.flatMap(
        Result.mapError(YamlText.parse(text), ({ message }) => message),
        (document) => Result.mapError(Schema.decodeUnknownResult(Document)(document), ({ message }) => message),
      ),
      {
        onFailure: (message) => invalid(file, "aws", message),
        onSuccess: ({ aws, cris }) => ({
          profiles: [aws?.profile_name ?? "default", aws?.secondary_profile_name ?? "default-secondary"] as const,
          region: aws?.region_name ?? "us-east-1",
          logGroup: aws?.bedrock_log_group_name ?? "BedrockModelInvocation",
          model: cris?.model_id ?? Example.inferenceProfile,
        }),
      },
    ),
  )

const invalid = (file: string, path: string, message: string): Config.InvalidConfiguration =>
  new Config.InvalidConfiguration({ file, problems: [{ path, message }] })
