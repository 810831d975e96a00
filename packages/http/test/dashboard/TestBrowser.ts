/** A real Chromium: Debian's, or whichever `CHROMIUM` names. Where there is none, `installed` is false and says so. */
import { spawnSync } from "node:child_process"
import { chromium } from "playwright-core"
import type { Browser } from "playwright-core"

const executablePath = process.env["CHROMIUM"] ?? "/usr/bin/chromium"

export const installed = spawnSync(executablePath, ["--version"]).status === 0

if (!installed) {
  process.stderr.write(`there is no Chromium at ${executablePath}: the tests of the page in a browser are SKIPPED\n`)
}

/** Without its sandbox, which needs more rights than a container's root has: it sees no page but ours. */
export const launch = (): Promise<Browser> =>
  chromium.launch({ executablePath, args: ["--no-sandbox", "--disable-dev-shm-usage"] })
