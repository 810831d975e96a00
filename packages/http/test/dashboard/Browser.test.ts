/** The page in a real browser: what somebody who types a prompt gets to see. */
import { afterAll, assert, beforeAll, describe, it } from "@effect/vitest"
import * as FaultServer from "@understudy/providers/testing"
import * as Effect from "effect/Effect"
import * as Redacted from "effect/Redacted"
import type { Browser, Page } from "playwright-core"
import * as Keyring from "../../src/auth/Keyring.ts"
import type { ConfiguredKey } from "../../src/auth/VirtualKey.ts"
import * as TestGateway from "../TestGateway.ts"
import * as TestBrowser from "./TestBrowser.ts"

const operator = Keyring.operator(Redacted.make("sk-operator"))
const team: ConfiguredKey = { id: "team", key: Redacted.make("sk-team"), routes: ["assistant"] }

const keyed = TestGateway.make({
  keys: [team],
  auth: { keys: [operator, Keyring.configured(team)], sessions: Redacted.make("of the sessions") },
})

describe.skipIf(!TestBrowser.installed)("the page in Chromium", { timeout: 60_000 }, () => {
  let browser: Browser
  beforeAll(async () => {
    browser = await TestBrowser.launch()
  }, 60_000)
  afterAll(() => browser?.close())

  const open = (url: string) => TestBrowser.open(browser, url, "/")

  const ask = async (page: Page, prompt: string) => {
    await page.getByLabel("Prompt", { exact: true }).fill(prompt)
    await page.getByLabel("Prompt", { exact: true }).press("Enter")
  }

  const log = (page: Page) => page.locator(".turn:last-child .log li span")

  const answer = (page: Page) => page.locator(".turn:last-child .answer")

  const provider = (page: Page, name: string) => page.locator("#providers li", { hasText: name })

  const signIn = async (page: Page, key: string) => {
    await page.getByLabel("Key", { exact: true }).fill(key)
    await page.getByRole("button", { name: "Sign in" }).click()
  }

  it.live("streams an answer from the backup when the primary fails, and shows why", () =>
    Effect.gen(function* () {
      const { upstream, url } = yield* TestGateway.make()
      yield* upstream.script("primary", "429-retry-after-30")
      yield* upstream.script("backup", "stall-2")
      const { faults, page } = yield* open(url)
      yield* Effect.promise(async () => {
        await provider(page, "primary").getByText("no attempts").waitFor()
        await ask(page, "Who is Virat Kohli?")

        // The answer has begun, and is still coming.
        await page.getByText("Answered by backup · backup").waitFor()
        const text = await answer(page).locator(".markdown").innerText()
        assert.isNotEmpty(text)
        assert.isTrue(FaultServer.line("backup").startsWith(text) && text !== FaultServer.line("backup"), text)
        assert.strictEqual(await answer(page).getAttribute("aria-busy"), "true")
        await page.locator(".log .answered").waitFor()
        const [asked, failed, ...rest] = await log(page).allInnerTexts()
        assert.strictEqual(asked, "Attempting primary (primary)...")
        assert.match(failed ?? "", /^primary failed after \d+ ms: RateLimited, status 429: /)
        assert.deepStrictEqual(rest, ["Attempting backup (backup)...", "Using backup (backup)"])
        await provider(page, "primary")
          .getByText(/^cooling down \d+ s$/)
          .waitFor()

        await page.getByRole("button", { name: "Stop" }).click()
        await page.getByText("Stopped.").waitFor()
      })
      yield* upstream.idle

      yield* upstream.script("backup", "ok")
      yield* Effect.promise(async () => {
        await ask(page, "And now?")
        await page.getByText(FaultServer.line("backup"), { exact: true }).waitFor()
        await page.locator('.turn:last-child .answer[aria-busy="false"]').waitFor()
        await log(page).getByText("Using backup (backup)").waitFor()
        assert.match(
          (await log(page).allInnerTexts())[0] ?? "",
          /^primary skipped: (?:cooling down|circuit open) for [\d.]+ s$/,
        )
        await provider(page, "backup").getByText("healthy").waitFor()
      })
      assert.deepStrictEqual(faults, [])
    }),
  )

  it.live("sends the turns before with each prompt, to the route that is chosen, and says what an answer took", () =>
    Effect.gen(function* () {
      const { upstream, url } = yield* TestGateway.make()
      const { faults, page } = yield* open(url)
      yield* Effect.promise(async () => {
        await page.locator("#prompt-model").selectOption("backup")
        await ask(page, "Who is on tonight?")
        await answer(page)
          .getByText(/^Answered by backup · backup · [\d.]+ m?s · first token [\d.]+ m?s · \d+ \+ \d+ tokens$/)
          .waitFor()
        await ask(page, "And tomorrow?")
        await page.locator('.turn:nth-child(2) .answer[aria-busy="false"]').waitFor()
      })
      const sent = (yield* upstream.requests).at(-1)?.body as { readonly messages: ReadonlyArray<object> }
      assert.deepStrictEqual(
        sent.messages.map((message) => ({ ...message })),
        [
          { role: "user", content: "Who is on tonight?" },
          { role: "assistant", content: FaultServer.line("backup") },
          { role: "user", content: "And tomorrow?" },
        ],
      )
      yield* Effect.promise(async () => {
        await page.getByRole("button", { name: "New conversation" }).click()
        assert.strictEqual(await page.locator(".turn").count(), 0)
        await ask(page, "Hello?")
        await page.locator('.answer[aria-busy="false"]').waitFor()
      })
      assert.deepNestedInclude((yield* upstream.requests).at(-1)?.body, { "messages[0].content": "Hello?" })
      assert.deepStrictEqual(faults, [])
    }),
  )

  it.live("shows the failed deployments when all fail", () =>
    Effect.gen(function* () {
      const { upstream, url } = yield* TestGateway.make()
      yield* upstream.script("primary", "500")
      yield* upstream.script("backup", "bad-key")
      const { page } = yield* open(url)
      yield* Effect.promise(async () => {
        await ask(page, "Hello?")
        await page.getByRole("alert").getByText("All deployments of route").waitFor()
        await log(page).getByText("All attempts failed").waitFor()
        assert.notInclude(await page.content(), TestGateway.upstreamKey)
      })
    }),
  )

  it.live("asks for the key, and keeps the session until sign-out", () =>
    Effect.gen(function* () {
      const { url } = yield* keyed
      const { faults, page } = yield* open(url)
      yield* Effect.promise(async () => {
        await signIn(page, "sk-wrong")
        await page.getByText("Unknown key. Use a key of this gateway, not a provider's.").waitFor()
        await signIn(page, "sk-operator")
        await provider(page, "primary").waitFor()
        assert.strictEqual(await page.evaluate("document.cookie"), "")

        await page.reload()
        await ask(page, "Hello?")
        await page.getByText(FaultServer.line("primary"), { exact: true }).waitFor()
        await log(page).getByText("Using primary (primary)").waitFor()

        await page.getByRole("button", { name: "Sign out" }).click()
        await page.getByLabel("Key", { exact: true }).waitFor()
        assert.isFalse(await page.getByLabel("Prompt", { exact: true }).isVisible())
      })
      assert.deepStrictEqual(faults, [])
    }),
  )

  it.live("shows a virtual key its own calls only", () =>
    Effect.gen(function* () {
      const { upstream, url } = yield* keyed
      yield* upstream.script("primary", "503")
      yield* upstream.script("backup", "stall-2")
      const { faults, page } = yield* open(url)
      yield* Effect.promise(async () => {
        await signIn(page, "sk-team")
        await ask(page, "Hello?")
        // With the first word, though they do not hear what happens to calls.
        await page.getByText("Answered by backup · backup").waitFor()
        await log(page).getByText("Using backup (backup)").waitFor()
        assert.match((await log(page).allInnerTexts()).join("\n"), /primary failed after \d+ ms: Overloaded/)
        assert.isFalse(await page.locator("#standing").isVisible())
        // What all keys do is not for this one.
        const tabs = page.getByRole("navigation", { name: "Views" }).getByRole("link")
        assert.deepStrictEqual(await tabs.allInnerTexts(), ["Prompt", "Routes", "Spend", "Keys", "Budgets"])
        await page.goto(`${url}/#overview`)
        assert.isFalse(await page.locator("#overview-view").isVisible())
        await page.goto(`${url}/#routes`)
        await page.locator(".candidate", { hasText: "primary" }).waitFor()
        assert.deepStrictEqual(await page.locator("#routes-model option").allInnerTexts(), ["assistant"])
      })
      assert.deepStrictEqual(faults, [])
    }),
  )
})
