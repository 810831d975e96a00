/**
 * `deploy/compose.yaml`: its services, volumes and files are there, and the files of the gateway, nginx and Prometheus that it mounts
 * are accepted by what reads them.
 */
import { assert, describe, it } from "@effect/vitest"
import * as Yaml from "effect/encoding/Yaml"
import { spawnSync } from "node:child_process"
import { existsSync, globSync, readFileSync } from "node:fs"
import { join } from "node:path"

const deploy = join(import.meta.dirname, "..", "deploy")
const read = (path: string): string => readFileSync(join(deploy, path), "utf8")

interface Service {
  readonly image: string
  readonly volumes?: ReadonlyArray<string>
  readonly secrets?: ReadonlyArray<string>
  readonly environment?: Readonly<Record<string, string>>
  readonly depends_on?: Readonly<Record<string, { readonly condition: string }>> | ReadonlyArray<string>
  readonly healthcheck?: object
  readonly ports?: ReadonlyArray<string>
  readonly read_only?: boolean
  readonly cap_drop?: ReadonlyArray<string>
  readonly stop_grace_period?: string
}

const compose = Yaml.parse(read("compose.yaml")) as {
  readonly services: Readonly<Record<string, Service>>
  readonly volumes: Readonly<Record<string, object>>
  readonly secrets: Readonly<Record<string, object>>
}
const services = Object.entries(compose.services)
const gateways = services.filter(([, { image }]) => image === "understudy")

describe("compose.yaml", () => {
  it("mounts files that exist and volumes that it declares", () => {
    const used = new Set<string>()
    for (const [name, { secrets = [], volumes = [] }] of services) {
      for (const volume of volumes) {
        const [source = ""] = volume.split(":")
        if (source.startsWith("./")) assert.isTrue(existsSync(join(deploy, source)), `${name}: ${source}`)
        else used.add(source)
      }
      for (const secret of secrets) assert.property(compose.secrets, secret)
    }
    assert.sameMembers(Object.keys(compose.volumes), [...used])
  })

  it("starts a service after those that it needs, which say when they are healthy", () => {
    for (const [name, { depends_on: needed = {} }] of services) {
      for (const each of Array.isArray(needed) ? needed : Object.keys(needed))
        assert.property(compose.services, each, name)
      for (const [each, { condition }] of Array.isArray(needed) ? [] : Object.entries(needed)) {
        assert.strictEqual(condition, "service_healthy")
        const isGateway = compose.services[each]?.image === "understudy"
        assert.isTrue(isGateway || compose.services[each]?.healthcheck !== undefined, each)
      }
    }
  })

  it("publishes ports on loopback only, and names the version of each image", () => {
    for (const [name, { image, ports = [] }] of services) {
      for (const port of ports) assert.match(port, /^127\.0\.0\.1:\d+:\d+$/, name)
      if (image !== "understudy") assert.match(image, /:v?\d+\.\d+(\.\d+)?$/, name)
    }
  })

  it("runs two gateways without privileges and with a read-only root, and gives them the time of a drain", () => {
    assert.deepStrictEqual(
      gateways.map(([name]) => name),
      ["gateway-1", "gateway-2"],
    )
    for (const [name, { cap_drop: dropped, read_only: isReadOnly, stop_grace_period: grace = "" }] of gateways) {
      assert.deepStrictEqual([isReadOnly, dropped], [true, ["ALL"]], name)
      // The defaults of server.drain.
      assert.isAbove(Number.parseInt(grace, 10), 5 + 30)
    }
  })

  it("gives the gateways each variable of their configuration, which `understudy check` accepts", () => {
    const environment = gateways[0]?.[1].environment ?? {}
    const variables = [...read("compose/understudy.yaml").matchAll(/\$\{(\w+)\}/g)].map(([, name = ""]) => name)
    assert.isNotEmpty(variables)
    assert.includeMembers(Object.keys(environment), variables)
    const main = join(deploy, "..", "packages", "http", "src", "main.js")
    const { status, stderr, stdout } = spawnSync(process.execPath, [main, "check", "compose/understudy.yaml"], {
      cwd: deploy,
      encoding: "utf8",
      env: { PATH: process.env["PATH"], ...Object.fromEntries(variables.map((name) => [name, `of-${name}`])) },
    })
    assert.strictEqual(status, 0, stdout + stderr)
  })

  it("has Prometheus read the metrics of both gateways", () => {
    assert.isNotEmpty(globSync("prometheus/*.rules.yaml", { cwd: deploy }))
    const { scrape_configs: jobs } = Yaml.parse(read("compose/prometheus.yaml")) as {
      readonly scrape_configs: ReadonlyArray<{ readonly static_configs: ReadonlyArray<{ readonly targets: unknown }> }>
    }
    assert.deepStrictEqual(
      jobs[0]?.static_configs[0]?.targets,
      gateways.map(([name]) => `${name}:4000`),
    )
    if (spawnSync("promtool", ["--version"]).status !== 0) {
      process.stderr.write("promtool is not installed: the check of deploy/compose/prometheus.yaml is SKIPPED\n")
      return
    }
    const checked = spawnSync("promtool", ["check", "config", "--syntax-only", "compose/prometheus.yaml"], {
      cwd: deploy,
      encoding: "utf8",
    })
    assert.strictEqual(checked.status, 0, checked.stdout + checked.stderr)
  })

  it("has nginx send calls to both gateways", () => {
    for (const [name] of gateways) assert.include(read("nginx/understudy.conf"), `server ${name}:4000 `)
  })
})
