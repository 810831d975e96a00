/** An unmodified OpenAI client in a conversation whose primary fails halfway: the next turn is answered by the backup. */
import { spawn } from "node:child_process"
import { once } from "node:events"
import { createInterface } from "node:readline"
import { fileURLToPath } from "node:url"
import OpenAI from "openai"

// The gateway, as `npm start` runs it: simulated deployments, on a free port.
const main = fileURLToPath(new URL("../packages/http/src/main.js", import.meta.url))
const gateway = spawn(process.execPath, [main, "serve", "--port", "0"], {
  stdio: ["ignore", "pipe", "inherit"],
  cwd: fileURLToPath(new URL("fixtures", import.meta.url)),
})

try {
  const url = await new Promise<string>((resolve, reject) => {
    createInterface(gateway.stdout).on("line", (line) => {
      const found = /serves (http:\S+)\/v1/.exec(line)
      if (found?.[1] !== undefined) resolve(found[1])
      if (line.includes(" answered by ")) console.log(`  log: ${line.replace(/^.*?assistant/, "assistant")}`)
    })
    gateway.once("exit", () => reject(new Error("the gateway did not start")))
  })

  const client = new OpenAI({ baseURL: `${url}/v1`, apiKey: "anything", maxRetries: 0 })
  const messages: Array<OpenAI.ChatCompletionMessageParam> = []
  const say = async (content: string) => {
    messages.push({ role: "user", content })
    const { data, response } = await client.chat.completions
      .create({ model: "assistant", messages, stream: true })
      .withResponse()
    let answer = ""
    for await (const chunk of data) answer += chunk.choices[0]?.delta.content ?? ""
    messages.push({ role: "assistant", content: answer })
    console.log(`you: ${content}\n${response.headers.get("x-understudy-deployment")}: ${answer}`)
  }

  await say("Who is on tonight?")
  await fetch(`${url}/simulated/primary`, {
    method: "POST",
    headers: { "content-type": "application/json" },
    body: JSON.stringify({ status: 503 }),
  })
  console.log("(the primary breaks)")
  await say("And tomorrow?")
} finally {
  if (gateway.exitCode === null) {
    gateway.kill("SIGINT")
    await once(gateway, "exit")
  }
}
