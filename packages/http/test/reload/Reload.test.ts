/** Reloads of a gateway that serves, as a process of its own over sockets: by SIGHUP, by `POST /admin/reload`, with `--watch`. */
import { afterAll, assert, describe, it } from "@effect/vitest"
import { mkdirSync, renameSync, symlinkSync, writeFileSync } from "node:fs"
import { join } from "node:path"
import { ask, clean, run, start, url } from "../cli/Process.ts"
import type { Started } from "../cli/Process.ts"
import * as Upstream from "./Upstream.ts"

afterAll(clean)
afterAll(Upstream.close)

const file = "understudy.yaml"

/** As editors do: the file is replaced, not written. */
const write = ({ folder }: Started, text: string, name = file): void => {
  writeFileSync(join(folder, `${name}.new`), text)
  renameSync(join(folder, `${name}.new`), join(folder, name))
}

const authorized = (key: string) => ({ authorization: `Bearer ${key}` })

const reload = async (base: string, key = "operator") => {
  const response = await fetch(`${base}/admin/reload`, { method: "POST", headers: authorized(key) })
  return { status: response.status, text: await response.text() }
}

const answer = async (base: string, key = "operator"): Promise<string> => {
  const response = await ask(base, {}, authorized(key))
  const text = await response.text()
  return response.status === 200 ? JSON.parse(text).choices[0].message.content : `${response.status}`
}

/** The text of a line about a deployment. */
const openai = (name: string, { baseUrl }: Upstream.Upstream, rest: string) =>
  `  ${name}: { provider: openai, model: m, local: false, baseUrl: "${baseUrl}", ${rest} }`

describe.concurrent("a reload of the configuration", { timeout: 60_000 }, () => {
  it("changes deployments, routes and keys, while a stream ends on what it began on", async () => {
    const [old, next] = await Promise.all([Upstream.start("old"), Upstream.start("next")])
    const before = [
      "deployments:",
      openai("lead", old, "apiKey: first-secret, limits: { rpm: 1000 }"),
      openai("gone", old, "apiKey: first-secret"),
      "routes: { assistant: [lead, gone] }",
      "keys: [{ id: a, key: key-of-a }, { id: b, key: key-of-b }]",
    ].join("\n")
    const after = [
      "server: { port: 1 }",
      "deployments:",
      openai("lead", next, "apiKey: second-secret, limits: { rpm: 2000 }"),
      openai("new", next, "apiKey: second-secret"),
      "routes: { assistant: [lead, new], other: [new] }",
      "keys: [{ id: a, key: key-of-a, routes: [other] }, { id: c, key: key-of-c }]",
    ].join("\n")
    const serving = start(["--port", "0"], {
      files: { [file]: before },
      env: { UNDERSTUDY_API_KEY: "operator", SESSION_SECRET: "of the sessions, with 32 characters" },
    })
    const base = await url(serving)
    const stream = await ask(base, { stream: true }, authorized("key-of-a"))
    assert.strictEqual(await answer(base, "key-of-b"), "old by first-secret")

    assert.strictEqual((await reload(base, "key-of-a")).status, 403)
    write(serving, after)
    const { status, text } = await reload(base)
    assert.deepStrictEqual(JSON.parse(text), {
      changes: [
        { kind: "deployment", name: "lead", change: "changed", fields: ["limits", "apiKey", "baseUrl"] },
        { kind: "deployment", name: "gone", change: "removed", fields: [] },
        { kind: "deployment", name: "new", change: "added", fields: [] },
        { kind: "route", name: "assistant", change: "changed", fields: [] },
        { kind: "route", name: "other", change: "added", fields: [] },
        { kind: "key", name: "a", change: "changed", fields: ["routes"] },
        { kind: "key", name: "b", change: "removed", fields: [] },
        { kind: "key", name: "c", change: "added", fields: [] },
      ],
      restart: ["server.port"],
    })
    assert.strictEqual(status, 200)
    await serving.says(/The configuration is reloaded \(POST \/admin\/reload\): 8 changes/)
    await serving.says(/deployment lead changed: limits, apiKey, baseUrl/)
    await serving.says(/route other added/)
    await serving.says(/only after a restart: server\.port/)

    assert.strictEqual(await answer(base), "next by second-secret")
    assert.deepStrictEqual(await Promise.all(["key-of-a", "key-of-b", "key-of-c"].map((key) => answer(base, key))), [
      "403",
      "401",
      "next by second-secret",
    ])
    const models = await (await fetch(`${base}/v1/models`, { headers: authorized("operator") })).text()
    assert.deepStrictEqual(
      (JSON.parse(models).data as Array<{ id: string }>).map(({ id }) => id),
      ["assistant", "other", "lead", "new"],
    )
    old.endStreams()
    const read = await stream.text()
    assert.include(read, "old by first-secret")
    assert.match(read.trimEnd(), /data: \[DONE\]$/)
    for (const secret of ["first-secret", "second-secret", "key-of-"]) {
      assert.notInclude(serving.printed(), secret)
      assert.notInclude(text, secret)
    }
  })

  it("changes nothing if it is rejected, and says so in the log, at /ready and in the metrics", async () => {
    const upstream = await Upstream.start("up")
    const good = ["deployments:", openai("lead", upstream, "apiKey: k"), "routes: { assistant: [lead] }"].join("\n")
    const serving = start(["--port", "0"], { files: { [file]: good } })
    const base = await url(serving)
    const ready = async () => JSON.parse(await (await fetch(`${base}/ready`)).text()) as Record<string, unknown>
    const metrics = async () =>
      (await (await fetch(`${base}/metrics`)).text()).match(/^understudy_config_(?!.*time).*$/gm) ?? []
    assert.deepStrictEqual(await ready(), { status: "ready" })

    write(serving, good.replace("lead]", "laed]").replace("model: m", "weight: -1"))
    serving.child.kill("SIGHUP")
    await serving.says(/The configuration is rejected \(SIGHUP\): 3 problems\. The one in force stays\./)
    await serving.says(/deployments\.lead\.weight: expected/)
    const { configuration, configuration_rejected_at, ...rest } = await ready()
    assert.deepStrictEqual([configuration, rest], ["rejected", { status: "ready" }])
    assert.isNotNaN(Date.parse(String(configuration_rejected_at)))
    assert.strictEqual(await answer(base), "up by k")

    const { status, text } = await reload(base)
    const problem = JSON.parse(text)
    assert.deepStrictEqual([status, problem.status, problem.error.code], [422, 422, "invalid_configuration"])
    assert.deepStrictEqual((problem.errors as Array<{ field: string }>).map(({ field }) => field).toSorted(), [
      "deployments.lead.model",
      "deployments.lead.weight",
      "routes.assistant[0]",
    ])
    // A provider that cannot start is found before anything changes.
    write(
      serving,
      `${good}\n`.replace(openai("lead", upstream, "apiKey: k"), `$&\n  keyless: { provider: anthropic, model: m }`),
    )
    const keyless = JSON.parse((await reload(base)).text)
    assert.deepStrictEqual(
      (keyless.errors as Array<{ field: string }>).map(({ field }) => field),
      ["deployments.keyless"],
    )
    assert.deepStrictEqual(await metrics(), [
      'understudy_config_reloads_total{result="success"} 0',
      'understudy_config_reloads_total{result="failure"} 3',
      "understudy_config_last_reload_successful 0",
    ])
    const refused = await run(["reload", "--url", base])
    assert.strictEqual(refused.code, 1)
    assert.include(refused.stderr, "deployments.keyless: ")

    write(serving, good.replace("apiKey: k", "apiKey: k2"))
    const reloaded = await run(["reload", "--url", base])
    assert.deepStrictEqual([reloaded.code, reloaded.stdout], [0, "Reloaded:\n  deployment lead changed: apiKey\n"])
    assert.deepStrictEqual(await ready(), { status: "ready" })
    assert.strictEqual(await answer(base), "up by k2")
    assert.include(await metrics(), "understudy_config_last_reload_successful 1")
  })

  it("follows the file and its .env with --watch: replaced, written, and behind the links of a ConfigMap", async () => {
    const upstream = await Upstream.start("up")
    const yaml = (reply: string) =>
      [
        "deployments:",
        openai("lead", upstream, 'apiKey: "${LEAD_KEY}"'),
        "  implied: { provider: openai, model: m }",
        `  other: { provider: simulated, model: m, reply: "${reply}" }`,
        "routes: { assistant: [lead] }",
      ].join("\n")
    const serving = start(["--port", "0", "--watch", "--config", "mounted/understudy.yaml"], {
      files: { ".env": "LEAD_KEY=first\nOPENAI_API_KEY=third\n" },
    })
    const { folder } = serving
    /** A new version behind the link `..data`, which is swapped, as the kubelet does. */
    const mount = (version: string, text: string) => {
      mkdirSync(join(folder, "mounted", version), { recursive: true })
      writeFileSync(join(folder, "mounted", version, file), text)
      symlinkSync(version, join(folder, "mounted", "..data_tmp"))
      renameSync(join(folder, "mounted", "..data_tmp"), join(folder, "mounted", "..data"))
    }
    mount("..v1", yaml("one"))
    symlinkSync(join("..data", file), join(folder, "mounted", file))
    const base = await url(serving)
    assert.strictEqual(await answer(base), "up by first")

    mount("..v2", yaml("two"))
    await serving.says(/has changed\): 1 change/)
    await serving.says(/deployment other changed: reply/)

    writeFileSync(join(folder, ".env"), "LEAD_KEY=second\nOPENAI_API_KEY=fourth\n")
    await serving.says(/deployment lead changed: apiKey/)
    await serving.says(/deployment implied changed: OPENAI_API_KEY/)
    assert.strictEqual(await answer(base), "up by second")

    mount("..v3", "deployments: [")
    await serving.says(/is rejected \(.*has changed\)/)
    mount("..v4", yaml("four"))
    await serving.says(/is rejected[^]*deployment other changed: reply/)
    for (const secret of ["second", "fourth"]) assert.notInclude(serving.printed(), secret)
  })

  it("refuses --watch without a file", async () => {
    const { code, stderr } = await run(["serve", "--watch", "--port", "0"])
    assert.deepStrictEqual(
      [code, stderr],
      [1, "--watch needs a configuration file: give one with --config, or write understudy.yaml\n"],
    )
  })

  it("replaces the budgets of the configuration, and keeps the keys and budgets of the database", async () => {
    const yaml = (amount: number) =>
      [
        'database: "sqlite:./books.db"',
        "deployments: { lead: { provider: simulated, model: m, price: { input: 1, output: 1 } } }",
        "routes: { assistant: [lead] }",
        `budgets: { list: [{ id: whole, all: true, amount: ${amount}, window: month }] }`,
      ].join("\n")
    const serving = start(["--port", "0"], { files: { [file]: yaml(5) }, env: { UNDERSTUDY_API_KEY: "operator" } })
    const base = await url(serving)
    const admin = async (path: string, body?: object) => {
      const response = await fetch(`${base}/admin/${path}`, {
        method: body === undefined ? "GET" : "POST",
        headers: { ...authorized("operator"), "content-type": "application/json" },
        ...(body === undefined ? {} : { body: JSON.stringify(body) }),
      })
      return JSON.parse(await response.text())
    }
    const { key } = await admin("keys", { name: "ci", budgets: [{ amount: 1, window: "day" }] })
    write(serving, yaml(7))
    assert.deepStrictEqual(JSON.parse((await reload(base)).text), {
      changes: [{ kind: "budget", name: "whole", change: "changed", fields: ["amount"] }],
      restart: [],
    })
    const { data } = await admin("budgets")
    assert.deepStrictEqual(
      (data as Array<{ amount: number }>).map(({ amount }) => amount),
      [7, 1],
    )
    assert.strictEqual((await ask(base, {}, authorized(key))).status, 200)
  })

  it("never opens a gateway that had keys, nor closes one that had none, but says that it needs a restart", async () => {
    const yaml = (keys: string) =>
      `deployments: { lead: { provider: simulated, model: m, reply: "Hi" } }\nroutes: { assistant: [lead] }\nkeys: ${keys}\n`
    const closed = start(["--port", "0"], { files: { [file]: yaml("[{ id: a, key: key-of-a }]") } })
    const open = start(["--port", "0"], { files: { [file]: yaml("[]") } })
    const [closedAt, openAt] = await Promise.all([url(closed), url(open)])
    write(closed, yaml("[]"))
    write(open, yaml("[{ id: a, key: key-of-a }]"))
    for (const serving of [closed, open]) {
      serving.child.kill("SIGHUP")
      await serving.says(/only after a restart: keys/)
    }
    assert.strictEqual((await ask(closedAt, {}, authorized("key-of-a"))).status, 401)
    assert.strictEqual((await ask(closedAt)).status, 401)
    assert.strictEqual((await ask(openAt)).status, 200)
  })

  it("reaches all workers, by SIGHUP to the main process and by a request to one of them", async () => {
    const yaml = (reply: string) =>
      `deployments: { lead: { provider: simulated, model: m, reply: "${reply}" } }\nroutes: { assistant: [lead] }\n`
    const serving = start(["--port", "0", "--workers", "2"], { files: { [file]: yaml("one") } })
    const base = await url(serving)
    const serves = async (reply: string) => {
      // Each connection may be accepted by either worker.
      const answers = await Promise.all(Array.from({ length: 20 }, () => answer(base)))
      assert.deepStrictEqual([...new Set(answers)], [reply])
    }
    /** Waits until both workers have logged it. */
    const both = (pattern: string) => serving.says(new RegExp(`${pattern}[^]*${pattern}`))
    await serves("one")
    write(serving, yaml("two"))
    serving.child.kill("SIGHUP")
    await both("reloaded \\(SIGHUP\\): 1 change")
    await serves("two")
    write(serving, yaml("three"))
    assert.strictEqual((await reload(base)).status, 200)
    await both("reloaded \\(POST /admin/reload\\): 1 change")
    await serves("three")
    write(serving, "deployments: [")
    assert.strictEqual((await reload(base)).status, 422)
    await both("is rejected \\(POST /admin/reload\\)")
    await serves("three")
  })
})
