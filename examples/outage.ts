/** An outage as an operator sees it: the health of each deployment, the changes of states, and a call with its attempts. */
import { serve } from "./stage/Serving.ts"

/** The part of the responses that is read here: docs/operations.md has all of it. */
interface Overview {
  readonly deployments: ReadonlyArray<{
    readonly name: string
    readonly health: string
    readonly last_failure: { readonly reason: string; readonly status: number; readonly message: string } | null
  }>
  readonly changes: ReadonlyArray<{
    readonly deployment: string
    readonly state: string
    readonly cause: { readonly reason: string } | null
  }>
}
interface Calls {
  readonly calls: ReadonlyArray<{
    readonly steps: ReadonlyArray<{
      readonly type: string
      readonly deployment: string
      readonly start_ms: number
      readonly duration_ms?: number
      readonly outcome?: string
      readonly text?: string
    }>
  }>
}

const gateway = await serve("outage.yaml")

try {
  const get = (path: string) => fetch(`${gateway.url}${path}`).then((response) => response.json())
  const post = (path: string, body: object) =>
    fetch(`${gateway.url}${path}`, {
      method: "POST",
      headers: { "content-type": "application/json" },
      body: JSON.stringify(body),
    }).then((response) => response.json())
  const ask = (question: string) =>
    post("/v1/chat/completions", { model: "assistant", messages: [{ role: "user", content: question }] })

  await ask("Who is on tonight?")
  // The page has a button for this.
  await post("/simulated/primary", { status: 503 })
  for (const day of ["Monday", "Tuesday", "Wednesday", "Thursday"]) await ask(`Who is on on ${day}?`)

  const { changes, deployments } = (await get("/api/overview")) as Overview
  for (const { health, last_failure: failure, name } of deployments) {
    const last = failure === null ? "" : `, last failure: ${failure.reason} (${failure.status}): ${failure.message}`
    console.log(`${name}: ${health}${last}`)
  }
  for (const { cause, deployment, state } of changes) {
    console.log(`${deployment} changed to ${state}${cause === null ? "" : ` after ${cause.reason}`}`)
  }

  const { calls } = (await get("/api/calls?filter=fallback")) as Calls
  for (const step of calls.at(-1)?.steps ?? []) {
    const outcome = step.type === "skip" ? `skipped: ${step.text}` : `${step.outcome} in ${step.duration_ms} ms`
    console.log(`  +${step.start_ms} ms ${step.deployment}: ${outcome}`)
  }
  console.log(`\nThe page shows the same: ${gateway.url}/#overview`)
} finally {
  await gateway.stop()
}
