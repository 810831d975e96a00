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
    "Any client's protocol is answered by any provider's. What can be said is carried; what cannot is refused by name, or,",
    "where it was only a wish, left out and named: see [`unsupportedParams`](configuration.md#unsupportedparams).",
    "",
    table(
      ["protocol", "clients", "providers"],
      [
        ["OpenAI Chat Completions", "`POST /v1/chat/completions`", "`openai`, and every compatible vendor"],
        ["OpenAI Responses", "`POST /v1/responses`, `/v1/responses/input_tokens`", "`openai` with `api: responses`"],
        ["Anthropic Messages", "`POST /v1/messages`, `/v1/messages/count_tokens`", "`anthropic`"],
        ["Google Gemini", "`POST /v1beta/models/{model}:generateContent` and its kin", "`gemini`"],
        ["Bedrock Converse", "none", "`bedrock`"],
        ["OpenAI embeddings", "`POST /v1/embeddings`", "`openai` and compatible vendors, `bedrock`, `gemini`"],
      ],
    ),
    "Where client and provider speak the same, a request and its answer go through as they came: fields and events that the",
    "gateway does not know reach the other end. Elsewhere both are translated, and between two vendors:",
    "",
    "- Ids of tool calls are what their issuer gave, whatever their length, whichever endpoints have seen them in between; others get",
    "  ids that they take. An id that its own vendor's documentation refuses travels through the client under a mark.",
    "- Thoughts are shown; their signatures, and those of calls, come back to the endpoint that signed them, and to no other:",
    "  a vendor's own address and the clouds that serve its models are one, any other `baseUrl` is itself alone. Where a vendor",
    "  refuses a signature all the same, it is asked once more without thoughts; that is no retry.",
    "- A tool's name, a user's id and a picture's type are said so that the vendor takes them, also where it speaks the client's",
    "  protocol: a name is shortened (the client reads its own again), an id becomes its hash, `image/jpg` is `image/jpeg`.",
    "- A key to the prompt cache (`prompt_cache_key`) is said by both of OpenAI's protocols, to OpenAI and Azure; a service tier",
    "  and a verbosity, which only some of their models take, are left out and named.",
    "- A tool that one vendor alone runs, such as a web search, is left out beside tools of the client's own and named; where",
    "  the call is for nothing else, it is refused.",
    "- Finish reasons are never softened: what was cut off, filtered or refused never looks like a plain end.",
    "- Usage counts alike: everything read, cached or not; everything written, thoughts included.",
    "- Numbers keep their digits: a call's arguments and a tool's schema are written as they came, with `1.0`, `1e400` and integers",
    "  beyond 2^53 in them. A body of the vendor's own protocol keeps its bytes, but for the members that must change.",
    "",
    "## What is carried",
    `Each cell is played by a test, plain and streamed, through the vendors' SDKs at one end and their documented answers at`,
    `the other: ${cells.length} in all, ${((100 * carried) / cells.length).toFixed(1)} % carried. Columns are who answers.`,
    "",
    ...clients.flatMap((client) => [`### ${client} clients`, matrix(client, cells, reasons)]),
    "## What is refused",
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
