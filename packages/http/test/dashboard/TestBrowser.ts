/** A real Chromium: Debian's, or Chrome, or whichever `CHROMIUM` names. Where there is none, `installed` is false and says so. */
import { spawnSync } from "node:child_process"
import { chromium } from "playwright-core"
import type { Browser } from "playwright-core"

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
