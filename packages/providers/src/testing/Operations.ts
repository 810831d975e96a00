/**
 * OpenAI's endpoints besides chat and embeddings for the fault server: completions, moderations, images, audio and rerank. Files of a
 * form are answered with their size and hash, in `echo`.
 */
import { Buffer } from "node:buffer"
import { openAi } from "./OpenAi.ts"
import type { Bytes, Events, Fields, Reply, Wire, WireRequest } from "./Wire.ts"
import { list, stringOf } from "./Wire.ts"

const paths =
  /\/(completions|moderations|images\/(?:generations|edits|variations)|audio\/(?:speech|transcriptions|translations)|rerank)$/

const read = (path: string, body: Fields): WireRequest | undefined => {
  const operation = path.endsWith("/chat/completions") ? undefined : paths.exec(path)?.[1]?.replace("/", ".")
  if (operation === undefined) return undefined
  return {
    model: stringOf(body["model"]),
    stream: body["stream"] === true || body["stream"] === "true" || operation === "audio.speech",
    body,
    tools: [],
    choice: "none",
    schema: {},
    last: { role: "other", text: "" },
    n: 1,
    operation,
  }
}

/** A made-up image: the text of the reply. */
const image = (text: string): string => Buffer.from(text).toString("base64")

const imageUsage = {
  input_tokens: 10,
  output_tokens: 100,
  total_tokens: 110,
  input_tokens_details: { text_tokens: 10, image_tokens: 0 },
}
const tokenUsage = { prompt_tokens: 5, completion_tokens: 7, total_tokens: 12 }
const audioUsage = {
  type: "tokens",
  input_tokens: 14,
  output_tokens: 7,
  total_tokens: 21,
  input_token_details: { text_tokens: 4, audio_tokens: 10 },
}

const plain = ({ body, model, operation = "" }: WireRequest, _: unknown, reply: Reply): Fields => {
  const text = reply.pieces.join("")
  switch (operation) {
    case "completions":
      return {
        id: "cmpl-1",
        object: "text_completion",
        model,
        choices: [{ index: 0, text, finish_reason: "stop", logprobs: null }],
        usage: tokenUsage,
      }
    case "moderations":
      return { id: "modr-1", model, results: [{ flagged: false, categories: {}, category_scores: {} }] }
    case "rerank":
      return {
        id: "rerank-1",
        model,
        results: list(body["documents"])
          .map((document, index) => ({ index, document, relevance_score: 1 / (index + 1) }))
          .toReversed(),
        usage: { total_tokens: 20 },
      }
    case "audio.transcriptions":
    case "audio.translations":
      return { text, usage: audioUsage, echo: body }
    default:
      return { created: 1, data: [{ b64_json: image(text) }], usage: imageUsage, echo: body }
  }
}

const event = (type: string, fields: Fields): Bytes =>
  `event: ${type}\ndata: ${JSON.stringify({ type, ...fields })}\n\n`

const stream = (request: WireRequest, _: unknown, { pieces }: Reply): Events => {
  const { body, model, operation = "" } = request
  switch (operation) {
    case "completions": {
      const chunk = (fields: Fields): Bytes =>
        `data: ${JSON.stringify({ id: "cmpl-1", object: "text_completion", model, ...fields })}\n\n`
      const isCounted = JSON.stringify(body["stream_options"] ?? {}).includes('"include_usage":true')
      return {
        preamble: [],
        output: pieces.map((text) => chunk({ choices: [{ index: 0, text, finish_reason: null }] })),
        finish: [
          chunk({ choices: [{ index: 0, text: "", finish_reason: "stop" }] }),
          ...(isCounted ? [chunk({ choices: [], usage: tokenUsage })] : []),
        ],
        done: ["data: [DONE]\n\n"],
      }
    }
    case "audio.speech":
      return { preamble: [], output: pieces.map((text) => Buffer.from(text)), finish: [], done: [] }
    case "audio.transcriptions":
    case "audio.translations":
      return {
        preamble: [],
        output: pieces.map((delta) => event("transcript.text.delta", { delta })),
        finish: [event("transcript.text.done", { text: pieces.join(""), usage: audioUsage })],
        done: [],
      }
    default: {
      const type = operation === "images.edits" ? "image_edit" : "image_generation"
      return {
        preamble: [],
        output: pieces
          .slice(0, 2)
          .map((text, index) => event(`${type}.partial_image`, { b64_json: image(text), partial_image_index: index })),
        finish: [event(`${type}.completed`, { b64_json: image(pieces.join("")), usage: imageUsage })],
        done: [],
      }
    }
  }
}

/** The endpoints of OpenAI, also of compatible vendors. */
export const operations: Wire = {
  ...openAi,
  read,
  plain,
  stream,
  streamTypeOf: ({ operation }) => (operation === "audio.speech" ? "audio/mpeg" : openAi.streamType),
}
