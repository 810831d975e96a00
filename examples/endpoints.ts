/** A moderation, a transcription and an image through routes whose first deployment is down: who answers, and what it cost. */
import * as FaultServer from "@understudy/providers/testing"
import * as Effect from "effect/Effect"
import OpenAI, { toFile } from "openai"
import { serve } from "./stage/Serving.ts"

const program = Effect.gen(function* () {
  // In place of the vendor: a local server, whose model "503" always is overloaded.
  const upstream = yield* FaultServer.make()
  const gateway = yield* Effect.acquireRelease(
    Effect.promise(() => serve("endpoints.yaml", { UPSTREAM: upstream.url, OPENAI_API_KEY: "none" })),
    ({ stop }) => Effect.promise(stop),
  )
  const client = new OpenAI({ baseURL: `${gateway.url}/v1`, apiKey: "anything", maxRetries: 0 })
  const print = (what: string, { headers }: Response) =>
    console.log(
      `${what}: by ${headers.get("x-understudy-deployment")} in attempt ${headers.get("x-understudy-attempts")}, ` +
        `$${headers.get("x-understudy-cost") ?? " unknown"}`,
    )

  yield* Effect.promise(async () => {
    const moderation = await client.moderations.create({ model: "moderation", input: "A text" }).withResponse()
    print(`a moderation (flagged: ${moderation.data.results[0]?.flagged})`, moderation.response)

    const file = await toFile(Buffer.alloc(100_000), "speech.wav", { type: "audio/wav" })
    const transcription = await client.audio.transcriptions.create({ model: "transcription", file }).withResponse()
    print(`a transcription of ${transcription.data.text.length} characters`, transcription.response)

    const image = await client.images.generate({ model: "image", prompt: "A stage" }).withResponse()
    print(`an image of ${image.data.data?.[0]?.b64_json?.length} bytes`, image.response)

    const events: Array<string> = []
    const stream = await client.images.generate({ model: "image", prompt: "A stage", stream: true, partial_images: 2 })
    for await (const { type } of stream) events.push(type)
    console.log(`an image as it is made: ${events.join(", ")}`)
  })
})

await Effect.runPromise(Effect.scoped(program))
