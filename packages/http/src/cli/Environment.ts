/**
 * The configuration of `serve --live`: the providers whose credentials are in the environment, each with a default model,
 * behind two routes. It can be printed and saved as a file.
 */
import * as Config from "effect/Config"
import * as Effect from "effect/Effect"
import * as Option from "effect/Option"

/** The deployments of a vendor, used if any of its environment variables is set. */
interface VendorDefaults {
  readonly variables: ReadonlyArray<string>
  readonly deployments: Readonly<Record<string, string>>
}

/** In the order of the routes. Each vendor has its default model first, then a smaller one. */
const vendorDefaults: ReadonlyArray<VendorDefaults> = [
  {
    variables: ["OPENAI_API_KEY"],
    deployments: {
      "gpt-4o": "{ provider: openai, model: gpt-4o }",
      "gpt-4o-mini": "{ provider: openai, model: gpt-4o-mini }",
    },
  },
  {
    variables: ["ANTHROPIC_API_KEY"],
    deployments: {
      sonnet: "{ provider: anthropic, model: claude-sonnet-4-5 }",
      haiku: "{ provider: anthropic, model: claude-haiku-4-5 }",
    },
  },
  {
    variables: ["AWS_BEARER_TOKEN_BEDROCK", "AWS_PROFILE", "AWS_ACCESS_KEY_ID"],
    deployments: {
      "sonnet-bedrock": "{ provider: bedrock, model: us.anthropic.claude-sonnet-4-5-20250929-v1:0 }",
      "haiku-bedrock": "{ provider: bedrock, model: us.anthropic.claude-haiku-4-5-20251001-v1:0 }",
    },
  },
  {
    variables: ["GEMINI_API_KEY", "GOOGLE_API_KEY"],
    deployments: {
      "gemini-pro": "{ provider: gemini, model: gemini-2.5-pro }",
      "gemini-flash": "{ provider: gemini, model: gemini-2.5-flash }",
    },
  },
  {
    // Application Default Credentials need no variable, and a project is needed.
    variables: ["GOOGLE_CLOUD_PROJECT"],
    deployments: {
      "gemini-pro-vertex": '{ provider: vertex, model: gemini-2.5-pro, location: "${GOOGLE_CLOUD_LOCATION:-global}" }',
      "gemini-flash-vertex":
        '{ provider: vertex, model: gemini-2.5-flash, location: "${GOOGLE_CLOUD_LOCATION:-global}" }',
    },
  },
]

const isSet = (variable: string) =>
  Effect.map(
    Effect.orElseSucceed(Config.option(Config.NonEmptyString(variable)), () => Option.none()),
    Option.isSome,
  )

/** The credential variables that are set in the environment. */
export const credentials: Effect.Effect<ReadonlyArray<string>> = Effect.map(
  Effect.forEach(vendorDefaults, ({ variables }) => Effect.filter(variables, isSet)),
  (found) => found.flat(),
)

/** Every variable that `--live` reads. */
export const variables: ReadonlyArray<string> = vendorDefaults.flatMap(({ variables }) => variables)

/** The configuration for these variables. Route `assistant` has the default models, `quick` the smaller ones. */
export const yaml = (credentials: ReadonlyArray<string>): string => {
  const usable = vendorDefaults.filter(({ variables }) => variables.some((variable) => credentials.includes(variable)))
  const names = usable.map(({ deployments }) => Object.keys(deployments))
  return [
    "deployments:",
    ...usable.flatMap(({ deployments }) => Object.entries(deployments).map(([name, keys]) => `  ${name}: ${keys}`)),
    "routes:",
    `  assistant: [${names.map(([first]) => first).join(", ")}]`,
    `  quick: [${names.map(([, second]) => second).join(", ")}]`,
    "",
  ].join("\n")
}
