import { assert, describe, it } from "@effect/vitest"
import * as Report from "../../src/import/Report.ts"

describe("the report of an import", () => {
  it("knows by its name whether a setting protects something", () => {
    const groups: ReadonlyArray<readonly [path: string, group: Report.Group]> = [
      ["general_settings.max_budget", "safety"],
      ["general_settings.allowed_ips", "safety"],
      ["litellm_settings.ssl_verify", "safety"],
      ["router_settings.default_max_parallel_requests", "safety"],
      ["model_list[0].litellm_params.input_cost_per_second", "safety"],
      ["governance.customers[0].profile", "safety"],
      ["providers.openai.keys[0]", "safety"],
      ["providers.openai.keys[0].note", "harmless"],
      ["general_settings.disable_spend_logs", "harmless"],
      ["litellm_settings.success_callback", "harmless"],
      ["router_settings.allowed_fails_policy", "harmless"],
      ["router_settings.allowed_fails_policy.AuthenticationErrorAllowedFails", "harmless"],
      ["functions.chat.parallel_tool_calls", "harmless"],
      ["litellm_settings.set_verbose", "harmless"],
    ]
    for (const [path, group] of groups) assert.strictEqual(Report.groupOf(path), group, path)
  })

  it("is in groups, the most serious first, and complete if only harmless settings are left", () => {
    const item = (path: string, group: Report.Group): Report.NotImported => ({ path, message: "is left", group })
    const harmless = [item("a", "harmless")]
    const all = [...harmless, item("b", "models"), item("c", "safety"), item("d", "models")]
    assert.deepStrictEqual(
      Report.grouped(all).map(({ items, title }) => [title, ...items.map(({ path }) => path)]),
      [
        ["safety and money", "c"],
        ["models not served", "b", "d"],
        ["harmless", "a"],
      ],
    )
    assert.isTrue(Report.isIncomplete(all))
    assert.isFalse(Report.isIncomplete(harmless))
  })
})
