// Calls each endpoint besides chat with the `openai` SDK: openai-operations.mjs GATEWAY MODEL
import { createRequire } from "node:module"
import { installed, tellEach } from "./tell.mjs"

const OpenAI = createRequire(installed)("openai")
const { toFile } = OpenAI
const [, , gateway, model] = process.argv
const client = new OpenAI({ baseURL: `${gateway}/v1`, apiKey: "any", maxRetries: 0 })

const bytes = Buffer.alloc(20_000, "la")
const audio = () => toFile(bytes, "speech.wav", { type: "audio/wav" })
const picture = () => toFile(bytes, "stage.png", { type: "image/png" })
const decoded = (base64) => Buffer.from(base64, "base64").toString()
const image = async (response) => decoded((await response).data[0].b64_json)

/** What the events of a stream say. */
const said = async (stream, read) => {
  let text = ""
  for await (const event of await stream) text += read(event)
  return text
}
const completed = (stream) =>
  said(stream, ({ b64_json, type }) => (type.endsWith(".completed") ? decoded(b64_json) : ""))
const isIn = async (list, id) => {
  for await (const each of list) if (each.id === id) return
  throw new Error(`${id} is not in its list`)
}

const files = async () => {
  const file = await client.files.create({
    file: await toFile(Buffer.from("some notes"), "notes.txt"),
    purpose: "user_data",
  })
  await isIn(client.files.list({ query: { model: "files" } }), file.id)
  const content = await (await client.files.content((await client.files.retrieve(file.id)).id)).text()
  await client.files.delete(file.id)
  return content
}

const batches = async () => {
  const body = { model: "files", messages: [] }
  const line = JSON.stringify({ custom_id: "1", method: "POST", url: "/v1/chat/completions", body })
  const file = await client.files.create({ file: await toFile(Buffer.from(line), "batch.jsonl"), purpose: "batch" })
  const batch = await client.batches.create({
    input_file_id: file.id,
    endpoint: "/v1/chat/completions",
    completion_window: "24h",
  })
  await isIn(client.batches.list({ query: { model: "files" } }), batch.id)
  const { output_file_id } = await client.batches.retrieve(batch.id)
  await client.batches.cancel(batch.id)
  return (await client.files.content(output_file_id)).text()
}

await tellEach({
  completions: async () => (await client.completions.create({ model, prompt: "Hello" })).choices[0].text,
  "completions, streamed": () =>
    said(client.completions.create({ model, prompt: "Hello", stream: true }), ({ choices }) => choices[0].text),
  moderations: async () => (await client.moderations.create({ model, input: "Hello" })).model,
  "images.generations": () => image(client.images.generate({ model, prompt: "a stage" })),
  "images.generations, streamed": () =>
    completed(client.images.generate({ model, prompt: "a stage", stream: true, partial_images: 2 })),
  "images.edits": async () => image(client.images.edit({ model, image: await picture(), prompt: "brighter" })),
  "images.edits, streamed": async () =>
    completed(client.images.edit({ model, image: await picture(), prompt: "brighter", stream: true })),
  "images.variations": async () => image(client.images.createVariation({ model, image: await picture() })),
  "audio.speech": async () => (await client.audio.speech.create({ model, input: "Hello", voice: "alloy" })).text(),
  "audio.transcriptions": async () => (await client.audio.transcriptions.create({ model, file: await audio() })).text,
  "audio.transcriptions, streamed": async () =>
    said(client.audio.transcriptions.create({ model, file: await audio(), stream: true }), ({ delta = "" }) => delta),
  "audio.translations": async () => (await client.audio.translations.create({ model, file: await audio() })).text,
  files,
  batches,
})
