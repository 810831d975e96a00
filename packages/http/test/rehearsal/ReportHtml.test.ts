/** The report of a rehearsal in HTML: what it has, that it needs nothing else, and that anyone can read it. */
import { afterAll, assert, beforeAll, describe, it } from "@effect/vitest"
import type { Minute, Report } from "@understudy/core/Rehearsal"
import { execFile } from "node:child_process"
import { existsSync, mkdtempSync, readFileSync, rmSync, writeFileSync } from "node:fs"
import { tmpdir } from "node:os"
import { join } from "node:path"
import { pathToFileURL } from "node:url"
import type { Browser } from "playwright-core"
import * as Intervals from "../../src/cli/rehearsal/Intervals.ts"
import { html } from "../../src/cli/rehearsal/ReportHtml.ts"
import * as TestBrowser from "../dashboard/TestBrowser.ts"

const start = Date.UTC(2026, 0, 1)

const minute = (index: number, of: Partial<Minute> = {}): Minute => ({
  at: start + index * 60_000,
  calls: 10,
  failed: 0,
  attempts: 10,
  cost: 0.5,
  latency: { p50: 1000, p95: 4000, p99: 9000 },
  firstToken: { p50: 400, p95: 900, p99: 1500 },
  answered: { "<b>": 10 },
  open: [],
  ...of,
})

const silent = { p50: undefined, p95: undefined, p99: undefined }

/** A report with these minutes. */
const report = (minutes: ReadonlyArray<Minute>, of: Partial<Report> = {}): Report => ({
  from: start,
  until: start + minutes.length * 60_000,
  calls: 10 * minutes.length,
  answered: 10 * minutes.length,
  availability: 1,
  errors: { Upstream: 3 },
  latency: { p50: 1000, p95: 4000, p99: 9000 },
  firstToken: { p50: 400, p95: 900, p99: 1500 },
  attempts: 10 * minutes.length,
  attemptsPerCall: 1,
  cost: 0.5 * minutes.length,
  cacheHits: 0,
  rescued: 0,
  failovers: [{ from: "<b>", to: "gpt", calls: 12 }],
  deployments: ["<b>", "gpt"].map((deployment) => ({
    deployment,
    attempts: 10,
    failures: { Network: 2 },
    skipped: {},
    answered: deployment === "<b>" ? 100 : 10,
    share: 0.5,
    cost: 1,
  })),
  assumed: [],
  worstMinutes: minutes.slice(0, 2),
  minutes,
  ...of,
})

/** Half an hour with an outage of ten minutes, which one configuration survives. */
const outage = Array.from({ length: 30 }, (_, index) => index >= 10 && index < 20)

const survived = report(
  outage.map((out, index) => minute(index, out ? { answered: { gpt: 10 }, open: ["<b>"] } : { failed: index % 2 })),
)

const lost = report(
  outage.map((out, index) =>
    minute(index, out ? { failed: 10, answered: {}, latency: silent, firstToken: silent, open: ["<b>"] } : {}),
  ),
)

const both = [
  { name: 'new "&".yaml', report: survived },
  { name: "today.yaml", report: lost },
]

const page = html(both, ["vendor-outage: <script>", "30m, seed 1"])

const folder = mkdtempSync(join(tmpdir(), "understudy-report-"))

afterAll(() => rmSync(folder, { recursive: true, force: true }))

const count = (text: string, pattern: RegExp) => text.match(pattern)?.length ?? 0

describe("a report in HTML", () => {
  it("has the tables, and a plot of each measure with the configurations over one another", () => {
    for (const title of ["Availability", "Cost a minute", "Latency p50", "Latency p95", "First token p95"]) {
      assert.include(page, `<h3>${title}</h3>`)
    }
    for (const id of ["availability", "cost", "p50", "p95", "first-token"]) {
      const svg = page.split(`aria-labelledby="${id}-title ${id}-description"`)[1]?.split("</svg>")[0] ?? ""
      assert.strictEqual(count(svg, /class="line series-0"/g), 1, id)
      assert.strictEqual(count(svg, /class="line series-1"/g), 1, id)
    }
    assert.include(page, "<h3>Share of answers by deployment: today.yaml</h3>")
    assert.include(page, '<th scope="row">availability</th>')
    assert.include(page, "<caption>failovers</caption>")
    assert.strictEqual(count(page, /<caption>worst minutes<\/caption>/g), 2)
  })

  it("says in words what the plots show", () => {
    assert.include(page, "today.yaml: lowest 0 % at 2026-01-01 00:10, highest 100 % at 2026-01-01 00:00.")
    assert.include(
      page,
      "&lt;b&gt; in today.yaml: lowest closed at 2026-01-01 00:00, highest open at 2026-01-01 00:10.",
    )
    assert.include(page, "<caption>Values of each interval of today.yaml</caption>")
    assert.include(page, "2026-01-01 00:10\nnew &quot;&amp;&quot;.yaml: 100 %\ntoday.yaml: 0 %")
  })

  it("breaks a line where there are no values", () => {
    const lines = [...page.matchAll(/<path class="line series-1" d="(M[^"]*L[^"]*)"/g)].map(([, path = ""]) =>
      count(path, /M/g),
    )
    // Availability, cost, and three measures of answers.
    assert.deepStrictEqual(lines, [1, 1, 2, 2, 2])
  })

  it("escapes every name", () => {
    assert.notMatch(page, /<b>|<script|new "/)
    assert.include(page, "<h1>vendor-outage: &lt;script&gt;</h1>")
    assert.include(page, "new &quot;&amp;&quot;.yaml")
    assert.include(html([{ name: "a\u202e\n", report: lost }], ["x"]), "a\\u202e\\n")
  })

  it("needs nothing from elsewhere", () => {
    assert.notMatch(page, /http|src=|href|@import|url\((?!#)|<script|<link/)
  })

  it("has no id twice, and no reference to an id that it does not have", () => {
    const ids = [...page.matchAll(/ id="([^"]+)"/g)].map(([, id]) => id)
    assert.strictEqual(new Set(ids).size, ids.length)
    const used = [...page.matchAll(/url\(#([^)]+)\)|aria-labelledby="(\S+) (\S+)"/g)].flatMap(([, ...found]) => found)
    for (const id of used) if (id !== undefined) assert.include(ids, id)
  })

  it("is the same bytes for the same reports", () => {
    assert.strictEqual(html(structuredClone(both), ["vendor-outage: <script>", "30m, seed 1"]), page)
  })

  it("says what there is nothing of", () => {
    const calm = report([minute(0, { firstToken: silent })])
    const single = html([{ name: "a.yaml", report: calm }], ["calm"])
    assert.include(single, "First token p95: There are no values.")
    assert.include(single, "Open circuits: no circuit was open at the end of a minute.")
    const empty = html([{ name: "a.yaml", report: report([]) }], ["calm"])
    assert.include(empty, "<h2>Summary</h2>")
    assert.notInclude(empty, "Over time")
  })

  it("draws as many deployments as can be told apart, and the others as one", () => {
    const names = Array.from({ length: 20 }, (_, index) => `d${index}`)
    const many = report([minute(0, { answered: Object.fromEntries(names.map((name) => [name, 1])) })], {
      deployments: names.map((deployment, index) => ({ ...lost.deployments[0]!, deployment, answered: 20 - index })),
    })
    const drawn = html([{ name: "a.yaml", report: many }], ["x"])
    assert.include(drawn, "</svg>d6</li>")
    assert.include(drawn, "</svg>13 others</li>")
    assert.include(drawn, "13 others: 65 % all the time.")
  })
})

describe("intervals", () => {
  it("are minutes while there are few, and lengths that divide an hour or a day when there are many", () => {
    const lengthOf = (minutes: number) => {
      const { minutes: length, starts } = Intervals.make(
        [report(Array.from({ length: minutes }, (_, index) => minute(index)))],
        240,
      )
      return [length, starts.length]
    }
    assert.deepStrictEqual(lengthOf(240), [1, 240])
    assert.deepStrictEqual(lengthOf(241), [2, 121])
    assert.deepStrictEqual(lengthOf(1440), [6, 240])
    assert.deepStrictEqual(lengthOf(1500), [10, 150])
  })

  it("add up counts, and weigh percentiles by answered calls", () => {
    const minutes = [
      minute(0, { calls: 30, latency: { p50: 100, p95: 200, p99: 300 }, answered: { a: 30 } }),
      minute(1, {
        calls: 20,
        failed: 10,
        latency: { p50: 500, p95: 600, p99: 700 },
        answered: { a: 4, b: 6 },
        open: ["a"],
      }),
      minute(2, { calls: 0, failed: 0, latency: silent, firstToken: silent, answered: {} }),
    ]
    const { of } = Intervals.make([report(minutes)], 1)
    assert.deepStrictEqual(of, [
      [
        {
          calls: 50,
          failed: 10,
          costPerMinute: 0.5,
          p50: 200,
          p95: 300,
          firstToken: 900,
          answered: new Map([
            ["a", 34],
            ["b", 6],
          ]),
          open: new Set(["a"]),
        },
      ],
    ])
  })

  it("are the same for reports of different lengths", () => {
    const { of, starts } = Intervals.make([report([minute(0), minute(1)]), report([minute(1), minute(2)])], 240)
    assert.strictEqual(starts.length, 3)
    assert.deepStrictEqual(
      of.map((intervals) => intervals.map((interval) => interval?.calls)),
      [
        [10, 10, undefined],
        [undefined, 10, 10],
      ],
    )
  })
})

describe("--html", { timeout: 60_000 }, () => {
  const simulate = (...args: ReadonlyArray<string>) =>
    new Promise<{ readonly code: number; readonly out: string; readonly err: string }>((resolve) => {
      const main = join(import.meta.dirname, "..", "..", "src", "main.js")
      const child = execFile(
        process.execPath,
        [main, "simulate", "--for", "5m", "--rate", "1/s", ...args],
        { cwd: folder, env: { PATH: process.env["PATH"], NO_COLOR: "1" } },
        (_, out, err) => resolve({ code: child.exitCode ?? -1, out, err }),
      )
    })

  it("writes the file beside what is printed, in place of what it had", async () => {
    writeFileSync(join(folder, "report.html"), "before".repeat(100_000))
    const { code, err, out } = await simulate("--json", "--html", "report.html")
    assert.strictEqual(err, "")
    assert.strictEqual(code, 0)
    assert.isNotEmpty(JSON.parse(out).reports[0].minutes)
    assert.match(
      readFileSync(join(folder, "report.html"), "utf8"),
      /^<!doctype html>\n<html lang="en">[^]*<h1>vendor-outage: [^]*<h3>Availability<\/h3>[^]*<\/html>\n$/,
    )
  })

  it("fails before the rehearsal if the file cannot be written", async () => {
    const { code, err, out } = await simulate("--html", join("nowhere", "report.html"))
    assert.strictEqual(code, 1)
    assert.match(err, /--html \S*report\.html: ENOENT .*Use a file that can be written, in a folder that exists\./)
    assert.strictEqual(out, "")
    assert.isFalse(existsSync(join(folder, "nowhere")))
  })
})

describe.skipIf(!TestBrowser.installed)("a report in Chromium", { timeout: 60_000 }, () => {
  let browser: Browser
  beforeAll(async () => {
    browser = await TestBrowser.launch()
  }, 60_000)
  afterAll(() => browser?.close())

  it("has no axe violation and is not wider than the window, in any appearance", async () => {
    const file = join(folder, "both.html")
    writeFileSync(file, page)
    const context = await browser.newContext()
    const opened = await context.newPage()
    const requests: Array<string> = []
    opened.on("request", (request) => requests.push(request.url()))
    await opened.goto(pathToFileURL(file).href)
    assert.deepStrictEqual(requests, [pathToFileURL(file).href])
    await opened.locator("details").evaluateAll((details) => details.forEach((each) => each.setAttribute("open", "")))
    await opened.getByRole("img", { name: "Availability" }).waitFor()
    assert.deepStrictEqual(await TestBrowser.violations(opened), [])
    await context.close()
  })
})
