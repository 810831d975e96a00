/** The page's views of spend, keys and budgets in a real browser, over a gateway with a database. */
import { afterAll, assert, beforeAll, describe, it } from "@effect/vitest"
import * as Effect from "effect/Effect"
import * as Schedule from "effect/Schedule"
import { mkdtempSync, rmSync } from "node:fs"
import { tmpdir } from "node:os"
import { join } from "node:path"
import type { Browser, Page } from "playwright-core"
import * as AdminGateway from "../api/admin/AdminGateway.ts"
import * as TestBrowser from "./TestBrowser.ts"

describe.skipIf(!TestBrowser.installed)("the page's books in Chromium", { timeout: 60_000 }, () => {
  const folder = mkdtempSync(join(tmpdir(), "understudy-page-"))
  let files = 0
  let browser: Browser
  beforeAll(async () => {
    browser = await TestBrowser.launch()
  }, 60_000)
  afterAll(async () => {
    await browser?.close()
    rmSync(folder, { recursive: true, force: true })
  })

  const gateway = (options?: Parameters<typeof AdminGateway.make>[1]) =>
    AdminGateway.make({ type: "sqlite", file: join(folder, `${++files}.db`) }, options)

  /** The page, signed in with a key, at a view. */
  const open = Effect.fnUntraced(function* (url: string, hash: string, key: string = AdminGateway.operatorKey) {
    const opened = yield* TestBrowser.open(browser, url, `/${hash}`, {
      permissions: ["clipboard-read", "clipboard-write"],
    })
    const { page } = opened
    yield* Effect.promise(async () => {
      await page.getByLabel("Key", { exact: true }).fill(key)
      await page.getByRole("button", { name: "Sign in" }).click()
      await page.getByRole("navigation", { name: "Views" }).waitFor()
    })
    return opened
  })

  const tab = (page: Page, name: string) => page.getByRole("navigation", { name: "Views" }).getByRole("link", { name })

  const row = (page: Page, name: string) =>
    page.locator("#key-rows tr", { has: page.getByRole("rowheader", { name, exact: false }) })

  const button = (page: Page, name: string) => page.getByRole("button", { name, exact: true })

  /** The amount as the page writes amounts of dollars below one. */
  const cents = (dollars: number) =>
    dollars === 0
      ? "$0.00"
      : `$${dollars.toFixed(Math.max(2, 1 - Math.floor(Math.log10(dollars))))}`.replace(/(\.\d\d\d*?)0+$/, "$1")

  /** The spend by a name, once the ledger has this many calls. */
  const spend = (
    { get }: Pick<AdminGateway.AdminGateway, "get">,
    by: string,
    calls: number,
    sent: AdminGateway.Sent = {},
  ) =>
    get(`/admin/spend?by=${by}`, sent).pipe(
      Effect.map(({ body }) => body.rows as ReadonlyArray<Record<string, never>>),
      Effect.repeat({
        schedule: Schedule.spaced("50 millis"),
        until: (rows) => rows.reduce((sum, row) => sum + (row["calls"] ?? 0), 0) === calls,
      }),
    )

  it.live("makes a key that is shown once, and disables, enables, rotates and deletes it", () =>
    Effect.gen(function* () {
      const { call, get, url } = yield* gateway()
      const status = (key: string) => Effect.map(call(key), ({ status }) => status)
      const { faults, page } = yield* open(url, "#keys")
      const secret = yield* Effect.promise(async () => {
        await page.getByText("No keys yet.").waitFor()
        await button(page, "New key").click()
        const dialog = page.getByRole("dialog", { name: "New key" })
        await dialog.getByLabel("Name", { exact: true }).fill("ci")
        await dialog.getByLabel("Routes").fill("assistant, demo")
        await dialog.getByLabel("Requests a minute").fill("60")
        await dialog.getByLabel("Amount").fill("5")
        await dialog.getByLabel("Expires").fill("2999-01-31")
        await button(page, "Save").click()
        const made = page.getByRole("dialog", { name: "Key made" })
        const text = await made.getByLabel("The new key").inputValue()
        await made.getByRole("button", { name: "Copy" }).click()
        await made.getByText("Copied.").waitFor()
        assert.strictEqual(await page.evaluate("navigator.clipboard.readText()"), text)
        await made.getByRole("button", { name: "Done" }).click()
        await row(page, "ci").getByText("active", { exact: true }).waitFor()
        // Before the first call, which costs something.
        await row(page, "ci").getByText("$0.00 of $5.00 a month").waitFor()
        return text
      })
      const { body } = yield* get("/admin/keys")
      assert.deepInclude(body.data[0], {
        name: "ci",
        routes: ["assistant", "demo"],
        limits: { rpm: 60 },
        expiresAt: "2999-01-31T00:00:00.000Z",
      })
      assert.strictEqual(yield* status(secret), 200)
      yield* Effect.promise(async () => {
        assert.notInclude(await page.content(), secret)
        assert.strictEqual(await page.locator("#secret-text").inputValue(), "")
        await button(page, "Disable ci").click()
        await row(page, "ci").getByText("disabled", { exact: true }).waitFor()
        // The button has the focus still, though its row was drawn again.
        assert.isTrue(await button(page, "Enable ci").evaluate((button) => button.matches(":focus")))
      })
      assert.strictEqual(yield* status(secret), 401)
      yield* Effect.promise(async () => {
        await button(page, "Enable ci").click()
        await row(page, "ci").getByText("active", { exact: true }).waitFor()
      })
      assert.strictEqual(yield* status(secret), 200)

      const rotated = yield* Effect.promise(async () => {
        await button(page, "Rotate ci").click()
        await page.getByLabel("The former secret").selectOption("stops working now")
        await button(page, "Rotate").click()
        const shown = page.getByRole("dialog", { name: "ci has a new secret" })
        const text = await shown.getByLabel("The new key").inputValue()
        await shown.getByRole("button", { name: "Done" }).click()
        return text
      })
      assert.deepStrictEqual([yield* status(secret), yield* status(rotated)], [401, 200])

      yield* Effect.promise(async () => {
        await button(page, "Edit ci").click()
        const dialog = page.getByRole("dialog", { name: "Edit ci" })
        assert.strictEqual(await dialog.getByLabel("Routes").inputValue(), "assistant, demo")
        await dialog.getByLabel("Requests a minute").fill("")
        await dialog.getByLabel("Tokens a minute").fill("9000")
        await button(page, "Save").click()
        await row(page, "ci").getByText("9,000 tpm").waitFor()
      })
      assert.deepStrictEqual((yield* get("/admin/keys")).body.data[0].limits, { tpm: 9000 })

      yield* Effect.promise(async () => {
        await button(page, "Delete ci").click()
        const dialog = page.getByRole("alertdialog", { name: "Delete the key ci?" })
        // Enter deletes nothing.
        await page.keyboard.press("Enter")
        await dialog.waitFor({ state: "hidden" })
        await row(page, "ci").waitFor()
        await button(page, "Delete ci").click()
        await dialog.getByRole("button", { name: "Delete" }).click()
        await page.getByText("No keys yet.").waitFor()
      })
      assert.strictEqual(yield* status(rotated), 401)
      assert.deepStrictEqual(faults, [])
    }),
  )

  it.live("shows what is wrong with a field at the field", () =>
    Effect.gen(function* () {
      const { get, url } = yield* gateway()
      const { faults, page } = yield* open(url, "#keys")
      yield* Effect.promise(async () => {
        await button(page, "New key").click()
        const dialog = page.getByRole("dialog", { name: "New key" })
        const name = dialog.getByLabel("Name", { exact: true })
        const limit = dialog.getByLabel("Requests a minute")
        await limit.fill("many")
        await dialog.getByLabel("Routes").fill("assistant, asistant")
        await button(page, "Save").click()
        await dialog.getByText("2 fields must be corrected.").waitFor()
        assert.isTrue(await name.evaluate((input) => input.matches(":focus")))
        assert.strictEqual(await name.getAttribute("aria-invalid"), "true")
        const errorOf = async (id: string | null) => page.locator(`[id="${id}"]`).innerText()
        assert.strictEqual(
          await errorOf(await name.getAttribute("aria-describedby")),
          "Is missing: give the key a name, such as ci.",
        )
        assert.strictEqual(
          await errorOf(await limit.getAttribute("aria-describedby")),
          'Expected a whole number above 0, found "many".',
        )
        await name.fill("ci")
        await limit.fill("5")
        await button(page, "Save").click()
        await dialog.getByText(/^"asistant" does not exist.*assistant/).waitFor()
        assert.isNull(await name.getAttribute("aria-invalid"))
        await dialog.getByLabel("Routes").fill("assistant")
        await button(page, "Save").click()
        await page.getByRole("dialog", { name: "Key made" }).waitFor()
      })
      assert.strictEqual((yield* get("/admin/keys")).body.data.length, 1)
      assert.deepStrictEqual(faults, [])
    }),
  )

  it.live("shows what a budget has spent and what it holds for calls, apart", () =>
    Effect.gen(function* () {
      const { call, get, post, url } = yield* gateway()
      const { body: made } = yield* post("/admin/keys", { name: "ci" })
      const { faults, page } = yield* open(url, "#budgets")
      const bar = (part: string) =>
        page.locator(`.meter .${part}`).evaluate((part) => Number.parseFloat(part.getAttribute("width") ?? ""))
      yield* Effect.promise(async () => {
        await page.getByText("No budgets yet").waitFor()
        await button(page, "New budget").click()
        await page.getByRole("dialog", { name: "New budget" }).getByLabel("Called").fill("cy")
        await page.getByLabel("Amount").and(page.locator("#budget-amount")).fill("0.02")
        await button(page, "Save").click()
        await page.getByText('"cy" does not exist').waitFor()
        await page.getByLabel("Called").fill("ci")
        await button(page, "Save").click()
        await page.getByRole("heading", { name: "Key ci" }).waitFor()
        await page.getByText("$0.02 a month").waitFor()
        await page.getByText("Calls beyond it are refused. It resets ").waitFor()
        assert.deepStrictEqual([await bar("spent"), await bar("reserved")], [0, 0])
      })

      assert.strictEqual((yield* call(made.key)).status, 200)
      // A stream that stalls holds what it may cost.
      yield* post("/simulated/demo", { stallAfterTokens: 1 })
      const stalled = new AbortController()
      yield* Effect.addFinalizer(() => Effect.sync(() => stalled.abort()))
      yield* Effect.promise(() =>
        fetch(`${url}/v1/chat/completions`, {
          method: "POST",
          signal: stalled.signal,
          headers: { authorization: `Bearer ${made.key}`, "content-type": "application/json" },
          body: JSON.stringify({
            model: "demo",
            stream: true,
            max_tokens: 1000,
            messages: [{ role: "user", content: "Hello?" }],
          }),
        }),
      )
      const [{ reserved, remaining, spent }] = (yield* get("/admin/budgets")).body.data
      assert.isAbove(spent, 0)
      assert.isAbove(reserved, 0)
      yield* Effect.promise(async () => {
        await tab(page, "Keys").click()
        await row(page, "ci")
          .getByText(`${cents(spent)} of $0.02`)
          .waitFor()
        await tab(page, "Budgets").click()
        await page.getByText(`${cents(spent)} spent`).waitFor()
        await page.getByText(`${cents(reserved)} reserved`).waitFor()
        await page.getByText(`${cents(remaining)} left`).waitFor()
        assert.closeTo(await bar("spent"), (100 * spent) / 0.02, 1e-6)
        assert.closeTo(await bar("reserved"), (100 * reserved) / 0.02, 1e-6)

        await button(page, "Edit the budget of Key ci").click()
        await page.locator("#budget-amount").fill("-1")
        await button(page, "Save").click()
        await page.getByText("Expected an amount of US dollars from 0").waitFor()
        await page.locator("#budget-amount").fill("3")
        await page.locator("#budget-window").selectOption("total")
        await page.locator("#budget-then").selectOption("use cheap")
        await button(page, "Save").click()
        await page.getByText("$3.00 in total").waitFor()
        await page.getByText("Calls beyond it use cheap. It does not reset.").waitFor()

        await button(page, "Delete the budget of Key ci").click()
        await button(page, "Delete").click()
        await page.getByText("No budgets yet").waitFor()
      })
      assert.deepStrictEqual(faults, [])
    }),
  )

  it.live("draws the spend that the API has, by a choice of names and time, as a chart and as a table", () =>
    Effect.gen(function* () {
      const { call, get, post, url } = yield* gateway()
      yield* post("/admin/teams", { name: "search" })
      const { body: ci } = yield* post("/admin/keys", { name: "ci" })
      const { body: index } = yield* post("/admin/keys", { name: "index", team: "search" })
      const { faults, page } = yield* open(url, "#spend")
      yield* Effect.promise(() => page.getByText("No call was made in this time.").waitFor())
      for (const { key } of [ci, index, index]) assert.strictEqual((yield* call(key)).status, 200)
      const byKey = yield* spend({ get }, "key", 3)
      const expected = byKey.map((row) => [
        row["keyName"],
        ...[row["calls"], row["inputTokens"], row["outputTokens"]].map(String),
        cents(row["cost"] ?? 0),
      ])
      assert.strictEqual(expected.length, 2)
      yield* Effect.promise(async () => {
        await page.goto(`${url}/#spend?by=key&over=7-days`)
        await page.locator("#spend-rows tr").first().waitFor()
        const shown = await page
          .locator("#spend-rows tr")
          .evaluateAll((rows) => rows.map((row) => [...row.children].map((cell) => cell.textContent)))
        assert.deepStrictEqual(shown as unknown, expected)
        const legend = await page
          .locator("#spend-legend li")
          .evaluateAll((items) =>
            items.map((item) => [...item.querySelectorAll("span, b")].map((part) => part.textContent)),
          )
        assert.deepStrictEqual(
          legend as unknown,
          expected.map((cells) => [cells[0], cells.at(-1)]),
        )
        // Seven days, of which the last has a bar for each key, as high as what it cost.
        assert.strictEqual(await page.locator("#spend-chart .day").count(), 7)
        const heights = await page
          .locator("#spend-chart .day:last-child rect:not(.behind)")
          .evaluateAll((bars) => bars.map((bar) => Number(bar.getAttribute("height"))))
        assert.strictEqual(heights.length, 2)
        assert.closeTo(heights[0]! / heights[1]!, byKey[0]!["cost"]! / byKey[1]!["cost"]!, 1e-6)
        const chart = page.getByRole("img", { name: /^Spend by key and day from / })
        assert.include(await chart.getAttribute("aria-label"), `the most for ${expected[0]![0]}`)
        assert.strictEqual(await page.locator("#spend-sum td").first().innerText(), "3")

        await page.getByLabel("By", { exact: true }).selectOption("Team")
        await page.getByRole("rowheader", { name: "search" }).waitFor()
        assert.strictEqual(new URL(page.url()).hash, "#spend?by=team&over=7-days")
        await page.getByRole("rowheader", { name: "Without a team" }).waitFor()
        await page.getByLabel("Time", { exact: true }).selectOption("90 days")
        await page.locator("#spend-chart .day").nth(89).waitFor()

        const [download] = await Promise.all([
          page.waitForEvent("download"),
          page.getByRole("link", { name: "Download each day as CSV" }).click(),
        ])
        assert.match(download.suggestedFilename(), /\.csv$/)
      })
      const csv = yield* Effect.promise(async () => {
        const href = await page.getByRole("link", { name: "Download each day as CSV" }).getAttribute("href")
        const answer = await fetch(`${url}/${href}`, {
          headers: { authorization: `Bearer ${AdminGateway.operatorKey}` },
        })
        return answer.text()
      })
      assert.match(csv, /^start,team,teamName,calls,/)
      assert.deepStrictEqual(faults, [])
    }),
  )

  it.live("draws the dearest of many names, and the others as one", () =>
    Effect.gen(function* () {
      const { call, get, post, url } = yield* gateway()
      for (let index = 0; index < 55; index++) {
        const { body } = yield* post("/admin/keys", { name: `key-${index}` })
        assert.strictEqual((yield* call(body.key)).status, 200)
      }
      const total = (yield* spend({ get }, "key", 55)).reduce((sum, row) => sum + Number(row["cost"]), 0)
      const { faults, page } = yield* open(url, "#spend?by=key&over=7-days")
      yield* Effect.promise(async () => {
        await page.locator("#spend-legend").getByText("49 others").waitFor()
        assert.strictEqual(await page.locator("#spend-rows tr").count(), 55)
        const heights = await page
          .locator("#spend-chart .day:last-child rect:not(.behind)")
          .evaluateAll((bars) => bars.map((bar) => Number(bar.getAttribute("height"))))
        assert.strictEqual(heights.length, 7)
        const one = await page.locator("#spend-rows td:last-child").first().innerText()
        const others = heights.at(-1)! / heights[0]!
        assert.closeTo(others, total / Number(one.slice(1)) - 6, 0.1)
      })
      assert.deepStrictEqual(faults, [])
    }),
  )

  it.live("lets a team's admin manage the keys of its team", () =>
    Effect.gen(function* () {
      const { get, post, url } = yield* gateway()
      yield* post("/admin/teams", { name: "search" })
      const { body: admin } = yield* post("/admin/keys", { name: "lead", team: "search", role: "team-admin" })
      yield* post("/admin/keys", { name: "elsewhere" })
      const { faults, page } = yield* open(url, "#keys", admin.key)
      yield* Effect.promise(async () => {
        await row(page, "lead").getByText("(this key)").waitFor()
        assert.strictEqual(await page.locator("#key-rows tr").count(), 1)
        // It rotates its own key, and changes nothing else about it.
        assert.deepStrictEqual(await row(page, "lead").getByRole("button").allInnerTexts(), ["Rotate"])
        await button(page, "New key").click()
        await page.getByLabel("Name", { exact: true }).fill("index")
        await button(page, "Save").click()
        await button(page, "Done").click()
        await button(page, "Disable index").click()
        await row(page, "index").getByText("disabled", { exact: true }).waitFor()
        await tab(page, "Budgets").click()
        await button(page, "New budget").click()
        await page.getByLabel("Called").fill("index")
        await page.locator("#budget-amount").fill("1.5")
        await button(page, "Save").click()
        await page.getByText("$1.50 a month").waitFor()
      })
      const { body } = yield* get("/admin/keys?team=search")
      assert.deepStrictEqual(
        body.data.map(({ disabled, name, role }: Record<string, unknown>) => [name, role, disabled]),
        [
          ["lead", "team-admin", false],
          ["index", "caller", true],
        ],
      )
      assert.deepStrictEqual(faults, [])
    }),
  )

  it.live("shows a key's holder their own key, spend and budgets, and nothing of others", () =>
    Effect.gen(function* () {
      const { call, get, post, url } = yield* gateway()
      const budgets = [{ amount: 2, window: "month" }]
      const { body: own } = yield* post("/admin/keys", { name: "own-key", budgets })
      const { body: other } = yield* post("/admin/keys", { name: "other-key", budgets: [{ amount: 7, window: "day" }] })
      yield* post("/admin/budgets", { scope: "all", amount: 99, window: "month" })
      for (const { key } of [own, other, other]) assert.strictEqual((yield* call(key)).status, 200)
      yield* spend({ get }, "key", 3)
      const { faults, page } = yield* open(url, "#keys", own.key)
      yield* Effect.promise(async () => {
        await row(page, "own-key").getByText("of $2.00 a month").waitFor()
        assert.strictEqual(await page.locator("#key-rows tr").count(), 1)
        await tab(page, "Budgets").click()
        await page.getByRole("heading", { name: "Key own-key" }).waitFor()
        assert.strictEqual(await page.locator("#budget-list > li").count(), 1)
        for (const by of ["key", "team", "model", "deployment"]) {
          await page.goto(`${url}/#spend?by=${by}&over=30-days`)
          await page.locator("#spend-rows tr").first().waitFor()
          assert.strictEqual(await page.locator("#spend-sum td").first().innerText(), "1", by)
        }
        const content = await page.content()
        for (const text of ["other-key", other.id, "$7.00", "$99.00"]) assert.notInclude(content, text)
        await tab(page, "Keys").click()
        await row(page, "own-key").waitFor()
        assert.strictEqual(await page.locator("main button:visible").count(), 0)
      })
      assert.deepStrictEqual(faults, [])
    }),
  )

  it.live("shows a viewer everything, and lets it change nothing", () =>
    Effect.gen(function* () {
      const { post, url } = yield* gateway({ keys: "[{ id: nightly, key: sk-nightly-0123456789 }]" })
      const { body: viewer } = yield* post("/admin/keys", { name: "auditor", role: "viewer" })
      yield* post("/admin/keys", { name: "ci", budgets: [{ amount: 2, window: "month" }] })
      const { faults, page } = yield* open(url, "#keys", viewer.key)
      yield* Effect.promise(async () => {
        for (const name of ["nightly", "auditor", "ci"]) await row(page, name).waitFor()
        assert.strictEqual(await page.locator("main button:visible").count(), 0)
        await tab(page, "Budgets").click()
        await page.getByRole("heading", { name: "Key ci" }).waitFor()
        assert.strictEqual(await page.locator("main button:visible").count(), 0)
      })
      assert.deepStrictEqual(faults, [])
    }),
  )

  it.live("asks for a key when the session ends, and leaves nothing of what it showed", () =>
    Effect.gen(function* () {
      const { post, url } = yield* gateway()
      yield* post("/admin/keys", { name: "ci" })
      const { faults, page } = yield* open(url, "#keys")
      yield* Effect.promise(async () => {
        await row(page, "ci").waitFor()
        await button(page, "Edit ci").click()
        await page.context().clearCookies()
        await page.getByLabel("Requests a minute").fill("5")
        await button(page, "Save").click()
        await page.getByLabel("Key", { exact: true }).waitFor()
        assert.strictEqual(await page.locator("#key-rows tr").count(), 0)
        assert.isFalse(await page.getByRole("navigation", { name: "Views" }).isVisible())
      })
      assert.deepStrictEqual(faults, [])
    }),
  )

  it.live("has an address for each view, and tabs for the keyboard", () =>
    Effect.gen(function* () {
      const { url } = yield* gateway()
      const { faults, page } = yield* open(url, "#budgets")
      yield* Effect.promise(async () => {
        await page.getByRole("heading", { name: "Budgets" }).waitFor()
        assert.strictEqual(await page.title(), "Budgets · Understudy")
        assert.strictEqual(await tab(page, "Budgets").getAttribute("aria-current"), "page")
        await tab(page, "Spend").focus()
        await page.keyboard.press("Tab")
        await page.keyboard.press("Enter")
        await page.getByRole("heading", { name: "Keys" }).waitFor()
        assert.strictEqual(new URL(page.url()).hash, "#keys")
        assert.isNull(await tab(page, "Budgets").getAttribute("aria-current"))
        await page.goBack()
        await page.getByRole("heading", { name: "Budgets" }).waitFor()
        await tab(page, "Prompt").click()
        await page.getByLabel("Prompt", { exact: true }).waitFor()
        assert.isFalse(await page.getByRole("heading", { name: "Budgets" }).isVisible())
      })
      assert.deepStrictEqual(faults, [])
    }),
  )

  it.live("says what to add without a database", () =>
    Effect.gen(function* () {
      const { url } = yield* AdminGateway.make(undefined)
      const { faults, page } = yield* open(url, "#spend")
      yield* Effect.promise(async () => {
        for (const name of ["Spend", "Keys", "Budgets"]) {
          await tab(page, name).click()
          const view = page.getByRole("region", { name, exact: true })
          await view.getByText('database: "sqlite:./understudy.db"').waitFor()
          assert.strictEqual(await view.getByRole("button", { name: /^New/ }).count(), 0)
        }
      })
      assert.deepStrictEqual(faults, [])
    }),
  )
})
