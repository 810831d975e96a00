/** Prometheus' rules and Grafana's dashboard name what there is, and `promtool` finds them sound. */
import { assert, describe, it } from "@effect/vitest"
import * as Yaml from "effect/encoding/Yaml"
import { spawnSync } from "node:child_process"
import { globSync, mkdtempSync, readFileSync, rmSync, writeFileSync } from "node:fs"
import { tmpdir } from "node:os"
import { join } from "node:path"
import { dashboard } from "../scripts/grafana.ts"
import * as Metrics from "./Metrics.ts"

const root = join(import.meta.dirname, "..")
const read = (path: string) => readFileSync(join(root, path), "utf8")

const isInstalled = spawnSync("promtool", ["--version"]).status === 0
if (!isInstalled)
  process.stderr.write("promtool is not installed (Debian: prometheus): the tests of rules are SKIPPED\n")

const promtool = (...args: ReadonlyArray<string>) => {
  const { status, stderr, stdout } = spawnSync("promtool", args, { cwd: root, encoding: "utf8", timeout: 110_000 })
  assert.strictEqual(status, 0, `${stdout}${stderr}`)
}

interface Rule {
  readonly alert?: string
  readonly record?: string
  readonly expr: string
  readonly labels?: Readonly<Record<string, string>>
  readonly annotations?: Readonly<Record<string, string>>
}

interface RuleFile {
  readonly groups: ReadonlyArray<{ readonly rules: ReadonlyArray<Rule> }>
}

const files = globSync("deploy/prometheus/*.rules.yaml", { cwd: root })
const tests = globSync("deploy/prometheus/*.test.yaml", { cwd: root })
const rules = files.flatMap((file) => (Yaml.parse(read(file)) as RuleFile).groups.flatMap(({ rules }) => rules))
const alerts = rules.filter(({ alert }) => alert !== undefined)
const recorded = new Set(rules.flatMap(({ record }) => record ?? []))

interface Dashboard {
  readonly panels: ReadonlyArray<{
    readonly title: string
    readonly targets?: ReadonlyArray<{ readonly expr: string; readonly legendFormat: string }>
  }>
  readonly templating: { readonly list: ReadonlyArray<{ readonly query: unknown }> }
}

const grafana = JSON.parse(read("deploy/grafana/understudy.json")) as Dashboard
const targets = grafana.panels.flatMap(({ targets = [], title }) => targets.map((target) => ({ title, ...target })))

const listed = Metrics.documented()

describe("Prometheus' rules", () => {
  it("name metrics and labels that the gateway has", () => {
    for (const { alert, expr, record } of rules) {
      assert.deepStrictEqual(Metrics.unknownNames(expr, listed, recorded), [], alert ?? record)
    }
  })

  it("would not pass with a metric, a label or a grouping that the gateway lacks", () => {
    const unknown = (expr: string) => Metrics.unknownNames(expr, listed, recorded)
    assert.deepStrictEqual(unknown("rate(understudy_request_total[5m])"), ["understudy_request_total"])
    assert.deepStrictEqual(unknown('rate(understudy_requests_total{deployment="a"}[5m]) > 0'), [
      "understudy_requests_total{deployment}",
    ])
    assert.deepStrictEqual(unknown("sum by (deployment) (rate(understudy_requests_total[5m]))"), ["by (deployment)"])
    assert.deepStrictEqual(unknown("route:understudy:rate5m > 0"), ["route:understudy:rate5m"])
  })

  it("page or open a ticket, and point to a section of the runbook", () => {
    const headings = [...read("docs/operations.md").matchAll(/^#+ (.+)$/gm)].map(([, title = ""]) =>
      title
        .toLowerCase()
        .replace(/[^\w\s-]/g, "")
        .replaceAll(" ", "-"),
    )
    for (const { alert, annotations, labels } of alerts) {
      assert.include(["page", "ticket"], labels?.["severity"], alert)
      const [file, anchor = ""] = annotations?.["runbook"]?.split("#") ?? []
      assert.strictEqual(file, "docs/operations.md", alert)
      assert.include(headings, anchor, alert)
      assert.include(read("docs/operations.md"), `\`${alert}\``)
    }
  })

  it("are tested, each alert by one that fires", () => {
    const tested = tests.map(read).join("\n")
    for (const { alert } of alerts) {
      assert.match(tested, new RegExp(`alertname: ${alert}\\n +eval_time: .*\\n +exp_alerts:\\n +- exp_labels`), alert)
    }
  })

  it.skipIf(!isInstalled)("pass promtool's checks", { timeout: 120_000 }, () => promtool("check", "rules", ...files))

  it.skipIf(!isInstalled)("pass their unit tests", { timeout: 120_000 }, () => promtool("test", "rules", ...tests))
})

describe("Grafana's dashboard", () => {
  it("is what npm run grafana writes", () => {
    assert.deepStrictEqual(JSON.parse(read("deploy/grafana/understudy.json")), JSON.parse(dashboard()))
  })

  it("names metrics and labels that the gateway has", () => {
    for (const { expr, title } of targets) {
      assert.deepStrictEqual(Metrics.unknownNames(expr, listed, new Set()), [], title)
    }
    for (const [, metric = "", label = ""] of JSON.stringify(grafana.templating).matchAll(
      /label_values\((\w+), (\w+)\)/g,
    )) {
      assert.isTrue(listed.get(metric)?.has(label), `${metric}{${label}}`)
    }
  })

  it("has labels in its legends that their expressions keep", () => {
    for (const { expr, legendFormat, title } of targets) {
      const kept = new Set(expr.match(/\bby \(([^)]*)\)/)?.[1]?.split(", ") ?? ["instance"])
      for (const [, label = ""] of legendFormat.matchAll(/\{\{(\w+)\}\}/g))
        assert.isTrue(kept.has(label), `${title}: ${label}`)
    }
  })

  it("shows every metric of the gateway", () => {
    const shown = targets.map(({ expr }) => expr).join("\n")
    const others = new Set([
      "process_start_time_seconds",
      "understudy_key_tokens_total",
      "understudy_budget_alerts_total",
    ])
    for (const name of listed.keys()) assert.isTrue(others.has(name) || shown.includes(name), name)
  })

  it.skipIf(!isInstalled)("has expressions that promtool takes", { timeout: 120_000 }, () => {
    const folder = mkdtempSync(join(tmpdir(), "understudy-grafana-"))
    const file = join(folder, "rules.json")
    const expressions = targets.map(({ expr }, index) => ({
      record: `panel:expression:${index}`,
      expr: expr.replaceAll("$__rate_interval", "5m").replaceAll("$__range", "6h"),
    }))
    writeFileSync(file, JSON.stringify({ groups: [{ name: "dashboard", rules: expressions }] }))
    try {
      promtool("check", "rules", file)
    } finally {
      rmSync(folder, { recursive: true })
    }
  })
})
