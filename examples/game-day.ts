/** A game day: faults of a running gateway switched on for a minute, what calls and metrics show of them, and switched off. */
import { serve } from "./stage/Serving.ts"

interface Faults {
  readonly faults: ReadonlyArray<{
    readonly target: string
    readonly active: { readonly faults: ReadonlyArray<string>; readonly until: string } | null
  }>
}

const gateway = await serve("game-day.yaml")

try {
  const send = (method: string, path: string, body?: object) =>
    fetch(`${gateway.url}${path}`, {
      method,
      headers: { "content-type": "application/json" },
      ...(body === undefined ? undefined : { body: JSON.stringify(body) }),
    })
  const ask = async (question: string) => {
    const response = await send("POST", "/v1/chat/completions", {
      model: "assistant",
      messages: [{ role: "user", content: question }],
    })
    await response.text()
    console.log(`${question} answered by ${response.headers.get("x-understudy-deployment")}`)
  }
  const show = async (response: Response) => {
    for (const { active, target } of ((await response.json()) as Faults).faults) {
      console.log(`${target}: ${active === null ? "no faults" : `${active.faults.join(", ")} for a minute`}`)
    }
  }

  await ask("Before:")
  await show(await send("POST", "/admin/faults", { target: "primary", for: "1m", faults: ["overloaded"] }))
  await ask("During:")
  await ask("During:")
  const metrics = await (await send("GET", "/metrics")).text()
  console.log(/^understudy_injected_faults_total.*$/m.exec(metrics)?.[0])
  await show(await send("DELETE", "/admin/faults"))
  await ask("After:")
} finally {
  await gateway.stop()
}
