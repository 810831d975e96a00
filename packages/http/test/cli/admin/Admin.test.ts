/** The commands that administer a running gateway, as processes, with their output as people see it. */
import { afterAll, assert, beforeAll, describe, it } from "@effect/vitest"
import { once } from "node:events"
import { createServer } from "node:http"
import type { IncomingMessage, ServerResponse } from "node:http"
import type { AddressInfo } from "node:net"
import type { Ran } from "../Process.ts"
import { ask, clean, run, start, url } from "../Process.ts"

const operatorKey = "sk-operator"

const configuration = `
database: "sqlite:./books.db"
deployments:
  demo: { provider: simulated, model: any, price: { input: 1000000, output: 0 } }
routes:
  assistant: [demo]
  cheap: [demo]
keys:
  - { id: dashboard, key: sk-dashboard, role: viewer }
budgets:
  list: [{ id: most, all: true, amount: 1000, window: total }]
  lease: 1
  leaseWait: 1m
`

let gateway = ""

beforeAll(async () => {
  gateway = await url(
    start(["--config", "understudy.yaml", "--port", "0"], {
      files: { "understudy.yaml": configuration },
      env: { UNDERSTUDY_API_KEY: operatorKey },
    }),
  )
}, 120_000)

afterAll(clean)

/** Commands run two at a time: more would only take processors from the gateway. */
const turns = [Promise.resolve(), Promise.resolve()]
let started = 0
const inTurn = (command: () => Promise<Ran>): Promise<Ran> => {
  const turn = started++ % turns.length
  const ran = turns[turn]!.then(command)
  turns[turn] = ran.then(() => {})
  return ran
}

/** A command that finds the gateway's address and the operator's key in a file `.env`. */
const understudy = (command: string, typed?: string): Promise<Ran> =>
  inTurn(() =>
    run(command.split(" "), {
      files: { ".env": `UNDERSTUDY_API_KEY=${operatorKey}\nUNDERSTUDY_URL=${gateway}/v1\n` },
      ...(typed === undefined ? {} : { typed }),
    }),
  )

/** Texts with ids, secrets and times that are the same at each run, and as long. */
const stable = (text: string): string =>
  text
    .replace(/\b(key|team|budget)_[0-9a-f]{24}/g, (_, kind: string) => `${kind}_${"0".repeat(24)}`)
    .replace(/sk-us-[\w-]{43}/g, "sk-us-…")
    .replace(/ends with \S{4}/g, "ends with ….")
    .replace(/\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d(?:\.\d+)?Z \((?:now|\d+ (?:s|min) ago)\)/g, "just now")

/** What a successful command prints. */
const printed = async (command: string): Promise<string> => {
  const { code, stderr, stdout } = await understudy(command)
  assert.deepStrictEqual([code, stderr], [0, ""])
  return stdout
}

/** The lines that a successful command prints. */
const lines = async (command: string) =>
  stable(await printed(command))
    .trimEnd()
    .split("\n")

/** What a command that fails prints, which is nothing but its error. */
const failure = async (command: string, env?: Record<string, string>) => {
  const { code, stderr, stdout } = await (env === undefined
    ? understudy(command)
    : inTurn(() => run(command.split(" "), { env })))
  assert.deepStrictEqual([code, stdout], [1, ""])
  return stable(stderr).trimEnd()
}

const api = async (path: string, body?: object): Promise<unknown> => {
  const response = await fetch(`${gateway}${path}`, {
    headers: { authorization: `Bearer ${operatorKey}`, "content-type": "application/json" },
    ...(body === undefined ? {} : { method: "POST", body: JSON.stringify(body) }),
  })
  return response.json()
}

const callWith = async (key: string) => (await ask(gateway, {}, { authorization: `Bearer ${key}` })).status

describe.concurrent("the administration of a running gateway", { timeout: 180_000 }, () => {
  it("creates a key, shows it, changes it, rotates it and deletes it", async () => {
    await api("/admin/teams", { name: "search" })
    const created = await printed(
      "keys create ci --team search --rpm 60 --budget 50/total --budget 90/total/cheap --tag night --metadata owner=ann --expires-at 2099-01-31",
    )
    assert.strictEqual(
      stable(created),
      `Created key "ci" (key_${"0".repeat(24)}).

  sk-us-…

Keep this text now: it will not be shown again.
`,
    )
    const text = /sk-us-\S+/.exec(created)?.[0] ?? ""
    assert.strictEqual(await callWith(text), 200)
    // A call is settled after its response.
    const id = /key_[0-9a-f]{24}/.exec(created)?.[0] ?? ""
    const spent = async () =>
      ((await api(`/admin/keys/${id}`)) as { readonly budgets: ReadonlyArray<{ readonly spent: number }> }).budgets
    while ((await spent()).some(({ spent }) => spent === 0)) await new Promise((resolve) => setTimeout(resolve, 20))
    const shown = await lines("keys show ci")
    assert.deepStrictEqual(
      shown.map((line) => line.replace(/\(in \d+ years\)/, "(in years)")),
      [
        "ci",
        `  id         key_${"0".repeat(24)}`,
        "  text       ends with ….",
        "  state      active",
        "  team       search",
        "  role       caller",
        "  routes     all",
        "  limits     rpm 60",
        "  tags       night",
        "  metadata   owner=ann",
        "  expires    2099-01-31T00:00:00Z (in years)",
        "  created    just now",
        "  last used  just now",
        "budgets",
        "  amount  window    used              spent  reserved  resets  at the limit  id",
        `  $50.00  in total  █░░░░░░░░░   6 %  $3.00  $0.00     never   refuse        budget_${"0".repeat(24)}`,
        `  $90.00  in total  ░░░░░░░░░░   3 %  $3.00  $0.00     never   use cheap     budget_${"0".repeat(24)}`,
      ],
    )
    const updated = await lines("keys update ci --tpm 1000 --route cheap --clear expiresAt")
    assert.includeMembers(updated, ["  limits     rpm 60, tpm 1000", "  routes     cheap", "  expires    never"])
    assert.include(await lines("keys disable ci"), "  state      disabled")
    assert.strictEqual(await callWith(text), 401)
    assert.include(await lines("keys enable ci"), "  state      active")
    const rotated = await printed("keys rotate ci --quiet")
    assert.match(rotated, /^sk-us-[\w-]{43}\n$/)
    assert.strictEqual(await callWith(text), 401)
    assert.match(
      stable(await printed("keys rotate ci --overlap 24h")),
      /^Key "ci" \(key_0+\) has a new text\. The former text is accepted until \S+Z\.\n\n {2}sk-us-…\n\nKeep this text now/,
    )
    assert.strictEqual(
      (await ask(gateway, { model: "cheap" }, { authorization: `Bearer ${rotated.trim()}` })).status,
      200,
    )
    assert.strictEqual(
      await failure("keys delete ci"),
      `Delete key "ci" (key_${"0".repeat(24)}) and its budgets? Its calls are rejected from then on. There is no terminal to ask on: add --yes.`,
    )
    assert.deepStrictEqual(await lines("keys delete ci --yes"), [`Deleted key "ci" (key_${"0".repeat(24)}).`])
    assert.strictEqual(await failure("keys show ci"), 'There is no key "ci". List them: understudy keys list')
  })

  it("prints the text of a new key alone with --quiet, and the JSON of the API with --json", async () => {
    const text = (await printed("keys create piped --quiet")).trim()
    assert.strictEqual(await callWith(text), 200)
    assert.deepStrictEqual(JSON.parse(await printed("keys show dashboard --json")), await api("/admin/keys/dashboard"))
    assert.deepStrictEqual(JSON.parse(await printed("budgets show most --json")), await api("/admin/budgets/most"))
    const made = JSON.parse(await printed("keys create made --json"))
    assert.match(made.key, /^sk-us-/)
    const { key: _key, ...known } = made
    assert.deepStrictEqual(await api(`/admin/keys/${made.id}`), known)
  })

  it("creates, changes and deletes a team, after a question on a terminal", async () => {
    assert.deepStrictEqual(await lines("teams create ops --rpm 600 --budget 50/total"), [
      "ops",
      `  id       team_${"0".repeat(24)}`,
      "  state    active",
      "  keys     0",
      "  routes   all",
      "  limits   rpm 600",
      "  created  just now",
      "budgets",
      "  amount  window    used              spent  reserved  resets  at the limit  id",
      `  $50.00  in total  ░░░░░░░░░░   0 %  $0.00  $0.00     never   refuse        budget_${"0".repeat(24)}`,
    ])
    assert.include(await lines("teams update ops --disabled --clear limits"), "  limits   none")
    const table = await lines("teams list")
    assert.match(table[0] ?? "", /^name +id +keys +routes +limits +state$/)
    assert.isTrue(table.some((line) => /^ops +team_0+ +0 +all +none +disabled$/.test(line)))
    if (process.platform !== "linux") return
    const kept = await understudy("teams delete ops", "\n")
    assert.strictEqual(kept.code, 1)
    assert.include(kept.stdout, "Nothing is deleted.")
    const deleted = await understudy("teams delete ops", "y\n")
    assert.strictEqual(deleted.code, 0)
    assert.include(stable(deleted.stdout), `Deleted team "ops" (team_${"0".repeat(24)}).`)
    assert.strictEqual(await failure("teams show ops"), 'There is no team "ops".')
  })

  it("creates, changes and deletes a budget", async () => {
    const team = (await api("/admin/teams", { name: "spenders" })) as { readonly id: string }
    const created = await lines(
      "budgets create --team spenders --amount 12.5 --window day --time-zone Europe/Berlin --use cheap --alert 0.9",
    )
    assert.deepStrictEqual(
      created.map((line) => line.replace(/\S+ \(in \d+ (?:h|min|s)\)/, "soon")),
      [
        "team spenders",
        `  id            budget_${"0".repeat(24)}`,
        "  amount        $12.50 a day, Europe/Berlin",
        "  used          ░░░░░░░░░░   0 %",
        "  spent         $0.00",
        "  reserved      $0.00",
        "  remaining     $12.50",
        "  resets        soon",
        "  at the limit  use cheap",
        "  alerts        90 %",
      ],
    )
    const { data } = (await api(`/admin/budgets?team=${team.id}`)) as {
      readonly data: ReadonlyArray<{ readonly id: string }>
    }
    const id = data[0]?.id ?? ""
    assert.includeMembers(
      await lines(`budgets update ${id} --amount 20 --window total --clear timeZone --clear then`),
      ["  amount        $20.00 in total", "  resets        never", "  at the limit  refuse"],
    )
    assert.deepStrictEqual(await lines("budgets list --team spenders"), [
      "for            amount  window    used              spent  reserved  resets  at the limit  id",
      `team spenders  $20.00  in total  ░░░░░░░░░░   0 %  $0.00     $0.00  never   refuse        budget_${"0".repeat(24)}`,
    ])
    assert.deepStrictEqual(await lines(`budgets delete ${id} --yes`), [
      `Deleted budget budget_${"0".repeat(24)} (team spenders, $20.00 in total).`,
    ])
    assert.strictEqual(await failure(`budgets show ${id}`), `There is no budget "budget_${"0".repeat(24)}".`)
  })

  it("shows what was spent, and on which calls", async () => {
    await api("/admin/teams", { name: "buyers" })
    const { id, key } = (await api("/admin/keys", {
      name: "buyer",
      team: "buyers",
      tags: ["batch", "night"],
    })) as Record<"id" | "key", string>
    assert.deepStrictEqual(await lines("spend --key buyer"), ["No calls: nothing was spent."])
    for (const model of ["assistant", "cheap", "assistant"]) {
      assert.strictEqual((await ask(gateway, { model }, { authorization: `Bearer ${key}` })).status, 200)
    }
    const ids = async () =>
      ((await api(`/admin/calls?key=${id}`)) as { readonly data: ReadonlyArray<{ readonly id: string }> }).data
    while ((await ids()).length < 3) await new Promise((resolve) => setTimeout(resolve, 20))
    const spend = await lines("spend --by key,route --key buyer")
    assert.deepStrictEqual(
      spend.map((line) => line.replace(/ +\d+(?= +\$)/, " …")),
      [
        "key    route      calls  failed  input  output   cost  share",
        "buyer  assistant      2       0      6 …  $6.00   67 %",
        "buyer  cheap          1       0      3 …  $3.00   33 %",
        "total                 3       0      9 …  $9.00  100 %",
      ],
    )
    assert.deepStrictEqual(
      (await lines("spend --by tag --key buyer")).map((line) => line.replace(/ +\d+(?= +\$)/, " …")),
      [
        "tag    calls  failed  input  output   cost",
        "batch      3       0      9 …  $9.00",
        "night      3       0      9 …  $9.00",
      ],
    )
    assert.match(
      (await lines("spend --every day --team buyers"))[1] ?? "",
      /^\d{4}-\d\d-\d\d +3 +0 +9 +\d+ +\$9\.00 +100 %$/,
    )
    assert.match((await lines("spend --by team --team buyers --csv"))[1] ?? "", /^team_0+,buyers,3,3,0,9,/)
    const [newest] = await ids()
    const calls = await lines("calls --key buyer --limit 2")
    assert.match(calls[0] ?? "", /^time \(UTC\) +key +route +deployment +outcome +ms +input +output +cost +id$/)
    assert.match(
      calls[1] ?? "",
      /^\d{4}-\d\d-\d\d \d\d:\d\d:\d\d +buyer +assistant +demo +success +\d+ +3 +\d+ +\$3\.00 +\S+$/,
    )
    assert.deepStrictEqual(calls.slice(3), ["These are the latest 2. Show more with --limit."])
    const call = await lines(`calls show ${newest?.id ?? ""}`)
    assert.includeMembers(call, [
      newest?.id ?? "",
      `  key          buyer (key_${"0".repeat(24)})`,
      "  answered by  demo (simulated, any)",
      "  cost         $3.00",
      "attempts",
    ])
    assert.deepStrictEqual(
      JSON.parse(await printed("calls --key buyer --limit 2 --json")),
      await api(`/admin/calls?key=${id}&limit=2`),
    )
  })
})

describe.concurrent("the errors of the administration", { timeout: 180_000 }, () => {
  /** A server that replies as a gateway would, or would not. */
  const replying = async (reply: (request: IncomingMessage, response: ServerResponse) => void): Promise<string> => {
    const server = createServer(reply).listen(0, "127.0.0.1")
    afterAll(() => server.close())
    await once(server, "listening")
    return `http://127.0.0.1:${(server.address() as AddressInfo).port}`
  }

  it("name each field that is wrong, and what is expected", async () => {
    assert.deepStrictEqual(
      (await failure("budgets create --all --amount -3 --window monthly --time-zone Mars")).split("\n"),
      [
        "amount: expected an amount of US dollars from 0 to 9000000, found -3",
        'window: expected hour, day, week, month, total, or a number of days such as 30 days, found "monthly"',
        'timeZone: expected the name of a time zone, such as Europe/Berlin, found "Mars"',
      ],
    )
    assert.strictEqual(
      await failure("keys create x --route asistant"),
      'routes[0]: "asistant" does not exist: did you mean "assistant"?',
    )
    assert.deepStrictEqual((await failure("spend --by modle --from yesterday")).split("\n"), [
      '--by: expected one or more of key, team, tag, route, deployment, vendor, model, separated by commas, found "modle"',
      '--from: expected a date such as 2027-01-31, or with a time: 2027-01-31T18:00:00Z, found "yesterday"',
    ])
  })

  it("are told before a request where the command line is wrong", async () => {
    assert.strictEqual(
      await failure("keys create x --budget 5"),
      '--budget: expected AMOUNT/WINDOW such as 5/month, or AMOUNT/WINDOW/ROUTE such as 5/month/cheap, found "5".',
    )
    assert.strictEqual(
      await failure("budgets create --amount 5 --window day --team a --all"),
      "A budget is for one thing: give one of --key, --team, --tag, --route, --deployment, --vendor and --all.",
    )
    assert.strictEqual(await failure("teams update a"), "Nothing to change: give the fields to change. See --help.")
    assert.strictEqual(
      await failure("teams list --url 127.0.0.1:4000"),
      '"127.0.0.1:4000" is not the address of a gateway. Expected one such as http://127.0.0.1:4000, in --url.',
    )
  })

  it("tell several keys with one name apart by their ids", async () => {
    await api("/admin/keys", { name: "twin" })
    await api("/admin/keys", { name: "twin" })
    const id = `key_${"0".repeat(24)}`
    assert.strictEqual(
      await failure("keys disable twin"),
      `2 keys have the name "twin". Give the id of one: ${id}, ${id}.`,
    )
  })

  it("say where things of the configuration are changed", async () => {
    assert.strictEqual(
      await failure("keys rotate dashboard"),
      'Key "dashboard" is in the configuration. Change it there, under `keys`, and reload the configuration.',
    )
  })

  it("say which key is missing, wrong, or not allowed to", async () => {
    const found = { UNDERSTUDY_URL: gateway }
    assert.strictEqual(
      await failure("keys list", found),
      `The gateway at ${gateway} needs a key. Set UNDERSTUDY_API_KEY, in the environment or in .env.`,
    )
    assert.strictEqual(
      await failure("keys list", { ...found, UNDERSTUDY_API_KEY: "sk-other" }),
      `The gateway at ${gateway} rejected the key in UNDERSTUDY_API_KEY: Unknown key. Send a key of this gateway, not a provider's.`,
    )
    assert.strictEqual(
      await failure("teams create x", { ...found, UNDERSTUDY_API_KEY: "sk-dashboard" }),
      'Key "dashboard" (role viewer) may not do this. It needs the role admin, or the operator key (UNDERSTUDY_API_KEY).',
    )
    assert.strictEqual(
      await failure("keys list", { ...found, UNDERSTUDY_API_KEY: "sk\nother" }),
      "The key in UNDERSTUDY_API_KEY has line breaks or other characters that cannot be sent. Set it again.",
    )
  })

  it("say that no gateway can be reached, or that it is something else", async () => {
    const server = createServer().listen(0, "127.0.0.1")
    await once(server, "listening")
    const { port } = server.address() as AddressInfo
    server.close()
    await once(server, "close")
    assert.strictEqual(
      await failure(`keys list --url http://127.0.0.1:${port}`),
      `No gateway can be reached at http://127.0.0.1:${port}: connect ECONNREFUSED 127.0.0.1:${port}.\n` +
        "Start one with `understudy serve`, or give the address of a running one with --url or UNDERSTUDY_URL.",
    )
    const cut = await replying((request, response) => {
      response.writeHead(200, { "content-type": "application/json", "content-length": 100 })
      response.write('{"data":[', () => request.socket.destroy())
    })
    assert.match(
      await failure(`keys list --url ${cut}`),
      new RegExp(`^No gateway can be reached at ${cut}: .+\\.\nStart one with `),
    )
    const page = await replying((_, response) => response.writeHead(404).end("<h1>Not here</h1>"))
    assert.strictEqual(
      await failure(`keys list --url ${page}`),
      `${page} replied with status 404, but not as an Understudy gateway with an API for administration. Check the address (--url or UNDERSTUDY_URL) and the version of the gateway.`,
    )
    const other = await replying((_, response) =>
      response.writeHead(200, { "content-type": "application/json" }).end('{"data":[{"id":1}]}'),
    )
    assert.match(
      await failure(`keys list --url ${other}`),
      /^The response is not one that this version of understudy can read\. Check the address/,
    )
  })

  it("say what a gateway without a database needs, and that a database is away", async () => {
    const without = start(["--port", "0"], { env: { UNDERSTUDY_API_KEY: operatorKey } })
    assert.match(
      await failure(`keys list --url ${await url(without)}`),
      /^Keys, teams and budgets that change at run time need a database\. Add `database: "sqlite:\.\/understudy\.db"`/,
    )
    const away = await replying((_, response) =>
      response
        .writeHead(503, { "content-type": "application/problem+json" })
        .end('{"type":"urn:x","title":"Service Unavailable","status":503,"detail":"The database cannot be used now."}'),
    )
    assert.strictEqual(
      await failure(`keys list --url ${away}`),
      "The gateway cannot use its database now. Run the command again once it can.",
    )
  })

  it("cannot change the terminal: what a gateway sends is escaped", async () => {
    await api("/admin/teams", { name: "red\u001b[31m\nrow" })
    assert.isTrue((await lines("teams list")).some((line) => line.startsWith(String.raw`red\u001b[31m\nrow`)))
  })
})

describe.concurrent("a list of several pages", { timeout: 180_000 }, () => {
  it("is read to its end, or to the limit", async () => {
    const requests: Array<string> = []
    const team = (id: string) => ({
      id,
      name: id,
      routes: null,
      limits: null,
      metadata: {},
      disabled: false,
      keys: 0,
      createdAt: "2026-01-01T00:00:00.000Z",
      updatedAt: "2026-01-01T00:00:00.000Z",
    })
    const cursor = Buffer.from('[1,"a"]').toString("base64url")
    const server = createServer((request, response) => {
      requests.push(request.url ?? "")
      const isSecond = request.url?.includes("cursor") === true
      response
        .writeHead(200, { "content-type": "application/json" })
        .end(JSON.stringify(isSecond ? { data: [team("b")], next: null } : { data: [team("a")], next: cursor }))
    }).listen(0, "127.0.0.1")
    await once(server, "listening")
    const address = `http://127.0.0.1:${(server.address() as AddressInfo).port}/behind/a/path/`
    assert.deepStrictEqual(JSON.parse(await printed(`teams list --url ${address} --json`)), {
      data: [team("a"), team("b")],
      next: null,
    })
    assert.deepStrictEqual(await lines(`teams list --url ${address} --limit 1`), [
      "name  id  keys  routes  limits  state",
      "a     a      0  all     none    active",
    ])
    server.close()
    assert.deepStrictEqual(requests, [
      "/behind/a/path/admin/teams?limit=1000",
      `/behind/a/path/admin/teams?limit=1000&cursor=${cursor}`,
      "/behind/a/path/admin/teams?limit=1",
    ])
  })
})
