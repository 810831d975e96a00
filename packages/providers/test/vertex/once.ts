/** A program that makes one call on Vertex AI and closes nothing: `Credentials.test.ts` runs it as a process. */
import { Provider } from "@understudy/core/Provider"
import * as Vertex from "@understudy/providers/vertex"
import * as Effect from "effect/Effect"
import * as ManagedRuntime from "effect/ManagedRuntime"
import * as Redacted from "effect/Redacted"
import { ask } from "../Asking.ts"

const { BASE_URL: baseUrl = "", CREDENTIALS: credentials = "" } = process.env
const runtime = ManagedRuntime.make(
  Vertex.layer({ project: "p", location: "global", baseUrl, credentials: Redacted.make(credentials) }),
)
const { finishReason } = await runtime.runPromise(Effect.flatMap(Provider, (provider) => provider.chat(ask("ok"))))
process.stdout.write(`${finishReason}\n`)
