/** A realtime session through a route whose first deployment is down, and what its client sees when the provider cuts it. */
import * as RealtimeServer from "@understudy/providers/testing/RealtimeServer"
import * as Effect from "effect/Effect"
import { serve } from "./stage/Serving.ts"

const program = Effect.gen(function* () {
  // In place of the vendor: a local server with the Realtime API.
  const upstream = yield* RealtimeServer.make
  upstream.script("down", [{ type: "refuse", status: 503, error: { message: "The server is overloaded" } }])
  upstream.script("gpt-realtime", [{ type: "session", endIn: { response: 2 } }])
  const gateway = yield* Effect.acquireRelease(
    Effect.promise(() => serve("realtime.yaml", { UPSTREAM: upstream.url, OPENAI_API_KEY: "none" })),
    ({ stop }) => Effect.promise(stop),
  )

  yield* Effect.callback<void>((resume) => {
    const socket = new WebSocket(`${gateway.url.replace("http", "ws")}/v1/realtime?model=voice`)
    const ask = () => socket.send(JSON.stringify({ type: "response.create" }))
    socket.addEventListener("message", ({ data }) => {
      const event = JSON.parse(String(data))
      if (event.type === "session.created") {
        console.log(`a session of ${event.session.model}`)
        ask()
      }
      if (event.type === "response.output_audio_transcript.done") console.log(`it says: ${event.transcript}`)
      if (event.type === "response.done") {
        const { input_tokens, output_tokens } = event.response.usage
        console.log(`a response of ${input_tokens}+${output_tokens} tokens`)
        ask()
      }
      if (event.type === "error") console.log(`error ${event.error.code}: ${event.error.message}`)
    })
    socket.addEventListener("close", ({ code }) => {
      console.log(`closed with ${code}`)
      resume(Effect.void)
    })
  })
})

await Effect.runPromise(Effect.scoped(program))
