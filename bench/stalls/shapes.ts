/**
 * Bodies that are as costly as their size allows: each repeats one element as often as fits, for each dialect.
 */

/** Where a body is sent, and what a small one of that kind holds. */
export interface Endpoint {
  readonly name: string
  readonly path: string
  /** Fields beside those of the shape, as JSON without braces. */
  readonly model: string
  /** Many messages, parts, tools: the field's beginning, one element, its end. */
  readonly lists: Readonly<Record<string, readonly [before: string, element: string, after: string]>>
  /** The least that is taken, as JSON without braces. */
  readonly least: string
}

const chat = `"messages":[{"role":"user","content":"hi"}]`
const messages = `"max_tokens":1,"messages":[{"role":"user","content":"hi"}]`
const gemini = `"contents":[{"parts":[{"text":"hi"}]}]`

const object = `{"type":"object"}`

const chatLists: Endpoint["lists"] = {
  messages: [`"messages":[`, `{"role":"user","content":"a"}`, `]`],
  parts: [`"messages":[{"role":"user","content":[`, `{"type":"text","text":"a"}`, `]}]`],
  tools: [`${chat},"tools":[`, `{"type":"function","function":{"name":"a","parameters":${object}}}`, `]`],
  calls: [
    `"messages":[{"role":"user","content":"a"},{"role":"assistant","tool_calls":[`,
    `{"id":"a","type":"function","function":{"name":"a","arguments":"{}"}}`,
    `]}]`,
  ],
  stop: [`${chat},"stop":[`, `"a"`, `]`],
}

const messagesLists: Endpoint["lists"] = {
  messages: [`"max_tokens":1,"messages":[`, `{"role":"user","content":"a"}`, `]`],
  parts: [`"max_tokens":1,"messages":[{"role":"user","content":[`, `{"type":"text","text":"a"}`, `]}]`],
  system: [`${messages},"system":[`, `{"type":"text","text":"a"}`, `]`],
  tools: [`${messages},"tools":[`, `{"name":"a","input_schema":${object}}`, `]`],
  calls: [
    `"max_tokens":1,"messages":[{"role":"user","content":"a"},{"role":"assistant","content":[`,
    `{"type":"tool_use","id":"a","name":"a","input":{}}`,
    `]}]`,
  ],
}

const geminiLists: Endpoint["lists"] = {
  messages: [`"contents":[`, `{"role":"user","parts":[{"text":"a"}]}`, `]`],
  parts: [`"contents":[{"parts":[`, `{"text":"a"}`, `]}]`],
  tools: [`${gemini},"tools":[{"functionDeclarations":[`, `{"name":"a"}`, `]}]`],
  "tool lists": [`${gemini},"tools":[`, `{"functionDeclarations":[{"name":"a"}]}`, `]`],
}

export const endpoints = (model: string): ReadonlyArray<Endpoint> => {
  const named = `"model":"${model}"`
  const gem = `/v1beta/models/${model}:generateContent`
  return [
    { name: "chat", path: "/v1/chat/completions", model: named, lists: chatLists, least: chat },
    {
      name: "responses",
      path: "/v1/responses",
      model: named,
      lists: {
        messages: [`"input":[`, `{"role":"user","content":"a"}`, `]`],
        parts: [`"input":[{"role":"user","content":[`, `{"type":"input_text","text":"a"}`, `]}]`],
        tools: [`"input":"a","tools":[`, `{"type":"function","name":"a","parameters":${object}}`, `]`],
        calls: [`"input":[`, `{"type":"function_call","call_id":"a","name":"a","arguments":"{}"}`, `]`],
      },
      least: `"input":"hi"`,
    },
    { name: "messages", path: "/v1/messages", model: named, lists: messagesLists, least: messages },
    { name: "gemini", path: gem, model: `"x":1`, lists: geminiLists, least: gemini },
    { name: "generate", path: "/api/generate", model: named, lists: {}, least: `"prompt":"hi"` },
    { name: "count", path: "/v1/messages/count_tokens", model: named, lists: messagesLists, least: messages },
    {
      name: "gemini count",
      path: `/v1beta/models/${model}:countTokens`,
      model: `"x":1`,
      lists: geminiLists,
      least: gemini,
    },
    { name: "explain", path: "/v1/route/explain", model: named, lists: chatLists, least: chat },
    {
      name: "embeddings",
      path: "/v1/embeddings",
      model: named,
      lists: {
        inputs: [`"input":[`, `"a"`, `]`],
        "token lists": [`"input":[`, `[1]`, `]`],
        tokens: [`"input":[`, `1`, `]`],
      },
      least: `"input":"hi"`,
    },
    {
      name: "gemini embeddings",
      path: `/v1beta/models/${model}:batchEmbedContents`,
      model: `"x":1`,
      lists: {
        inputs: [`"requests":[`, `{"content":{"parts":[{"text":"a"}]}}`, `]`],
        parts: [`"requests":[{"content":{"parts":[`, `{"text":"a"}`, `]}}]`],
      },
      least: `"requests":[{"content":{"parts":[{"text":"hi"}]}}]`,
    },
  ]
}

export interface Body {
  readonly name: string
  readonly text: string
}

const repeated = (before: string, element: string, after: string, size: number): string =>
  before + `${element},`.repeat(Math.max(0, Math.floor(size / (element.length + 1)) - 1)) + element + after

/** Fields of different names. */
const named = (size: number, value = "1"): string => {
  const count = Math.floor(size / (9 + value.length + 2))
  return Array.from({ length: count }, (_, index) => `"k${index.toString(36).padStart(6, "0")}":${value}`).join(",")
}

/** As many elements as the usual limits allow, and each as large as the size then allows. */
const within: Readonly<Record<string, number>> = {
  messages: 10_000,
  parts: 100_000,
  system: 100_000,
  calls: 10_000,
  tools: 2000,
  "tool lists": 2000,
  stop: 900_000,
  inputs: 10_000,
  "token lists": 10_000,
  tokens: 900_000,
}

/** So many different fields, in objects of so many. */
const shapes = (count: number, per: number, value: string): string => {
  const fields = Array.from({ length: count }, (_, index) => `"${index.toString(36)}":${value}`)
  return Array.from({ length: Math.floor(count / per) }, (_, index) => {
    const own = fields.slice(index * per, (index + 1) * per)
    return `{${own.join(",")}}`
  }).join(",")
}

/** Every body of this size for an endpoint, and those just within the usual limits. */
export const bodies = ({ least, lists, model }: Endpoint, size: number): ReadonlyArray<() => Body> => {
  const body = (name: string, fields: () => string) => () => ({ name, text: `{${model},${fields()}}` })
  const deep = (depth: number, open: string, close: string) => open.repeat(depth) + close.repeat(depth)
  return [
    ...Object.entries(lists).map(([name, [before, element, after]]) =>
      body(`many ${name}`, () => repeated(before, element, after, size)),
    ),
    ...Object.entries(lists).map(([name, [before, element, after]]) =>
      body(`${name} within the limits`, () => {
        const count = Math.min(within[name] ?? 10_000, Math.floor(size / (element.length + 1)))
        const filled = element.replace('"a"', `"${"a".repeat(Math.max(1, Math.floor(size / count) - element.length))}"`)
        return before + `${filled},`.repeat(count - 1) + filled + after
      }),
    ),
    body("all within the limits", () => {
      const deep = "[".repeat(190) + "1.0" + "]".repeat(190)
      const fields = Array.from({ length: 900 }, (_, index) => `"field${index}":1.0`).join(",")
      const objects = shapes(28_000, 100, "1.0")
      const left = Math.max(1000, Math.min(700_000, (size - objects.length - 20_000) / 4))
      return `${least},${fields},"deep":${deep},"other":[${objects}],"numbers":[${"1.0,".repeat(left)}1.0]`
    }),
    ...[1, 10, 100, 1000].map((per) =>
      body(`29,000 different fields, ${per} an object`, () => `${least},"other":[${shapes(29_000, per, "1.0")}]`),
    ),
    body("900,000 empty objects", () => `${least},"other":[${"{},".repeat(449_000)}{}]`),
    body("900,000 exact numbers", () => `${least},"other":[${"1.0,".repeat(900_000)}1.0]`),
    body("as many deep numbers", () => `${least},"other":[${`{"a":{"b":[[1.0]]}},`.repeat(160_000)}1]`),
    body("top-level fields", () => `${least},${named(size)}`),
    body("fields of one object", () => `${least},"metadata":{${named(size)}}`),
    body("fields of one unknown object", () => `${least},"other":{${named(size, "1.0")}}`),
    body("the same field again", () => `${least},${repeated("", `"again":1.0`, "", size)}`),
    body("the same field again, inside", () => `${least},"other":{${repeated("", `"again":1.0`, "", size)}}`),
    body("empty objects", () => `${least},${repeated(`"other":[`, "{}", "]", size)}`),
    body("objects", () => `${least},${repeated(`"other":[`, `{"a":1}`, "]", size)}`),
    body(
      "objects of other shapes",
      () => `${least},"other":[${named(size).replaceAll(",", "},{").replace(/^/, "{")}}]`,
    ),
    body("empty arrays", () => `${least},${repeated(`"other":[`, "[]", "]", size)}`),
    body("numbers", () => `${least},${repeated(`"other":[`, "1", "]", size)}`),
    body("exact numbers", () => `${least},${repeated(`"other":[`, "1.0", "]", size)}`),
    body("long numbers", () => `${least},${repeated(`"other":[`, "12345678901234567890", "]", size)}`),
    body("one number", () => `${least},"other":1${"0".repeat(size)}`),
    body("a deep number", () => `${least},${repeated(`"other":[`, `{"a":{"b":[[1.0]]}}`, "]", size)}`),
    body("nesting, arrays", () => `${least},"other":${deep(size / 2, "[", "]")}`),
    body("nesting, objects", () => `${least},"other":${`{"a":`.repeat(size / 6)}1${"}".repeat(size / 6)}`),
    body("nesting of 900, again", () => `${least},${repeated(`"other":[`, deep(900, "[", "]"), "]", size)}`),
    body("escapes", () => `${least},"other":"${"\\u0041".repeat(size / 6)}"`),
    body("backslashes", () => `${least},"other":"${"\\\\".repeat(size / 2)}"`),
    body("escaped names", () => `${least},${repeated(`"other":[`, `{"\\u0061":1.0}`, "]", size)}`),
    body("quotes", () => `${least},"other":"${'\\"'.repeat(size / 2)}"`),
    body("escapes in the prompt", () => least.replaceAll(/"hi"/g, () => `"${"\\u00e9".repeat(size / 6)}"`)),
    body("no JSON", () => `${least},${repeated(`"other":[`, "1", "", size)}`),
    body("no end", () => `${least},"other":"${"a".repeat(size)}`.slice(0, -1)),
    body("spaces", () => `${least}${" ".repeat(size)}`),
  ]
}
