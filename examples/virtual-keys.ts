/** Three consumers with their own keys call at once: one exceeds its limit and gets a 429, the others are not affected. */
import OpenAI, { APIError } from "openai"
import { serve } from "./stage/Serving.ts"

const consumers = ["A", "B", "C"] as const
const keys = Object.fromEntries(consumers.map((name) => [`CONSUMER_${name}_KEY`, `sk-of-${name}`]))
const gateway = await serve("virtual-keys.yaml", keys)

try {
  const clientOf = (name: string) =>
    new OpenAI({ baseURL: `${gateway.url}/v1`, apiKey: `sk-of-${name}`, maxRetries: 0 })

  /** Five calls at once: the outcome of each. */
  const five = (name: string) =>
    Promise.all(
      Array.from({ length: 5 }, () =>
        clientOf(name)
          .chat.completions.create({ model: "assistant", messages: [{ role: "user", content: "Who is on tonight?" }] })
          .then(
            () => undefined,
            (error: unknown) => {
              if (error instanceof APIError) return error
              throw error
            },
          ),
      ),
    )

  const outcomes = await Promise.all(consumers.map(five))
  console.log("consumer  calls  answered  refused  rate")
  outcomes.forEach((errors, index) => {
    const refused = errors.filter((error) => error !== undefined)
    const answered = errors.length - refused.length
    const cells = [String(errors.length).padEnd(5), String(answered).padEnd(8), String(refused.length).padEnd(7)]
    console.log(`${consumers[index]?.padEnd(8)}  ${cells.join("  ")}  ${(100 * answered) / errors.length} %`)
  })
  const [first] = outcomes.flat().filter((error) => error !== undefined)
  console.log(`\n${first?.message} (retry-after: ${first?.headers?.get("retry-after")})`)

  const { data } = await clientOf("A").models.list()
  console.log(`A sees: ${data.map(({ id }) => id).join(", ")}`)
} finally {
  await gateway.stop()
}
