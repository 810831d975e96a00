/** What is deployed beside the gateway names what there is. */
import { assert, describe, it } from "@effect/vitest"
import { readFileSync, readdirSync } from "node:fs"

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
