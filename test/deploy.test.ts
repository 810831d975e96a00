/** What is deployed beside the gateway names what there is. */
import { assert, describe, it } from "@effect/vitest"
import * as Drain from "@understudy/http/internal/Drain"
import * as Duration from "effect/Duration"
import { spawnSync } from "node:child_process"
import { mkdtempSync, readFileSync, readdirSync, rmSync, writeFileSync } from "node:fs"
import { tmpdir } from "node:os"
import { join } from "node:path"

const at = (path: string) => new URL(`../${path}`, import.meta.url)
const read = (path: string) => readFileSync(at(path), "utf8")

const metrics = new Set(read("packages/core/src/Metrics.ts").match(/understudy_[a-z_]+/g))

describe("CloudWatch's files", () => {
  for (const file of readdirSync(at("deploy/cloudwatch"))) {
    it(`${file} is sound, and names metrics that the gateway has`, () => {
      const text = read(`deploy/cloudwatch/${file}`)
      if (file.endsWith(".json")) JSON.parse(text)
      for (const name of text.match(/understudy_[a-z_]+/g) ?? []) assert.isTrue(metrics.has(name), name)
    })
  }
})

interface Policy {
  readonly Version: string
  readonly Statement: ReadonlyArray<{
    readonly Action: string | ReadonlyArray<string>
    readonly Resource: string | ReadonlyArray<string>
  }>
}

describe("IAM's policies", () => {
  for (const file of ["iam/router.json", "iam/policy.json"]) {
    const { Statement: statements, Version: version } = JSON.parse(read(file)) as Policy
    const resources = statements.flatMap(({ Resource }) => Resource)
    const actions = statements.flatMap(({ Action }) => Action)

    it(`${file} allows calling models through profiles, and nothing else of Bedrock`, () => {
      assert.strictEqual(version, "2012-10-17")
      const bedrock = actions.filter((action) => action.startsWith("bedrock:"))
      assert.deepStrictEqual(
        new Set(bedrock),
        new Set(["bedrock:InvokeModel", "bedrock:InvokeModelWithResponseStream"]),
      )
    })

    it(`${file} has us. models as inference profiles of the account`, () => {
      for (const resource of resources.filter((resource) => resource.includes("us."))) {
        assert.match(resource, /^arn:aws:bedrock:<REGION>:<ACCOUNT_ID>:inference-profile\/us\./)
      }
      assert.isTrue(resources.some((resource) => resource.includes(":inference-profile/us.")))
    })
  }
})

describe("the systemd unit", () => {
  const unit = read("deploy/systemd/understudy.service")

  it("gives the gateway the time of its drain, and reloads by SIGHUP", () => {
    const [, seconds] = /^TimeoutStopSec=(\d+)$/m.exec(unit) ?? []
    const { delay, timeout } = Drain.defaults
    assert.isAbove(Number(seconds), Duration.toSeconds(delay) + Duration.toSeconds(timeout))
    assert.match(unit, /^ExecReload=\/bin\/kill -HUP \$MAINPID$/m)
    assert.match(unit, /^SuccessExitStatus=130$/m)
  })

  const hasSystemd = spawnSync("systemd-analyze", ["--version"]).status === 0
  if (!hasSystemd) process.stderr.write("systemd-analyze is not installed: the check of the unit is SKIPPED\n")

  it.skipIf(!hasSystemd)("passes systemd-analyze verify", () => {
    const folder = mkdtempSync(join(tmpdir(), "understudy-unit-"))
    const file = join(folder, "understudy.service")
    // The command is looked for.
    writeFileSync(file, unit.replace(/^ExecStart=\S+/m, `ExecStart=${process.execPath}`))
    const { status, stderr } = spawnSync("systemd-analyze", ["verify", file], { encoding: "utf8" })
    rmSync(folder, { recursive: true })
    assert.strictEqual(status, 0, stderr)
  })
})
