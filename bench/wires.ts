/** What the stand-in upstream says, in each of its protocols, as bytes ready for the socket. */

/** The same answer and the same stream in one protocol. */
export interface Wire {
  readonly answer: Buffer
  /** How a stream begins, its first content included: they leave together, as they do from the vendors. */
  readonly opening: Buffer
  readonly content: Buffer
  /** How it ends, with usage where that is counted. */
  readonly ending: (counted: boolean) => Buffer
}

const text = "The understudy knows every line of the part, waits in the wings, and goes on when the lead cannot."
const piece = " understudy"

/** Text in HTTP's chunked framing: the stand-in must cost less than what it measures. */
const framed = (text: string) => Buffer.from(`${Buffer.byteLength(text).toString(16)}\r\n${text}\r\n`)
const end = Buffer.from("0\r\n\r\n")
const last = (text: string) => Buffer.concat([framed(text), end])

// ---------------------------------------------------------------------------------------------------------------------
// OpenAI's chat completions
// ---------------------------------------------------------------------------------------------------------------------

const usage = { prompt_tokens: 24, completion_tokens: 32, total_tokens: 56 }
const completion = { id: "chatcmpl-bench", created: 1_760_000_000, model: "stand-in", system_fingerprint: "fp_bench" }

const chunk = (choice: object | undefined, rest: object = {}) =>
  `data: ${JSON.stringify({
    ...completion,
    object: "chat.completion.chunk",
    choices: choice === undefined ? [] : [{ index: 0, logprobs: null, finish_reason: null, ...choice }],
    ...rest,
  })}\n\n`

const said = framed(chunk({ delta: { content: piece } }))
const finish = chunk({ delta: {}, finish_reason: "stop" })
const done = "data: [DONE]\n\n"
const endings = { counted: last(finish + chunk(undefined, { usage }) + done), bare: last(finish + done) }

export const chatCompletions: Wire = {
  answer: Buffer.from(
    JSON.stringify({
      ...completion,
      object: "chat.completion",
      choices: [
        {
          index: 0,
          message: { role: "assistant", content: text, refusal: null },
          logprobs: null,
          finish_reason: "stop",
        },
      ],
      usage,
    }),
  ),
  opening: Buffer.concat([framed(chunk({ delta: { role: "assistant", content: "" } })), said]),
  content: said,
  ending: (counted) => (counted ? endings.counted : endings.bare),
}

// ---------------------------------------------------------------------------------------------------------------------
// Anthropic's messages
// ---------------------------------------------------------------------------------------------------------------------

const message = { id: "msg_bench", type: "message", role: "assistant", model: "stand-in" }

const event = (type: string, rest: object = {}) => `event: ${type}\ndata: ${JSON.stringify({ type, ...rest })}\n\n`

const delta = framed(event("content_block_delta", { index: 0, delta: { type: "text_delta", text: piece } }))
const ending = last(
  event("content_block_stop", { index: 0 }) +
    event("message_delta", { delta: { stop_reason: "end_turn", stop_sequence: null }, usage: { output_tokens: 32 } }) +
    event("message_stop"),
)

export const messages: Wire = {
  answer: Buffer.from(
    JSON.stringify({
      ...message,
      content: [{ type: "text", text }],
      stop_reason: "end_turn",
      stop_sequence: null,
      usage: { input_tokens: 24, output_tokens: 32 },
    }),
  ),
  opening: Buffer.concat([
    framed(
      event("message_start", {
        message: {
          ...message,
          content: [],
          stop_reason: null,
          stop_sequence: null,
          usage: { input_tokens: 24, output_tokens: 1 },
        },
      }) + event("content_block_start", { index: 0, content_block: { type: "text", text: "" } }),
    ),
    delta,
  ]),
  content: delta,
  ending: () => ending,
}
