/**
 * The clients that are run as programs of their own: what each is made of, and how it asks one question of a gateway
 * with the retries it has by default.
 */
import { join } from "node:path"
import type { Packages } from "./Install.ts"
import { binary, python } from "./Install.ts"

export interface Client {
  readonly title: string
  readonly version: string
  readonly packages: Packages
  /** The vendor whose protocol the client speaks: that of the route's first deployment. */
  readonly vendor: "openai" | "responses" | "anthropic" | "gemini"
  readonly command: (asking: Asking) => Command
}

/** What a client asks: `prompt` of `model` at `gateway`. `home` is an empty folder of its own. */
export interface Asking {
  readonly gateway: string
  readonly model: string
  readonly home: string
  readonly prompt: string
}

export interface Command {
  readonly program: string
  readonly args: ReadonlyArray<string>
  readonly env?: Readonly<Record<string, string>>
  /** Files that the client reads from its home, by their paths. */
  readonly files?: Readonly<Record<string, string>>
}

const programs = join(import.meta.dirname, "programs")

/** What the programs of this folder ask. */
export const question = "Who is on tonight?"

const node =
  (name: string) =>
  ({ gateway, model }: Asking): Command => ({
    program: process.execPath,
    args: [join(programs, name), gateway, model],
  })

const py =
  (name: string) =>
  ({ gateway, model }: Asking): Command => ({
    program: python,
    args: [join(programs, name), gateway, model],
  })

const setting = (name: string, value: string) => ["-c", `${name}=${JSON.stringify(value)}`]

/** In the order of the table. */
export const clients: Readonly<Record<string, Client>> = {
  "openai-js": {
    title: "`openai` (npm)",
    version: "7.59.0",
    packages: { npm: { openai: "7.59.0" } },
    vendor: "openai",
    command: node("openai-chat.mjs"),
  },
  "openai-js-responses": {
    title: "`openai` (npm), Responses",
    version: "7.59.0",
    packages: { npm: { openai: "7.59.0" } },
    vendor: "responses",
    command: node("openai-responses.mjs"),
  },
  "openai-py": {
    title: "`openai` (PyPI)",
    version: "3.57.0",
    packages: { pypi: { openai: "3.57.0" } },
    vendor: "openai",
    command: py("openai_chat.py"),
  },
  "openai-py-responses": {
    title: "`openai` (PyPI), Responses",
    version: "3.57.0",
    packages: { pypi: { openai: "3.57.0" } },
    vendor: "responses",
    command: py("openai_responses.py"),
  },
  "anthropic-js": {
    title: "`@anthropic-ai/sdk`",
    version: "1.14.0",
    packages: { npm: { "@anthropic-ai/sdk": "1.14.0" } },
    vendor: "anthropic",
    command: node("anthropic.mjs"),
  },
  "anthropic-py": {
    title: "`anthropic` (PyPI)",
    version: "2.14.0",
    packages: { pypi: { anthropic: "2.14.0" } },
    vendor: "anthropic",
    command: py("anthropic_messages.py"),
  },
  "genai-js": {
    title: "`@google/genai`",
    version: "3.3.0",
    packages: { npm: { "@google/genai": "3.3.0" } },
    vendor: "gemini",
    command: node("genai.mjs"),
  },
  "genai-py": {
    title: "`google-genai` (PyPI)",
    version: "2.34.0",
    packages: { pypi: { "google-genai": "2.34.0" } },
    vendor: "gemini",
    command: py("genai_content.py"),
  },
  "ai-sdk": {
    title: "AI SDK, `openai-compatible`",
    version: "7.0.173",
    packages: { npm: { ai: "7.0.173", "@ai-sdk/openai-compatible": "3.0.92" } },
    vendor: "openai",
    command: node("ai-sdk.mjs"),
  },
  "langchain-js": {
    title: "`@langchain/openai`",
    version: "1.6.0",
    packages: { npm: { "@langchain/core": "1.4.0", "@langchain/openai": "1.6.0" } },
    vendor: "openai",
    command: node("langchain.mjs"),
  },
  "langchain-py": {
    title: "`langchain-anthropic` (PyPI)",
    version: "1.7.10",
    packages: { pypi: { "langchain-anthropic": "1.7.10" } },
    vendor: "anthropic",
    command: py("langchain_messages.py"),
  },
  "litellm-py": {
    title: "`litellm` (PyPI)",
    version: "1.110.2",
    packages: { pypi: { litellm: "1.110.2" } },
    vendor: "openai",
    command: py("litellm_chat.py"),
  },
  "pydantic-py": {
    title: "`pydantic-ai-slim` (PyPI), Google",
    version: "2.68.0",
    packages: { pypi: { "pydantic-ai-slim[google]": "2.68.0" } },
    vendor: "gemini",
    command: py("pydantic_agent.py"),
  },
  claude: {
    title: "Claude Code",
    version: "2.1.332",
    packages: { npm: { "@anthropic-ai/claude-code": "2.1.332" } },
    vendor: "anthropic",
    command: ({ gateway, model, prompt }) => ({
      program: binary("claude"),
      args: ["-p", prompt],
      env: {
        ANTHROPIC_BASE_URL: gateway,
        ANTHROPIC_AUTH_TOKEN: "any",
        ANTHROPIC_MODEL: model,
        ANTHROPIC_DEFAULT_HAIKU_MODEL: model,
        CLAUDE_CODE_DISABLE_NONESSENTIAL_TRAFFIC: "1",
      },
    }),
  },
  codex: {
    title: "Codex",
    version: "0.171.0",
    packages: { npm: { "@openai/codex": "0.171.0" } },
    vendor: "responses",
    command: ({ gateway, home, model, prompt }) => ({
      program: binary("codex"),
      args: [
        "exec",
        "--ephemeral",
        "--skip-git-repo-check",
        "--sandbox=read-only",
        `--model=${model}`,
        ...setting("model_provider", "understudy"),
        ...setting("model_providers.understudy.name", "Understudy"),
        ...setting("model_providers.understudy.base_url", `${gateway}/v1`),
        ...setting("model_providers.understudy.env_key", "UNDERSTUDY_API_KEY"),
        ...setting("model_providers.understudy.wire_api", "responses"),
        prompt,
      ],
      env: { CODEX_HOME: home, UNDERSTUDY_API_KEY: "any" },
    }),
  },
  "gemini-cli": {
    title: "gemini-cli",
    version: "0.61.0",
    packages: { npm: { "@google/gemini-cli": "0.61.0" } },
    vendor: "gemini",
    command: ({ gateway, model, prompt }) => ({
      program: binary("gemini"),
      args: ["-p", prompt, "-m", model, "--skip-trust"],
      env: {
        GOOGLE_GEMINI_BASE_URL: gateway,
        GEMINI_API_KEY: "any",
        GEMINI_API_KEY_AUTH_MECHANISM: "x-goog-api-key",
        GEMINI_TELEMETRY_ENABLED: "false",
      },
      files: {
        ".gemini/settings.json": JSON.stringify({
          security: { auth: { selectedType: "gemini-api-key" } },
          privacy: { usageStatisticsEnabled: false },
          general: { disableAutoUpdate: true, disableUpdateNag: true },
        }),
      },
    }),
  },
  opencode: {
    title: "opencode",
    version: "1.18.33",
    packages: { npm: { "opencode-ai": "1.18.33" } },
    vendor: "openai",
    command: ({ gateway, model, prompt }) => ({
      program: binary("opencode"),
      args: ["run", "-m", `understudy/${model}`, prompt],
      files: {
        ".config/opencode/opencode.json": JSON.stringify({
          provider: {
            understudy: {
              npm: "@ai-sdk/openai-compatible",
              options: { baseURL: `${gateway}/v1`, apiKey: "any" },
              models: { [model]: {} },
            },
          },
          autoupdate: false,
          share: "disabled",
        }),
      },
    }),
  },
  qwen: {
    title: "qwen-code",
    version: "0.24.4",
    packages: { npm: { "@qwen-code/qwen-code": "0.24.4" } },
    vendor: "openai",
    command: ({ gateway, model, prompt }) => ({
      program: binary("qwen"),
      args: ["-p", prompt, "--auth-type", "openai"],
      env: { OPENAI_BASE_URL: `${gateway}/v1`, OPENAI_API_KEY: "any", OPENAI_MODEL: model },
    }),
  },
}
