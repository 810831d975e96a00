/**
 * A platform team makes a key for each of two callers while the gateway runs. One has a budget that refuses, the other one that
 * changes to a cheaper route. Then it asks what each has spent, and revokes a key.
 */
import { mkdtempSync, rmSync } from "node:fs"
import { tmpdir } from "node:os"
import { join } from "node:path"
import OpenAI, { APIError } from "openai"
import { serve } from "./stage/Serving.ts"

const folder = mkdtempSync(join(tmpdir(), "understudy-example-"))
const operator = "sk-of-the-operator"
const gateway = await serve("keys-and-budgets.yaml", {
  DATABASE: join(folder, "understudy.db"),
  UNDERSTUDY_API_KEY: operator,
})

interface NewKey {
  readonly id: string
  /** The text of the key, which is told only once. */
  readonly key: string
}

interface Spend {
  readonly rows: ReadonlyArray<{ keyName: string; calls: number; outputTokens: number; cost: number }>
}

/** A request to the admin API, with the operator key. */
const admin = async <Response>(method: string, path: string, body?: object) => {
  const response = await fetch(`${gateway.url}/admin${path}`, {
    method,
    headers: { authorization: `Bearer ${operator}`, "content-type": "application/json" },
    ...(body === undefined ? undefined : { body: JSON.stringify(body) }),
  })
  if (!response.ok) throw new Error(await response.text())
  return (response.status === 204 ? undefined : await response.json()) as Response
}

try {
  const search = await admin<NewKey>("POST", "/keys", {
    name: "search",
    routes: ["assistant"],
    budgets: [{ amount: 0.001, window: "month", then: "refuse" }],
  })
  const support = await admin<NewKey>("POST", "/keys", {
    name: "support",
    budgets: [{ amount: 0.001, window: "month", then: { use: "cheap" } }],
  })

  /** Four calls, one after the other: the deployment that answered, or the error's code. */
  const four = async (apiKey: string) => {
    const client = new OpenAI({ baseURL: `${gateway.url}/v1`, apiKey, maxRetries: 0 })
    const outcomes: Array<string> = []
    for (let call = 0; call < 4; call++) {
      const messages = [{ role: "user" as const, content: "Who is on tonight?" }]
      const outcome = await client.chat.completions
        .create({ model: "assistant", max_tokens: 40, messages })
        .withResponse()
        .then(
          ({ response }) => `${response.headers.get("x-understudy-deployment")}`,
          (error: unknown) => (error instanceof APIError ? `${error.code}` : Promise.reject(error)),
        )
      outcomes.push(outcome)
    }
    return outcomes
  }

  console.log(`search:  ${(await four(search.key)).join(", ")}`)
  console.log(`support: ${(await four(support.key)).join(", ")}`)

  // The ledger is written in the background, half a second after a call at the latest.
  let rows: Spend["rows"] = []
  while (rows.reduce((sum, { calls }) => sum + calls, 0) < 6) {
    await new Promise((resolve) => setTimeout(resolve, 50))
    rows = (await admin<Spend>("GET", "/spend?by=key")).rows
  }
  for (const { calls, cost, keyName, outputTokens } of rows) {
    console.log(`${keyName.padEnd(8)} ${calls} calls, ${outputTokens} tokens written, $${cost.toFixed(6)}`)
  }

  await admin<void>("DELETE", `/keys/${search.id}`)
  console.log(`search, revoked: ${(await four(search.key)).join(", ")}`)
} finally {
  await gateway.stop()
  rmSync(folder, { recursive: true, force: true })
}
