/**
 * `docs/configuration.md` against the schemas: every YAML in it is a configuration that can be used, every key stands in
 * the section it belongs to, and its defaults are the code's.
 */
import { assert, describe, it } from "@effect/vitest"
import * as CircuitPolicy from "@understudy/core/internal/policy/CircuitPolicy"
import { capabilities } from "@understudy/core/Call"
import { affinityBys, quantiles } from "@understudy/core/Policies"
import { reasonTags } from "@understudy/core/ProviderError"
import * as StreamPolicy from "@understudy/core/internal/policy/StreamPolicy"
import * as Retry from "@understudy/core/internal/policy/Retry"
import { splitBy, strategies } from "@understudy/core/Route"
import * as Timeout from "@understudy/core/internal/policy/Timeout"
import { compatibleKeys, vendorNames, vendors } from "@understudy/providers/internal/Catalog"
import * as Compatible from "@understudy/providers/internal/openai/Compatible"
import * as Deployments from "@understudy/providers/internal/config/Deployments"
import * as Policies from "@understudy/providers/internal/config/Policies"
import * as Routes from "@understudy/providers/internal/config/Routes"
import * as Duration from "effect/Duration"
import * as Predicate from "effect/Predicate"
import * as Result from "effect/Result"
import type * as Schema from "effect/Schema"
import { readFileSync } from "node:fs"
import * as Config from "../../src/Config.ts"
import * as BudgetsSection from "../../src/config/BudgetsSection.ts"
import { KeysSection } from "../../src/config/KeysSection.ts"
import { FaultInjectionSection } from "../../src/config/FaultInjectionSection.ts"
import * as GuardrailsSection from "../../src/config/GuardrailsSection.ts"
import * as LedgerSection from "../../src/config/LedgerSection.ts"
import * as ServerSection from "../../src/config/ServerSection.ts"
import * as StateSection from "../../src/config/StateSection.ts"
import { TelemetrySection } from "../../src/config/TelemetrySection.ts"
import * as RecordSection from "../../src/config/RecordSection.ts"
import * as ResponsesSection from "../../src/config/ResponsesSection.ts"
import * as UsageLogSection from "../../src/config/UsageLogSection.ts"
import * as YamlText from "../../src/config/YamlText.ts"

const document = readFileSync(new URL("../../../../docs/configuration.md", import.meta.url), "utf8")

const blocks = [...document.matchAll(/^```yaml\n([^]*?)^```$/gm)].map(([, yaml = ""]) => yaml)

/** Every variable is set, to its own name, which will do wherever the document names one. */
const decode = (yaml: string) =>
  Result.flatMap(
    Result.mapError(YamlText.parse(yaml), (problem) => [problem]),
    (document) => Config.decode(document, (name) => (name === "PORT" ? undefined : name)),
  )

/** The text under a heading, down to the next of its own level or above. */
const section = (heading: string): string => {
  const [level = ""] = /^#+/.exec(heading) ?? []
  const [, rest = ""] = document.split(`\n${heading}\n`)
  return rest.split(new RegExp(`^#{1,${level.length}} `, "m"))[0] ?? ""
}

/** Every key of a schema that has a value, by its path. */
const keysOf = (ast: Schema.Constraint["ast"]): ReadonlyArray<string> => {
  if (ast._tag === "Arrays") return ast.rest.flatMap(keysOf)
  return ast._tag !== "Objects"
    ? []
    : ast.propertySignatures.flatMap(({ name, type }) => {
        const inner = keysOf(type)
        return inner.length === 0 ? [String(name)] : inner.map((key) => `${String(name)}.${key}`)
      })
}

/** Where the vendors stand that have the same keys. */
const alike = "### OpenAI-compatible vendors"

const assertNames = (heading: string, keys: ReadonlyArray<string>) => {
  const text = section(heading)
  assert.notStrictEqual(text, "", `there is no section "${heading}"`)
  for (const key of keys) assert.isTrue(text.includes(`\`${key}\``), `"${heading}" does not speak of \`${key}\``)
}

describe("docs/configuration.md", () => {
  it("has valid YAML blocks", () => {
    assert.isAbove(blocks.length, 8)
    for (const yaml of blocks) {
      const result = decode(yaml)
      assert.deepStrictEqual(Result.isFailure(result) ? result.failure : [], [], yaml)
    }
  })

  it("documents every configuration key in its section", () => {
    assertNames("## `server`", keysOf(ServerSection.ServerSection.ast))
    assertNames("## `keys`", keysOf(KeysSection([]).ast))
    assertNames("## `state`", keysOf(StateSection.StateSection.ast))
    assertNames("## `usageLog`", keysOf(UsageLogSection.UsageLogSection.ast))
    assertNames("## `record`", keysOf(RecordSection.RecordSection.ast))
    assertNames("## `defaults`", Object.keys(Policies.Defaults.fields))
    assertNames("### `retry`", keysOf(Policies.Retry.whole.ast))
    assertNames("## `budgets`", keysOf(BudgetsSection.BudgetsSection.ast))
    assertNames("## `guardrails`", keysOf(GuardrailsSection.Item.ast))
    assertNames("## `ledger`", keysOf(LedgerSection.LedgerSection.ast))
    assertNames("## `responses`", keysOf(ResponsesSection.ResponsesSection.ast))
    assertNames("## `faultInjection`", keysOf(FaultInjectionSection.ast))
    assertNames("## `telemetry`", keysOf(TelemetrySection.ast))
    assertNames("### `timeout`", keysOf(Policies.Timeout.defaults.ast))
    assertNames("### `circuit`", keysOf(Policies.Circuit.ast))
    assertNames("### `stream`", keysOf(Policies.Stream.ast))
    const policies = Object.keys(Policies.Defaults.fields).filter((name) => name in Deployments.Common.fields)
    const own = keysOf(Deployments.Common.ast).filter((key) => !policies.includes(key.split(".")[0] ?? ""))
    assertNames("## `deployments`", [
      "provider",
      ...own,
      ...keysOf(Deployments.Accounts.ast),
      ...policies,
      ...vendorNames,
    ])
    for (const name of vendorNames) {
      const { credentials, keys } = vendors[name]
      assertNames(keys === compatibleKeys ? alike : `### \`${name}\``, [...keysOf(keys.ast), ...credentials.variables])
    }
    assertNames(
      alike,
      Object.entries(Compatible.vendors).flatMap(([name, { baseUrl }]) => [name, baseUrl]),
    )
    const shapes = Object.values(Routes.RootRoute).flatMap(({ fields }) => Object.keys(fields))
    const inner = [Routes.Hedging, Routes.Case, Routes.Branch, Routes.Arm].flatMap(({ fields }) => Object.keys(fields))
    assertNames("## `routes`", [...shapes, ...inner, ...strategies, ...quantiles, ...reasonTags])
    assertNames("### Affinity", [...keysOf(Policies.Affinity.ast), ...affinityBys])
    assertNames("### Cache", keysOf(Policies.Cache.ast))
    assertNames("### Shadow calls", keysOf(Policies.Shadow.ast))
    assertNames("### Splits", [...Object.keys(Routes.Arm.fields), "by", ...splitBy])
    assertNames("### Conditions", [...keysOf(Routes.If.ast), ...capabilities])
  })

  it("states the actual defaults", () => {
    const spelt = blocks.find((yaml) => yaml.startsWith("defaults:")) ?? ""
    const { defaults } = Result.getOrThrow(decode(spelt))
    assert.deepStrictEqual(millis(defaults.retry), millis(Retry.defaults))
    assert.deepStrictEqual(millis(defaults.timeout), millis(Timeout.defaults))
    assert.deepStrictEqual(millis(defaults.circuit), millis(CircuitPolicy.defaults))
    assert.deepStrictEqual(defaults.stream, StreamPolicy.defaults)
  })

  it("states the defaults of the recording of calls", () => {
    const spelt = blocks.find((yaml) => yaml.startsWith("record:")) ?? ""
    assert.deepStrictEqual(Result.getOrThrow(decode(spelt)).record, {
      ...RecordSection.defaults,
      file: "tapes/calls.tape",
    })
  })

  it("states the defaults of the usage log", () => {
    const spelt = blocks.find((yaml) => yaml.startsWith("usageLog:")) ?? ""
    assert.deepStrictEqual(Result.getOrThrow(decode(spelt)).usageLog, {
      ...UsageLogSection.defaults,
      file: "logs/usage.log",
    })
  })

  it("states the defaults of stored responses", () => {
    const spelt = blocks.find((yaml) => yaml.includes("\nresponses:")) ?? ""
    const { responses } = Result.getOrThrow(decode(spelt))
    assert.deepStrictEqual(responses, { ...ResponsesSection.defaults, store: true })
  })

  it("states the defaults of the ledger", () => {
    const spelt = blocks.find((yaml) => yaml.includes("\nledger:")) ?? ""
    const of = (yaml: string) => {
      const { flush, keep, spill } = Result.getOrThrow(decode(yaml)).ledger
      return { flush: Duration.toMillis(flush), keep: Duration.toDays(keep), spill }
    }
    assert.deepStrictEqual(of(spelt), of(spelt.replace(/^ledger:.*$/m, "")))
    assert.strictEqual(of(spelt).keep, 90)
  })

  it("states the defaults of the server section", () => {
    const rows = [...section("## `server`").matchAll(/^\| `([\w.]+)` +\|[^|]*\| `([^`]*)`/gm)]
    const groups = ["limits", "drain", "overload", "realtime"] as const
    const of = (group: string | undefined) =>
      Object.fromEntries(
        rows.flatMap(([, key = "", value]) => {
          const [first, second] = key.split(".")
          return (second === undefined ? undefined : first) === group ? [[second ?? first, value]] : []
        }),
      )
    const lines = (entries: Record<string, string | undefined>, indent: string) =>
      Object.entries(entries).map(([key, value]) => `${indent}${key}: ${value}`)
    const yaml = [
      "deployments: { demo: { provider: simulated, model: demo } }",
      "server:",
      ...lines(of(undefined), "  "),
      ...groups.flatMap((group) => [`  ${group}:`, ...lines(of(group), "    ")]),
    ].join("\n")
    assert.deepStrictEqual(
      [...Object.keys(of(undefined)), ...groups].toSorted(),
      Object.keys(ServerSection.defaults).toSorted(),
    )
    for (const group of groups) {
      assert.deepStrictEqual(Object.keys(of(group)).toSorted(), Object.keys(ServerSection.defaults[group]).toSorted())
    }
    assert.deepStrictEqual(Result.getOrThrow(decode(yaml)).server, ServerSection.defaults)
  })
})

/** A policy with its durations as numbers, to compare however they were said. */
const millis = (policy: object | undefined): Record<string, unknown> =>
  Object.fromEntries(
    Object.entries(policy ?? {}).map(([key, value]: [string, unknown]) => [
      key,
      Predicate.isNumber(value) ? value : Duration.toMillis(Duration.fromInputUnsafe(value as Duration.Input)),
    ]),
  )
