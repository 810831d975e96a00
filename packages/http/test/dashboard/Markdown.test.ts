/** Answers in Markdown, as the page makes elements of them. */
import { afterAll, assert, beforeAll, describe, it } from "@effect/vitest"
import * as Effect from "effect/Effect"
import type { Browser, Page } from "playwright-core"
import * as TestGateway from "../TestGateway.ts"
import * as TestBrowser from "./TestBrowser.ts"

describe.skipIf(!TestBrowser.installed)("the page's Markdown in Chromium", { timeout: 60_000 }, () => {
  let browser: Browser
  beforeAll(async () => {
    browser = await TestBrowser.launch()
  }, 60_000)
  afterAll(() => browser?.close())

  /** The HTML of the elements that the page makes of a text, in the page. */
  const htmlOf = async (page: Page, text: string): Promise<string> =>
    page.evaluate(`(() => {
      const place = document.createElement("div")
      document.querySelector("main").append(place)
      place.append(...markdown(${JSON.stringify(text)}))
      return place.innerHTML
    })()`)

  const open = Effect.gen(function* () {
    const { url } = yield* TestGateway.make()
    return yield* TestBrowser.open(browser, url, "/")
  })

  const cases: ReadonlyArray<readonly [text: string, html: string]> = [
    [
      "Hello **there**, *you* and `1 < 2`.",
      "<p>Hello <strong>there</strong>, <em>you</em> and <code>1 &lt; 2</code>.</p>",
    ],
    ["one\ntwo\n\nthree", "<p>one\ntwo</p><p>three</p>"],
    ["# Title\ntext", "<h3>Title</h3><p>text</p>"],
    ["- a\n- b\n  - c\n- d", "<ul><li>a</li><li>b<ul><li>c</li></ul></li><li>d</li></ul>"],
    ["3. a\n4. b", '<ol start="3"><li>a</li><li>b</li></ol>'],
    ["> said\n> so", "<blockquote><p>said\nso</p></blockquote>"],
    ["snake_case_name and 2 * 3 * 4", "<p>snake_case_name and 2 * 3 * 4</p>"],
    ["\\*not\\* ~~gone~~", "<p>*not* <del>gone</del></p>"],
    [
      "[docs](https://example.com/a) and https://example.com/b.",
      '<p><a href="https://example.com/a" target="_blank" rel="noopener noreferrer">docs</a> and <a href="https://example.com/b" target="_blank" rel="noopener noreferrer">https://example.com/b</a>.</p>',
    ],
  ]

  it.live("makes headings, lists, quotes, emphasis and links", () =>
    Effect.gen(function* () {
      const { faults, page } = yield* open
      for (const [text, html] of cases) {
        assert.strictEqual(yield* Effect.promise(() => htmlOf(page, text)), html)
      }
      const code = yield* Effect.promise(() => htmlOf(page, "```js\nconst a = **b**\n\n# no\n```\nafter"))
      assert.include(code, "<code>const a = **b**\n\n# no</code></pre><p>after</p>")
      const table = yield* Effect.promise(() => htmlOf(page, "| a | b |\n|---|--:|\n| 1 | `2` |\n"))
      assert.include(table, '<tr><th scope="col">a</th><th scope="col">b</th></tr>')
      assert.include(table, "<tr><td>1</td><td><code>2</code></td></tr>")
      assert.deepStrictEqual(faults, [])
    }),
  )

  it.live("makes no element of HTML, and no link that runs a script", () =>
    Effect.gen(function* () {
      const { faults, page } = yield* open
      const texts = [
        '<img src=x onerror="globalThis.harmed = true">',
        "<script>globalThis.harmed = true</script>",
        "[click](javascript:globalThis.harmed=true)",
        "[click](  JaVaScRiPt:globalThis.harmed=true)",
        "[click](data:text/html,<script>globalThis.harmed=true</script>)",
        "![image](https://example.com/x.png)",
        '```"><img src=x>\n<b>\n```',
        "| <b>x</b> |\n|---|\n| <iframe src=x> |",
        "- <style>*{display:none}</style>",
      ]
      for (const text of texts) {
        const html = yield* Effect.promise(() => htmlOf(page, text))
        assert.notMatch(html, /<(?:img|script|iframe|style|b)\b/, text)
        assert.notMatch(html, /href="(?!https:)/i, text)
      }
      assert.isUndefined(yield* Effect.promise(() => page.evaluate("globalThis.harmed")))
      // Requests to other hosts are faults too.
      assert.deepStrictEqual(faults, [])
    }),
  )

  it.live("shows texts that are all marks, or nested without an end", () =>
    Effect.gen(function* () {
      const { faults, page } = yield* open
      for (const piece of ["*", "_a", "[", "`", "> ", "- ", "**a", "| ", "~~~", "[a](", "\\"]) {
        const text = piece.repeat(20_000)
        assert.isAbove((yield* Effect.promise(() => htmlOf(page, text))).length, 0, piece)
      }
      assert.deepStrictEqual(faults, [])
    }),
  )
})
