/** The page as an operator keeps it open, in a real browser: an outage is made and ended while it is watched. */
import { afterAll, assert, beforeAll, describe, it } from "@effect/vitest"
import * as Effect from "effect/Effect"
import { mkdtempSync, rmSync } from "node:fs"
import { tmpdir } from "node:os"
import { join } from "node:path"
import type { Browser, Page } from "playwright-core"
import * as AdminGateway from "../api/admin/AdminGateway.ts"
import * as TestBrowser from "./TestBrowser.ts"

describe.skipIf(!TestBrowser.installed)("the console in Chromium", { timeout: 180_000 }, () => {
  const folder = mkdtempSync(join(tmpdir(), "understudy-console-"))
  let browser: Browser
  beforeAll(async () => {
    browser = await TestBrowser.launch()
  }, 60_000)
  afterAll(async () => {
    await browser?.close()
    rmSync(folder, { recursive: true, force: true })
  })

  const open = (url: string, hash: string) => TestBrowser.open(browser, url, `/${hash}`)

  let calls = 0

  /** A request that is like no other: one request that fails again and again opens no circuit. */
  const ask = (url: string, model = "assistant", stream = false) =>
    Effect.promise(async () => {
      const content = `Hello ${++calls}?`
      const response = await fetch(`${url}/v1/chat/completions`, {
        method: "POST",
        headers: { "content-type": "application/json" },
        body: JSON.stringify({ model, stream, messages: [{ role: "user", content }] }),
      })
      await response.text()
      return response.status
    })

  const tab = (page: Page, name: string) => page.getByRole("navigation", { name: "Views" }).getByRole("link", { name })

  const button = (page: Page, name: string) => page.getByRole("button", { name, exact: true })

  const deployment = (page: Page, name: string) => page.locator(`#states > li[data-id="${name}"]`)

  const row = (page: Page, list: "route" | "deployment", name: string) =>
    page.locator(`#${list}-rows tr`, { has: page.getByRole("rowheader", { name, exact: true }) })

  it.live("shows an outage of the primary while it is watched, and its end", () =>
    Effect.gen(function* () {
      const { url } = yield* AdminGateway.make(undefined, { isOpen: true })
      const { faults, page } = yield* open(url, "#overview")
      assert.strictEqual(yield* ask(url, "assistant", true), 200)
      yield* Effect.promise(async () => {
        await deployment(page, "demo").getByText("healthy").waitFor()
        await deployment(page, "cheap").getByText("no attempts").waitFor()
        await page
          .locator("#chart-traffic")
          .getByRole("img", { name: /^1 call in 15 minutes/ })
          .waitFor()
        await page
          .locator("#chart-first-token")
          .getByRole("img", { name: /p50 \d+ ms/ })
          .waitFor()
        await page.getByText("No circuit opened").waitFor()
        await button(page, "Break demo").click()
        await button(page, "Mend demo").waitFor()
      })
      for (let each = 0; each < 4; each++) assert.strictEqual(yield* ask(url), 200)
      yield* Effect.promise(async () => {
        await deployment(page, "demo")
          .locator(".health", { hasText: /circuit open \d+ s|half open/ })
          .waitFor()
        await deployment(page, "demo")
          .getByText(/Last failure .* overloaded, status 503/)
          .waitFor()
        await deployment(page, "cheap").getByText("healthy").waitFor()
        await page
          .locator("#changes li", { hasText: /demo circuit open for .*, after overloaded, status 503/ })
          .first()
          .waitFor()
        await deployment(page, "demo").locator(".band.circuit_open").first().waitFor()
        await deployment(page, "demo").locator(".mark.failed").first().waitFor()
        // Calls are rescued: none failed, though attempts did.
        await row(page, "route", "assistant").getByText("0 %").waitFor()
        assert.isAbove(Number.parseFloat(await row(page, "deployment", "demo").locator("td").nth(1).innerText()), 0)

        await row(page, "deployment", "demo").getByRole("link").click()
        assert.strictEqual(decodeURIComponent(new URL(page.url()).hash), "#overview?of=deployment:demo")
        await page
          .locator("#chart-traffic")
          .getByRole("img", { name: /attempts in 15 minutes/ })
          .waitFor()
        await button(page, "Mend demo").click()
        await button(page, "Reset demo").click()
        await button(page, "Break demo").waitFor()
        await page.locator("#changes li", { hasText: "demo available again" }).first().waitFor()
      })
      assert.strictEqual(yield* ask(url), 200)
      yield* Effect.promise(() =>
        deployment(page, "demo")
          .locator(".health", { hasText: /^(some attempts fail|failing|healthy)$/ })
          .waitFor(),
      )
      assert.deepStrictEqual(faults, [])
    }),
  )

  it.live("shows on every view which faults are injected, marks their attempts, and switches them off", () =>
    Effect.gen(function* () {
      const routes =
        "drill: { fallback: [cheap], retry: { times: 0 }, faults: [{ name: down, share: 1, status: 400 }] }"
      const { post, url } = yield* AdminGateway.make(undefined, { isOpen: true, routes })
      const { page } = yield* open(url, "#calls")
      const banner = page.locator("#injected")
      yield* Effect.promise(() => banner.waitFor({ state: "hidden" }))
      assert.strictEqual((yield* post("/admin/faults", { target: "drill", for: "10m" })).status, 200)
      assert.strictEqual(yield* ask(url, "drill"), 400)
      yield* Effect.promise(async () => {
        await banner.getByText(/^drill down, until /).waitFor()
        await page.locator("#calls-view summary").first().click()
        await page.getByText(/^injected fault down: .*status 400/).waitFor()
        await tab(page, "Routes").click()
        await banner.getByRole("button", { name: "Switch off" }).click()
        await banner.waitFor({ state: "hidden" })
      })
      assert.strictEqual(yield* ask(url, "drill"), 200)
    }),
  )

  it.live("opens a call into its attempts, with failures, skips, and what still runs", () =>
    Effect.gen(function* () {
      const { post, url } = yield* AdminGateway.make(undefined, { isOpen: true })
      yield* post("/simulated/demo", { status: 401 })
      for (let each = 0; each < 4; each++) assert.strictEqual(yield* ask(url), 200)
      const { faults, page } = yield* open(url, "#calls")
      const item = (text: string | RegExp) => page.locator(".call", { hasText: text })
      yield* Effect.promise(async () => {
        await item("answered, 2 attempts").first().locator("summary").click()
        const steps = item("answered, 2 attempts").first().locator(".waterfall li")
        assert.match(await steps.nth(0).innerText(), /demo[^]*authentication, status 401, after/)
        assert.match(await steps.nth(1).innerText(), /cheap[^]*answered in/)
        await button(page, "Pause").click()
        await item(/answered(?!,)/)
          .first()
          .locator("summary")
          .press("Enter")
        await item(/skipped: circuit open for/)
          .locator(".waterfall li.skip")
          .first()
          .waitFor()
        await button(page, "Resume").click()
      })
      yield* post("/simulated/cheap", { stallAfterTokens: 1 })
      const stop = new AbortController()
      yield* Effect.addFinalizer(() => Effect.sync(() => stop.abort()))
      yield* Effect.promise(async () => {
        void fetch(`${url}/v1/chat/completions`, {
          method: "POST",
          signal: stop.signal,
          headers: { "content-type": "application/json" },
          body: JSON.stringify({ model: "cheap", stream: true, messages: [{ role: "user", content: "Hello?" }] }),
        }).catch(() => undefined)
        await page.getByLabel("Show").and(page.locator("#calls-filter")).selectOption("running")
        await item("running").filter({ hasText: "cheap" }).waitFor()
        assert.strictEqual(new URL(page.url()).hash, "#calls?filter=running")
        // The call that was opened before stays.
        await page.locator(".waterfall li.skip").first().waitFor()
      })
      assert.deepStrictEqual(faults, [])
    }),
  )

  it.live("draws a route with its verdicts, as they change and as the request does", () =>
    Effect.gen(function* () {
      const { post, url } = yield* AdminGateway.make(undefined, { isOpen: true })
      const { faults, page } = yield* open(url, "#routes")
      const candidate = (name: string) => page.locator(".candidate", { hasText: name })
      yield* Effect.promise(async () => {
        await candidate("demo").getByText("available", { exact: true }).waitFor()
        await page.getByText("fallback in this order, until one answers").waitFor()
        await page.getByLabel("Streamed").check()
        await page.getByText(/^A streamed call of about/).waitFor()
        await candidate("demo").getByText("Policies").click()
        await candidate("demo").getByText("opens after").waitFor()
      })
      yield* post("/simulated/demo", { status: 401 })
      assert.strictEqual(yield* ask(url), 200)
      yield* Effect.promise(async () => {
        await candidate("demo")
          .getByText(/^skipped: circuit open for/)
          .waitFor()
        // It stays open, though the drawing is another.
        assert.isTrue(await candidate("demo").getByText("opens after").isVisible())
        await page.getByLabel("Message").fill("word ".repeat(400))
        await page.getByText(/about \d{3} input tokens/).waitFor()
        await page.locator("#routes-tags").fill("très")
        await page.getByRole("alert").getByText("Tags are ASCII").waitFor()
      })
      assert.deepStrictEqual(faults, [])
    }),
  )

  it.live("says when the gateway is unreachable, and goes on without a reload when it is back", () =>
    Effect.gen(function* () {
      const { url } = yield* AdminGateway.make(undefined, { isOpen: true })
      const { faults, page } = yield* open(url, "#overview")
      yield* ask(url)
      yield* Effect.promise(async () => {
        await deployment(page, "demo").getByText("healthy").waitFor()
        await page.evaluate("globalThis.stays = true")
        await page.context().setOffline(true)
        await page.getByRole("alert").getByText("Gateway unreachable").waitFor()
        await deployment(page, "demo").getByText("not known").waitFor()
        assert.deepStrictEqual(await TestBrowser.violations(page), [])
        await tab(page, "Calls").click()
        assert.isTrue(await page.getByText("Gateway unreachable").isVisible())
        await page.context().setOffline(false)
        await page.getByText("Gateway unreachable").waitFor({ state: "hidden" })
        await page.locator(".call", { hasText: "answered" }).waitFor()
        await tab(page, "Overview").click()
        await deployment(page, "demo").getByText("healthy").waitFor()
        assert.isTrue(await page.evaluate("globalThis.stays"))
      })
      assert.deepStrictEqual(faults, [])
    }),
  )

  it.live("has no axe violation in any view, at any width and in any color scheme", () =>
    Effect.gen(function* () {
      const { post, url } = yield* AdminGateway.make(
        { type: "sqlite", file: join(folder, "axe.db") },
        { isOpen: true, routes: `"<b>${"customer-support-summaries-".repeat(6)}</b>": [cheap]` },
      )
      yield* post("/admin/keys", { name: "ci", budgets: [{ amount: 2, window: "month" }] })
      const { faults, page } = yield* open(url, "")
      const clean = (state: string) =>
        Effect.map(
          Effect.promise(() => TestBrowser.violations(page)),
          (found) => assert.deepStrictEqual(found, [], state),
        )
      const show = (name: string) => Effect.promise(() => page.goto(`${url}/#${name}`))
      yield* Effect.promise(() => page.locator("#providers li").first().waitFor())
      for (const name of ["prompt", "overview", "calls", "routes"]) {
        yield* show(name)
        yield* clean(`${name}, idle`)
      }
      for (let each = 0; each < 3; each++) yield* ask(url, "assistant", each === 1)
      yield* post("/simulated/demo", { status: 503 })
      for (let each = 0; each < 5; each++) yield* ask(url)
      yield* show("overview")
      yield* Effect.promise(() =>
        deployment(page, "demo")
          .locator(".health", { hasText: /circuit open|half open/ })
          .waitFor(),
      )
      yield* clean("overview, in an outage")
      yield* show("calls")
      yield* Effect.promise(() => page.locator(".call.rescued summary").first().click())
      yield* clean("calls, one open")
      yield* show("routes")
      yield* Effect.promise(() => page.locator(".candidate summary").first().click())
      yield* clean("routes, in an outage")
      yield* show("prompt")
      yield* Effect.promise(async () => {
        await page.getByLabel("Prompt", { exact: true }).fill("Hello?")
        await page.getByLabel("Prompt", { exact: true }).press("Enter")
        await page.locator('.answer[aria-busy="false"]').waitFor()
      })
      yield* clean("prompt, answered")
      for (const name of ["spend", "keys", "budgets"]) {
        yield* show(name)
        yield* Effect.promise(() => page.locator(`#${name}-view .content:not([hidden])`).waitFor())
        yield* clean(name)
      }
      yield* Effect.promise(() => button(page, "New budget").click())
      yield* clean("a form")
      assert.deepStrictEqual(faults, [])
    }),
  )

  it.live("shows a viewer what happens, without buttons that change it", () =>
    Effect.gen(function* () {
      const { call, post, url } = yield* AdminGateway.make(undefined, {
        keys: "[{ id: auditor, key: sk-auditor-0123456789, role: viewer }]",
      })
      yield* post("/simulated/demo", { status: 401 })
      assert.strictEqual((yield* call(AdminGateway.operatorKey)).status, 200)
      const { faults, page } = yield* open(url, "#overview")
      yield* Effect.promise(async () => {
        await page.getByLabel("Key", { exact: true }).fill("sk-auditor-0123456789")
        await button(page, "Sign in").click()
        await deployment(page, "demo").locator(".health", { hasText: "circuit open" }).waitFor()
        assert.strictEqual(await page.locator("#states button").count(), 0)
        await tab(page, "Prompt").click()
        await page.locator("#providers li").first().waitFor()
        assert.strictEqual(await page.locator("#providers button").count(), 0)
      })
      assert.deepStrictEqual(faults, [])
    }),
  )

  it.live("has no axe violation where it asks for a key", () =>
    Effect.gen(function* () {
      const { url } = yield* AdminGateway.make(undefined)
      const { page } = yield* open(url, "")
      yield* Effect.promise(async () => {
        await page.getByLabel("Key", { exact: true }).fill("wrong")
        await button(page, "Sign in").click()
        await page.getByRole("alert").getByText("Unknown key").waitFor()
        assert.deepStrictEqual(await TestBrowser.violations(page), [])
      })
    }),
  )
})
