/**
 * What is carried between a client and a provider, whatever dialects they speak: the features of the matrix, in words
 * common to all, and what must come out at the other end.
 */

export const features = [
  "text",
  "tools",
  "parallel tools",
  "tool results",
  "image",
  "document",
  "JSON schema",
  "reasoning",
  "stop",
  "max tokens",
  "refusal",
  "error before the first token",
  "error after the first token",
] as const
export type Feature = (typeof features)[number]

/** What an upstream says to a request for that feature. */
export type Said = "text" | "call" | "calls" | "json" | "reasoning" | "stop" | "length" | "refusal"

export const saidTo: Readonly<Record<Feature, Said>> = {
  text: "text",
  tools: "call",
  "parallel tools": "calls",
  "tool results": "text",
  image: "text",
  document: "text",
  "JSON schema": "json",
  reasoning: "reasoning",
  stop: "stop",
  "max tokens": "length",
  refusal: "refusal",
  "error before the first token": "text",
  "error after the first token": "text",
}

// ---------------------------------------------------------------------------------------------------------------------
// What is said
// ---------------------------------------------------------------------------------------------------------------------

export const system = "Be brief."
export const question = "Who speaks?"
export const answer = "The understudy speaks."
export const thought = "The lead is silent."
export const signature = "c2lnbmVkIGJ5IHRoZSBtb2RlbA=="
export const refused = "I will not say that."
export const stopWord = "CURTAIN"
export const maxTokens = 32
/** One pixel. */
export const image = "iVBORw0KGgoAAAANSUhEUgAAAAEAAAABCAYAAAAfFcSJAAAADUlEQVR42mNk+M9QDwADhgGAWjR9awAAAABJRU5ErkJggg=="
export const document = "JVBERi0xLjQKJSVFT0YK"
export const documentName = "playbill"
export const schema = {
  type: "object",
  properties: { city: { type: "string" } },
  required: ["city"],
  additionalProperties: false,
}
export const json = '{"city":"Rome"}'
export const tool = { name: "weather", description: "The weather in a city", parameters: schema }
export const cities = ["Rome", "Oslo"] as const
/** What the tool answered: to the first call, and, as an error, to the second. */
export const results = ["21 degrees", "There is no such city"] as const
export const usage = { input: 20, output: 7, reasoning: 3 }

// ---------------------------------------------------------------------------------------------------------------------
// What comes out
// ---------------------------------------------------------------------------------------------------------------------

/** Why an answer ended, as its client's SDK tells: `stop` and `refusal` stay what they are in every dialect. */
export type Finish = "stop" | "length" | "tool-calls" | "refusal"

/** An answer as the client's SDK understood it. */
export interface Heard {
  readonly text: string
  readonly reasoning: string
  readonly calls: ReadonlyArray<{ readonly name: string; readonly input: unknown }>
  readonly finish: Finish | undefined
  readonly usage: { readonly input: number; readonly output: number } | undefined
}

/** A call that failed, as the client's SDK tells it: with a status before the answer began. */
export interface Failed {
  readonly status: number | undefined
  readonly message: string
}

/** A request as the upstream understood it. */
export interface Asked {
  readonly system: string
  readonly text: string
  readonly tools: ReadonlyArray<{ readonly name: string; readonly parameters: unknown }>
  readonly mustCall: boolean
  /** The ids of the calls in the conversation, and the results with the ids they answer. */
  readonly calls: ReadonlyArray<{ readonly id: string; readonly name: string; readonly input: unknown }>
  readonly results: ReadonlyArray<{ readonly id: string; readonly text: string; readonly isError: boolean }>
  readonly images: ReadonlyArray<string>
  readonly documents: ReadonlyArray<string>
  readonly schema: unknown
  readonly reasons: boolean
  readonly stop: ReadonlyArray<string>
  readonly maxTokens: number | undefined
}
