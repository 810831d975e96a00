/** A real Chromium: Debian's, or Chrome, or whichever `CHROMIUM` names. Where there is none, `installed` is false and says so. */
import * as Effect from "effect/Effect"
import { spawnSync } from "node:child_process"
import { readFileSync } from "node:fs"
import { createRequire } from "node:module"
import { chromium } from "playwright-core"
import type { Browser, BrowserContextOptions, Page } from "playwright-core"

const usual = ["/usr/bin/chromium", "/usr/bin/google-chrome"]

const executablePath = [process.env["CHROMIUM"] ?? usual]
  .flat()
  .find((path) => spawnSync(path, ["--version"]).status === 0)

export const installed = executablePath !== undefined

if (!installed) process.stderr.write("no Chromium is installed: the tests of the page in a browser are SKIPPED\n")

/**
 * Without its sandbox, which needs more rights than a container's root has: it sees no page but ours. The names of `.test`
 * (RFC 6761) are this machine's.
 */
export const launch = (): Promise<Browser> =>
  chromium.launch({
    ...(executablePath === undefined ? undefined : { executablePath }),
    args: ["--no-sandbox", "--disable-dev-shm-usage", "--host-resolver-rules=MAP *.test 127.0.0.1"],
  })

/** A page of a gateway, in a context of its own. `faults`: errors of its scripts, and requests to anything but the gateway. */
export const open = Effect.fnUntraced(function* (
  browser: Browser,
  url: string,
  path: string,
  options: BrowserContextOptions = {},
) {
  const context = yield* Effect.acquireRelease(
    Effect.promise(() => browser.newContext(options)),
    (context) => Effect.promise(() => context.close()),
  )
  const page = yield* Effect.promise(() => context.newPage())
  const faults: Array<string> = []
  page.on("pageerror", ({ message }) => faults.push(message))
  page.on("console", (message) => {
    // The page shows that a request was refused.
    if (message.type() === "error" && !message.text().startsWith("Failed to load resource")) {
      faults.push(message.text())
    }
  })
  page.on("request", (request) => {
    if (!request.url().startsWith(`${url}/`) && !request.url().startsWith("data:")) faults.push(request.url())
  })
  yield* Effect.promise(() => page.goto(`${url}${path}`))
  return { page, faults }
})

const axe = readFileSync(createRequire(import.meta.url).resolve("axe-core/axe.min.js"), "utf8")

/** Every width and color scheme that the page is for. */
const appearances = [375, 1440].flatMap((width) =>
  (["light", "dark"] as const).map((colorScheme) => ({ width, colorScheme })),
)

/** What axe finds in the page as it stands, in every appearance, and whether it is wider than the window. */
export const violations = async (page: Page): Promise<ReadonlyArray<string>> => {
  const found: Array<string> = []
  // By the debugger, which no content security policy stops.
  await page.evaluate(axe)
  for (const { colorScheme, width } of appearances) {
    await page.emulateMedia({ colorScheme })
    await page.setViewportSize({ width, height: 900 })
    const results: ReadonlyArray<string> = await page.evaluate(`
      axe.run().then(({ violations }) =>
        violations.flatMap(({ id, nodes }) => nodes.map(({ html, failureSummary }) => id + ": " + html.slice(0, 200) + " " + failureSummary)))`)
    const overflow: number = await page.evaluate(
      "document.documentElement.scrollWidth - document.documentElement.clientWidth",
    )
    found.push(
      ...results.map((result) => `${width} ${colorScheme}: ${result}`),
      ...(overflow > 0 ? [`${width}: wider than the window by ${overflow}`] : []),
    )
  }
  return found
}
