/**
 * The cases of the calibration: a configuration, and a scenario that its stand-ins play and its rehearsal simulates.
 */

export interface Case {
  readonly name: string
  /** What happens, as a phrase for the table. */
  readonly title: string
  /** The scenario, as the text of a scenario file. */
  readonly scenario: string
  /** The configuration, with its stand-ins at this address. */
  readonly configuration: (url: string) => string
}

/** A deployment at a stand-in. The stand-in knows it by its model. */
const deployment = (name: string, url: string): string =>
  `  ${name}: { provider: openai, model: ${name}, baseUrl: "${url}/v1", apiKey: none }\n`

const deployments = (url: string): string => `deployments:\n${deployment("primary", url)}${deployment("backup", url)}`

/** Short answers: how long a probe takes decides for how long its circuit stays half-open. */
const quick = "firstToken: { median: 300ms, p95: 600ms }, tokensPerSecond: { median: 100, p95: 140 }"
const usual = "firstToken: { median: 400ms, p95: 1200ms }, tokensPerSecond: { median: 80, p95: 120 }"

const traffic = (rate: number, outputTokens: string): string => `traffic:
  rate: ${rate}/s
  streaming: 0.5
  inputTokens: { median: 100, p95: 400 }
  outputTokens: ${outputTokens}
`

export const cases: ReadonlyArray<Case> = [
  {
    name: "outage",
    title: "An outage of 45 s: the circuit opens, probes, and closes",
    scenario: `name: outage
deployments:
  "*": { ${quick}, failures: [{ share: 0.01, status: 500, after: 100ms }] }
incidents:
  - { from: 30s, for: 45s, where: { deployments: [primary] }, outage: true }
${traffic(40, "{ median: 20, p95: 40 }")}`,
    configuration: (url) => `${deployments(url)}routes:\n  assistant: [primary, backup]\n`,
  },
  {
    name: "brownout",
    title: "A brownout of 60 s: four times the latency and 20 % errors, with retries, timeouts and a hedge",
    scenario: `name: brownout
deployments:
  "*": { ${usual} }
incidents:
  - from: 30s
    for: 60s
    where: { deployments: [primary] }
    slower: 4
    failures: [{ share: 0.2, status: 503, after: { median: 300ms, p95: 1s } }]
${traffic(40, "{ median: 60, p95: 200 }")}`,
    configuration: (url) => `defaults:
  retry: { times: 2, base: 200ms }
  timeout: { firstToken: 3s, attempt: 8s }
  circuit: { failures: 20 }
${deployments(url)}routes:
  assistant: { hedge: { after: 1500ms, budget: 0.5 }, across: [primary, backup] }
`,
  },
  {
    name: "quota",
    title: "A vendor's quota of half the calls: 429 with Retry-After; 5 % of the streams are cut and resumed",
    scenario: `name: quota
deployments:
  "*": { ${usual} }
  primary: { ${usual}, cut: 0.05, quota: { rpm: 1200 } }
${traffic(40, "{ median: 60, p95: 200 }")}`,
    configuration: (url) => `defaults:
  retry: { times: 1 }
${deployments(url)}routes:
  assistant: { fallback: [primary, backup], stream: { protect: continue } }
`,
  },
]
