/** The matrix as docs/protocols.md has it. */
import * as Feature from "./Feature.ts"
import type { Cell } from "./Matrix.ts"

/** Every pair of dialects, and what is refused with its reason. */
export const text = (cells: ReadonlyArray<Cell>): string => {
  const carried = cells.filter(({ outcome }) => outcome === "carried").length
  const clients = unique(cells.map(({ client }) => client))
  const reasons = unique(cells.flatMap(({ why }) => why ?? []))
  return [
    "# Protocols",
    "A request in any client protocol can be answered by a provider with any other. Parameters that the provider's protocol does not",
    "support are dropped and named, or the deployment is skipped: see [`unsupportedParams`](configuration.md#unsupportedparams).",
    "",
    table(
      ["protocol", "clients", "providers"],
      [
        [
          "OpenAI Chat Completions",
          "`POST /v1/chat/completions`",
          "`openai` and compatible vendors; open models on `vertex`",
        ],
        ["OpenAI Responses", "`POST /v1/responses`, `/v1/responses/input_tokens`", "`openai` with `api: responses`"],
        ["Anthropic Messages", "`POST /v1/messages`, `/v1/messages/count_tokens`", "`anthropic`; Claude on `vertex`"],
        ["Google Gemini", "`POST /v1beta/models/{model}:generateContent` and others", "`gemini`; Gemini on `vertex`"],
        ["Bedrock Converse", "none", "`bedrock`"],
        [
          "OpenAI embeddings",
          "`POST /v1/embeddings`",
          "`openai` and compatible vendors, `bedrock`, `gemini`, `vertex`",
        ],
      ],
    ),
    "If client and provider use one protocol, requests and responses pass through, including fields and events that the gateway does not",
    "know. Otherwise both are translated:",
    "",
    "- **Ids of tool calls** are kept as their vendor issued them, whatever their length. Other vendors get replacement ids that they",
    "  accept. An id that its own vendor's documentation rejects is sent to the client tagged.",
    "- **Reasoning** is sent to the client as text. Its signatures, and those of tool calls, are sent back only to the endpoint that issued",
    "  them. A vendor's own address and the clouds that serve its models count as one endpoint; every other `baseUrl` is its own. If a vendor",
    "  rejects a signature, the request is sent once more without reasoning, which is not a retry.",
    "- **Tool names, user ids and image types** are adapted to the vendor's limits, also in passthrough: a name is shortened (the client gets",
    "  the original name), an id is hashed, `image/jpg` becomes `image/jpeg`.",
    "- **`prompt_cache_key`** is translated between OpenAI's two protocols, for OpenAI and Azure. Service tier and verbosity, which only some",
    "  of their models support, are dropped and named.",
    "- **Vendor tools**, such as web search, are dropped and named if the request also has client tools; otherwise the deployment is skipped.",
    "- **Finish reasons**: a truncated, filtered or refused response never appears as a normal end.",
    "- **Usage** includes all input tokens, cached or not, and all output tokens, including reasoning.",
    "- **Numbers** in tool arguments and tool schemas keep their digits, such as `1.0`, `1e400` and integers beyond 2^53. In passthrough, a body",
    "  keeps its bytes except for the fields that must change.",
    "",
    "## Support matrix",
    `A test runs each cell, streamed and not, with the vendors' SDKs as clients and their documented responses as providers: ${cells.length}`,
    `cases, ${((100 * carried) / cells.length).toFixed(1)} % carried. Columns are provider protocols. _carried_: the feature reaches the other`,
    "side. _refused_: the provider's protocol does not have it, and the error names it.",
    "",
    ...clients.flatMap((client) => [`### ${client} clients`, matrix(client, cells, reasons)]),
    "## Refused features",
    ...reasons.map((reason, index) => `${index + 1}. ${reason}.`),
    "",
  ]
    .map((part) => (part.startsWith("#") || part.startsWith("|") ? `${part}\n` : part))
    .join("\n")
    .trimEnd()
    .concat("\n")
}

const matrix = (client: string, cells: ReadonlyArray<Cell>, reasons: ReadonlyArray<string>): string => {
  const own = cells.filter((cell) => cell.client === client)
  const upstreams = unique(own.map(({ upstream }) => upstream))
  return table(
    ["", ...upstreams],
    Feature.features.map((feature) => [
      feature,
      ...upstreams.map((upstream) =>
        unique(
          own
            .filter((cell) => cell.feature === feature && cell.upstream === upstream)
            .map(({ outcome, why }) => (why === undefined ? outcome : `${outcome} (${reasons.indexOf(why) + 1})`)),
        ).join(" / "),
      ),
    ]),
  )
}

const unique = <A>(all: ReadonlyArray<A>): ReadonlyArray<A> => [...new Set(all)]

/** A table as the formatter would have it. */
const table = (head: ReadonlyArray<string>, rows: ReadonlyArray<ReadonlyArray<string>>): string => {
  const widths = head.map((title, column) => Math.max(3, title.length, ...rows.map((row) => row[column]?.length ?? 0)))
  const line = (cells: ReadonlyArray<string>): string =>
    `| ${widths.map((width, column) => (cells[column] ?? "").padEnd(width)).join(" | ")} |`
  return [line(head), line(widths.map((width) => "-".repeat(width))), ...rows.map(line)].join("\n")
}
