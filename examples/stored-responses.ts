/**
 * A conversation by `previous_response_id` that goes on while its vendor is down, a response in the background, and a conversation
 * that is compacted.
 */
import { mkdtempSync, rmSync } from "node:fs"
import { tmpdir } from "node:os"
import { join } from "node:path"
import OpenAI from "openai"
import { serve } from "./stage/Serving.ts"

const folder = mkdtempSync(join(tmpdir(), "understudy-example-"))
const gateway = await serve("stored-responses.yaml", { DATABASE: join(folder, "understudy.db") })
const { responses } = new OpenAI({ baseURL: `${gateway.url}/v1`, apiKey: "any", maxRetries: 0 })

/** Makes the primary fail, or answer again. */
const fail = (fault: object) =>
  fetch(`${gateway.url}/simulated/primary`, {
    method: "POST",
    headers: { "content-type": "application/json" },
    body: JSON.stringify(fault),
  })

/** One turn: only its own text is sent. */
const turn = async (input: string, previous?: string): Promise<string> => {
  const { data, response } = await responses
    .create({ model: "assistant", input, ...(previous === undefined ? undefined : { previous_response_id: previous }) })
    .withResponse()
  const items = await responses.inputItems.list(data.id)
  const by = response.headers.get("x-understudy-deployment")
  console.log(`"${input}": ${by} answered, ${items.data.length} items, ${data.usage?.input_tokens} input tokens`)
  return data.id
}

try {
  const first = await turn("My name is Ada.")
  await fail({ status: 503 })
  const second = await turn("What is my name?", first)
  await fail({})
  const third = await turn("And how is it spelt?", second)

  let report = await responses.create({ model: "assistant", input: "Write a report.", background: true })
  console.log(`in the background: ${report.status}`)
  while (report.status === "queued" || report.status === "in_progress") {
    await new Promise((resolve) => setTimeout(resolve, 20))
    report = await responses.retrieve(report.id)
  }
  console.log(`in the background: ${report.status}, ${report.usage?.output_tokens} output tokens`)

  const compacted = await responses.compact({ model: "assistant" as "gpt-5", previous_response_id: third })
  console.log(`compacted to: ${compacted.output.map(({ type }) => type).join(", ")}`)
} finally {
  await gateway.stop()
  rmSync(folder, { recursive: true, force: true })
}
