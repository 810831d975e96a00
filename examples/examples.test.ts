/** Every example runs, exits with 0, and prints what it demonstrates. */
import { assert, describe, it } from "@effect/vitest"
import { execFile, spawn } from "node:child_process"
import type { ChildProcess } from "node:child_process"
import { cpSync, mkdirSync, mkdtempSync, readFileSync, rmSync, symlinkSync } from "node:fs"
import { tmpdir } from "node:os"
import { dirname, join } from "node:path"
import { promisify } from "node:util"
import { successors } from "./stage/models.ts"

const escape = (text: string): string => text.replaceAll(/[.*+?^${}()|[\]\\]/g, "\\$&")

const run = promisify(execFile)
const example = (name: string) =>
  run(process.execPath, [join(import.meta.dirname, `${name}.ts`)], { timeout: 110_000 }).then(({ stdout }) => stdout)

// Each example is a process: a second on an idle machine may be many beside other tests.
describe.concurrent("examples", { timeout: 120_000 }, () => {
  it("library", async () => {
    const printed = await example("library")
    assert.match(printed, /^lead can't go on \(Network\): understudy does$/m)
    assert.match(printed, /^understudy: /m)
  })

  it("streaming", async () => {
    const printed = await example("streaming")
    assert.match(printed, /backup/)
    assert.match(printed, /\(stop\)/)
  })

  it("embedded-gateway", async () => {
    const printed = await example("embedded-gateway")
    assert.match(printed, /^an application of its own$/m)
    assert.match(printed, /sim \(simulated\) says/)
  })

  it("broken-mid-conversation", async () => {
    const printed = await example("broken-mid-conversation")
    const speakers = [...printed.matchAll(/^(primary|backup): /gm)].map(([, who]) => who)
    assert.deepStrictEqual(speakers, ["primary", "backup"])
    assert.match(printed, /log: assistant: answered by backup in \d+ ms \(primary \w+ 503/)
  })

  it("endpoints", async () => {
    const printed = await example("endpoints")
    assert.match(printed, /^a moderation \(flagged: false\): by omni in attempt 2, \$ unknown$/m)
    assert.match(printed, /^a transcription of \d+ characters: by whisper in attempt 2, \$0\.00014$/m)
    assert.match(printed, /^an image of \d+ bytes: by images in attempt 2, \$0\.00405$/m)
    assert.match(
      printed,
      /^an image as it is made: (?:image_generation\.partial_image, ){2}image_generation\.completed$/m,
    )
  })

  it("realtime", async () => {
    const printed = await example("realtime")
    assert.match(printed, /^a session of gpt-realtime$/m)
    assert.match(printed, /^a response of 20\+10 tokens$/m)
    assert.match(printed, /^error stream_broken: .*the provider cut the session$/m)
    assert.match(printed, /^closed with 1011$/m)
  })

  it("knowing-why", async () => {
    const printed = await example("knowing-why")
    assert.match(printed, /^ {2}1\. lead \(large\): available$/m)
    assert.match(printed, /^ {2}1\. lead \(large\): skipped: circuit open for [\d.]+ s$/m)
    assert.match(printed, /^ {4}3\. east \(small\): skipped: at its rpm limit/m)
    assert.match(printed, /^flowchart LR$/m)
    assert.match(printed, /^routes\.assistant: "west" does not support vision/m)
  })

  it("vertex", async () => {
    const printed = await example("vertex")
    assert.match(printed, /^Claude answers from the next region\. \(claude-us RateLimited, then claude-eu answered\)$/m)
    assert.match(printed, /^Gemini answers\. \(claude-eu ModelNotFound, then gemini answered\)$/m)
    assert.match(
      printed,
      /locations\/europe-west1\/publishers\/anthropic\/models\/claude-sonnet-4-5%4020250929:rawPredict$/m,
    )
  })

  it("splitting", async () => {
    const printed = await example("splitting")
    const arms = [...printed.matchAll(/^(\w+) is answered by (control|candidate)$/gm)].map(
      ([, user, arm]) => `${user} ${arm}`,
    )
    assert.lengthOf(arms, 6)
    // Each user has one arm, and both arms have users.
    assert.lengthOf([...new Set(arms)], 4)
    assert.match(printed, /is answered by candidate/)
    assert.match(printed, /^the call: control, success, \d+ tokens, /m)
    assert.match(printed, /^its shadow: slow, success, \d+ tokens, /m)
  })

  it("reload", async () => {
    const printed = await example("reload")
    assert.include(printed, "deployment florence changed: limits\ndeployment siena added\nroute guide changed\n")
    assert.include(printed, "the next call: At ten, since today.\nthe stream, from florence: It opens at nine.\n")
    assert.include(printed, 'not reloaded: routes.guide[0]: names "sienna"')
  })

  it("rehearsal", async () => {
    const printed = await example("rehearsal")
    const answered = [...printed.matchAll(/ ([\d.]+) % answered, (\d+) rescued/g)].map(([, share, rescued]) => [
      Number(share) > 99,
      Number(rescued) > 1000,
    ])
    assert.deepStrictEqual(answered, [
      [false, false],
      [true, true],
      [true, true],
    ])
  })

  it("record", async () => {
    const printed = await example("record")
    assert.match(printed, /^3 calls in \d+ bytes$/m)
    assert.match(printed, /^guide for tour-office, \d+ tokens: initial lead Overloaded, fallback backup success$/m)
    assert.match(printed, /^guide for tour-office, \d+ tokens: lead skipped \(CircuitOpen\), initial backup success$/m)
    assert.include(printed, "the question is on the tape: false")
  })

  it("outage", async () => {
    const printed = await example("outage")
    assert.match(printed, /^primary: circuit_open, last failure: overloaded \(503\): /m)
    assert.match(printed, /^backup: healthy$/m)
    assert.match(printed, /^primary changed to circuit_open after overloaded$/m)
    assert.match(printed, /^ {2}\+\d+ ms primary: failure in \d+ ms\n {2}\+\d+ ms backup: success in \d+ ms$/m)
  })

  it("game-day", async () => {
    const printed = await example("game-day")
    assert.include(
      printed,
      [
        "Before: answered by primary",
        "primary: overloaded for a minute",
        "During: answered by backup",
        "During: answered by backup",
        'understudy_injected_faults_total{deployment="primary",fault="overloaded"} 2',
        "primary: no faults",
        "After: answered by primary",
      ].join("\n"),
    )
  })

  it("queues", async () => {
    const printed = await example("queues")
    const [, order = ""] = /^answered: 15 of 15 calls, in this order: (.*)$/m.exec(printed) ?? []
    assert.match(order, /chat .*chat .*chat .*night$/)
    assert.match(printed, /^waited: \d+ calls, for at most \d+ ms$/m)
  })

  it("which-way", async () => {
    const printed = await example("which-way")
    assert.match(printed, /^door: quick: /m)
    assert.match(printed, /^door, vip: grand: /m)
    assert.match(printed, /^ {2}\(slow takes long: quick is asked beside it\)\nrace: quick: /m)
    assert.match(printed, /^books: small: .*\n {2}\(small can't: ContextWindowTooSmall; on to large\)\nbooks: large: /m)
    assert.match(printed, /^ {2}\(prepaid can't: QuotaExhausted; on to metered\)\npurse: metered: /m)
    assert.match(printed, /^strict: .*picky: InvalidRequest/m)
    assert.match(printed, /^lenient: easy: /m)
  })

  it("broken-answer", async () => {
    const printed = await example("broken-answer")
    assert.match(printed, /^ {2}\(lead broke off: Network; understudy goes on\)$/m)
    assert.match(printed, /^\(stop\)$/m)
    assert.match(printed, /^whole: true; lead failure, understudy success$/m)
  })

  it("language-model", async () => {
    const printed = await example("language-model")
    assert.match(printed, /^tool: 28 °C in Rome$/m)
    assert.match(printed, /^object: Hamlet, 5 stars$/m)
    assert.match(printed, /^whisper: Line, please!$/m)
  })

  it("decisions", async () => {
    const printed = await example("decisions")
    assert.match(printed, /^team: billing, 0\.8\nanger: annoyed, 1\.1 of 2\nurgent: 0\.9$/m)
    assert.match(printed, /"deployment":"backup","attempts":2/)
  })

  it("ai-sdk", async () => {
    const printed = await example("ai-sdk")
    assert.match(printed, /^text: Rome, in 753 BC\. \(understudy: lead failed with Network, then understudy\)$/m)
    assert.match(printed, /^tool: 28 °C in Rome$/m)
    assert.match(printed, /^object: Hamlet, 5 stars$/m)
    assert.match(printed, /^stream: Line, please! \(prompter\)$/m)
    assert.match(printed, /^error: Upstream, after 1 attempt$/m)
  })

  it("fallback-chain", async () => {
    const printed = await example("fallback-chain")
    assert.match(printed, /^The capital of France is Paris\. \(anthropic, \d+ ms\)$/m)
    assert.match(printed, /^Failing over from openai to anthropic: Overloaded$/m)
    assert.match(printed, /^anthropic answered after \d+ ms$/m)
    assert.match(printed, /^anthropic, claude-3-5-sonnet-20241022$/m)
  })

  it("virtual-keys", async () => {
    const printed = await example("virtual-keys")
    const rates = [...printed.matchAll(/^([ABC]) +5 +(\d) +(\d) +(\d+) %$/gm)].map(([, ...cells]) => cells.join(" "))
    assert.deepStrictEqual(rates, ["A 3 2 60", "B 5 0 100", "C 5 0 100"])
    assert.match(printed, /^429 Key "consumer-a" exceeds its limit of 3 requests a minute.*\(retry-after: 60\)$/m)
    assert.match(printed, /^A sees: assistant$/m)
  })

  it("keys-and-budgets", async () => {
    const printed = await example("keys-and-budgets")
    assert.match(printed, /^search: {2}demo, demo, budget_exceeded, budget_exceeded$/m)
    assert.match(printed, /^support: demo, demo, small, small$/m)
    assert.match(printed, /^search {3}2 calls, \d+ tokens written, \$0\.000\d+$/m)
    assert.match(printed, /^support {2}4 calls, \d+ tokens written, \$0\.000\d+$/m)
    assert.match(printed, /^search, revoked: invalid_api_key, invalid_api_key/m)
  })

  it("multi-provider-router", async () => {
    const printed = await example("multi-provider-router")
    assert.match(printed, /^openai-gpt4o -> anthropic-claude-4 -> bedrock-claude-4$/m)
    assert.match(printed, /^ {2}anthropic-claude-4: Overloaded; falling back to bedrock-claude-4$/m)
    assert.match(printed, /^ {2}openai-gpt4o: Authentication; falling back to anthropic-claude-sonnet$/m)
    assert.deepStrictEqual(
      [...printed.matchAll(/^Provider: (.+)$/gm)].map(([, provider]) => provider),
      [
        "bedrock:us.anthropic.claude-sonnet-4-20250514-v1:0",
        "Anthropic:claude-3-7-haiku-20250115",
        "bedrock:us.anthropic.claude-sonnet-4-20250514-v1:0",
        "bedrock:us.anthropic.claude-sonnet-4-20250514-v1:0",
        "Anthropic:claude-3-5-sonnet-20241022",
      ],
    )
  })

  it("bedrock-converse-router", async () => {
    const printed = await example("bedrock-converse-router")
    assert.match(printed, /^bedrock-llama-maverick -> bedrock-llama3-70b$/m)
    assert.match(printed, /^Provider: bedrock:anthropic\.claude-3-5-sonnet-20241022-v2:0$/m)
    assert.match(printed, /^Provider: bedrock:anthropic\.claude-3-5-haiku-20241022-v1:0$/m)
  })

  it("anthropic-with-bedrock-behind", async () => {
    const printed = await example("anthropic-with-bedrock-behind")
    assert.match(printed, /^Provider: Anthropic:claude-3-7-sonnet-latest\nResponse: Hello from Anthropic\.$/m)
    assert.match(printed, /^Provider: bedrock:us\.anthropic.+\nResponse: Hello from Bedrock\.$/m)
  })

  it("openai-with-bedrock-behind", async () => {
    const printed = await example("openai-with-bedrock-behind")
    assert.deepStrictEqual(
      [...printed.matchAll(/^Provider: (\w+):/gm)].map(([, provider]) => provider),
      ["OpenAI", "BedrockOpenAI", "BedrockOpenAI"],
    )
  })

  it("many-models", async () => {
    const printed = await example("many-models")
    assert.strictEqual(printed.match(/Science fair \(Friday: Alice, Bob\); Play \(Sunday: Alice, Bob\)$/gm)?.length, 8)
  })

  it("strategies", async () => {
    const printed = await example("strategies")
    assert.match(printed, /^bedrock-haiku -> openai-gpt4o-mini -> anthropic-sonnet$/m)
    assert.match(printed, /^openai-gpt4o-mini -> bedrock-sonnet$/m)
    assert.match(printed, /^bedrock-sonnet-east -> bedrock-sonnet-west -> bedrock-llama-west$/m)
    assert.strictEqual(printed.match(/^Provider: /gm)?.length, 3)
  })

  it("key-pool", async () => {
    const printed = await example("key-pool")
    assert.match(printed, /^call 2: key 2 Authentication, then key 3 answered$/m)
    assert.match(printed, /^call 4: key 1 RateLimited, then key 3 answered$/m)
    assert.match(printed, /^key 1: cooling down\nkey 2: not tried: rejected\nkey 3: available$/m)
  })

  it("migrating", async () => {
    const printed = await example("migrating")
    assert.match(printed, /^ {4}apiKeys: \["\$\{OPENAI_KEY_1\}", "\$\{OPENAI_KEY_2\}"\]$/m)
    assert.match(printed, /^safety and money \(1\)\n {2}providers\.openai\.network_config\.insecure_skip_verify: /m)
    assert.match(printed, /^models not served \(2\)$/m)
    assert.match(printed, /^exit code 1$/m)
  })

  it("deployment-parameters", async () => {
    const printed = await example("deployment-parameters")
    assert.match(printed, /^\{"temperature":1\}: lead gets \{"temperature":1\}$/m)
    assert.match(printed, /^\{"maxTokens":4000\}: backup gets \{"maxTokens":100,"temperature":0\}$/m)
  })

  it("lambda-handler", async () => {
    const printed = await example("lambda-handler")
    assert.match(printed, /statusCode: 200/)
    assert.match(printed, /"by":"west"/)
  })

  it("response-cache", async () => {
    const printed = await example("response-cache")
    const told = [...printed.matchAll(/^sk-(\w+), (\w+): (\w+), (\d) asked, \d+ ms, calls opening_hours$/gm)]
    assert.deepStrictEqual(
      told.map(([, ...cells]) => cells.join(" ")),
      [
        "website whole miss 1",
        "website whole hit 0",
        "website streamed miss 1",
        "website streamed hit 0",
        "intranet whole miss 1",
      ],
    )
  })

  it("stored-responses", async () => {
    const printed = await example("stored-responses")
    assert.match(printed, /^"My name is Ada\.": primary answered, 1 items/m)
    assert.match(printed, /^"What is my name\?": backup answered, 3 items/m)
    assert.match(printed, /^"And how is it spelt\?": primary answered, 5 items/m)
    assert.match(printed, /^in the background: queued\nin the background: completed, \d+ output tokens$/m)
    assert.match(printed, /^compacted to: message, message, message, compaction$/m)
  })

  it("affinity", async () => {
    const printed = await example("affinity")
    const told = [...printed.matchAll(/^([\w, ]+): (\d+) % of the input at the full price, \$[\d.]+$/gm)]
    const [scattered = 0, kept = 0, moved = 0] = told.map(([, , share]) => Number(share))
    assert.lengthOf(told, 3)
    assert.isAbove(scattered, 2 * kept)
    assert.isBelow(moved, scattered)
    assert.deepStrictEqual(printed.match(/^  turn .*$/gm), ["  turn 31: moved from a to b (Overloaded)"])
  })

  it("budgets", async () => {
    const printed = await example("budgets")
    assert.match(printed, /^alert: museum at 50 %, \$0\.27 spent$/m)
    assert.match(printed, /^alert: museum at 100 %, \$[\d.]+ spent\ncheap: Nine\.\ncheap: Nine\.$/m)
    assert.match(printed, /^museum: \$0\.27 of \$0\.50, \$0 reserved$/m)
    assert.match(printed, /^BudgetExceeded: Budget "all" of \$1\.00 a month does not cover this call/m)
  })

  it("traces", async () => {
    const printed = await example("traces")
    assert.match(printed, /^chat stage \(internal\) understudy\.outcome=success$/m)
    assert.match(printed, /^ {2}chat large \(client\) understudy\.attempt\.type=retry .*error\.type=overloaded$/m)
    assert.match(printed, /^ {2}chat small \(client\) understudy\.attempt\.type=fallback understudy\.outcome=success/m)
    assert.match(printed, /^the receipt names the trace: true$/m)
  })

  it("metrics", async () => {
    const printed = await example("metrics")
    assert.match(printed, /^understudy_requests_total\{route="stage",outcome="success",error=""\} 3$/m)
    assert.match(printed, /^understudy_failovers_total\{from="lead",to="understudy",reason="rate_limited"\} 1$/m)
    assert.match(printed, /^understudy_cooldown_seconds\{deployment="lead"\} \d/m)
  })

  it("guardrails", async () => {
    const printed = await example("guardrails")
    assert.match(
      printed,
      /^quick: Call the museum: \[PHONE\]\. \(no-secrets pass, long-questions pass, masked rewrite\)$/m,
    )
    assert.match(printed, /^GuardrailRefused: The request contains an API key\.$/m)
    assert.match(printed, /^thorough: The museum, at \[PHONE\], opens at ten\. \(.*long-questions route.*\)$/m)
  })

  it("checked-answers", async () => {
    const printed = await example("checked-answers")
    assert.match(printed, /^careless: the response is not JSON$/m)
    assert.match(printed, /^careful: success$/m)
    assert.match(printed, /^\{"opens":\d+,"closed":(true|false)\}$/m)
    assert.match(printed, /^careless: the response fails "is sure"$/m)
  })

  it("tells which models are asked for in place of the originals'", () => {
    const readme = readFileSync(join(import.meta.dirname, "README.md"), "utf8")
    for (const [old, successor] of Object.entries(successors)) {
      assert.match(readme, new RegExp(`\\| \`${escape(old)}\` +\\| \`${escape(successor)}\``))
    }
  })

  it("web-service", async () => {
    const printed = await example("web-service")
    assert.match(
      printed,
      /"provider": "together_llama",\n {2}"model": "meta-llama\/Llama-3-70b-chat-hf",\n {2}"activity_log": \[\n {4}"Attempting groq_llama \(llama-3\.1-8b-instant\)\.\.\.",\n {4}"groq_llama failed after \d+ ms: Overloaded, status 503: .+",\n {4}"Attempting together_llama \(.+\)\.\.\.",\n {4}"Using together_llama \(.+\)"\n/,
    )
    assert.match(printed, /"activity_log": \[\n {4}"groq_llama skipped: circuit open for [\d.]+ s",/)
    assert.match(printed, /"name": "groq_llama",\n {4}"state": "circuit_open"/)
    assert.match(printed, /^\{"time":.*"skipped":\[\{"deployment":"groq_llama","reason":"circuit_open"/m)
  })

  it("web-service makes its key on the first start, and keeps it", async () => {
    const folder = mkdtempSync(join(tmpdir(), "web-service-"))
    const children: Array<ChildProcess> = []
    const started = async () => {
      const child = spawn("sh", ["start.sh", "--port", "0"], {
        cwd: folder,
        env: {
          PATH: `${dirname(process.execPath)}:${process.env["PATH"]}`,
          GROQ_API_KEY: "offline",
          TOGETHER_LLAMA_API_KEY: "offline",
        },
        stdio: ["ignore", "pipe", "inherit"],
      })
      children.push(child)
      let printed = ""
      for await (const piece of child.stdout) {
        printed += piece
        const url = /serves http:\/\/0\.0\.0\.0(:\d+)\/v1/.exec(printed)?.[1]
        if (url !== undefined) return { printed, url: `http://127.0.0.1${url}` }
      }
      throw new Error(`it did not start:\n${printed}`)
    }
    try {
      for (const file of ["providers.yaml", "start.sh"]) {
        cpSync(join(import.meta.dirname, "web-service", file), join(folder, file))
      }
      for (const made of ["secrets", "logs"]) mkdirSync(join(folder, made))
      symlinkSync(join(import.meta.dirname, "..", "packages"), join(folder, "packages"))
      const first = await started()
      const key = /made just now: (\S{32})$/m.exec(first.printed)?.[1] ?? ""
      assert.strictEqual((await fetch(`${first.url}/api/providers`)).status, 401)
      assert.strictEqual((await fetch(`${first.url}/api/providers`, { headers: { "x-api-key": key } })).status, 200)
      const second = await started()
      assert.notInclude(second.printed, "made just now")
      assert.strictEqual((await fetch(`${second.url}/api/providers`, { headers: { "x-api-key": key } })).status, 200)
    } finally {
      for (const child of children) child.kill("SIGKILL")
      rmSync(folder, { recursive: true })
    }
  })

  it("lists itself", async () => {
    const { stdout } = await run(process.execPath, [join(import.meta.dirname, "run.ts")])
    const readme = readFileSync(join(import.meta.dirname, "README.md"), "utf8")
    for (const [, name] of stdout.matchAll(/^npm run example (\S+)/gm)) assert.include(readme, `[${name}]`)
  })
})
