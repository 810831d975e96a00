/** The Helm chart, where `helm` is installed, and by Kubernetes' schemas with `kubernetes-validate`, which `.ci/run` then installs. */
import { assert, describe, it } from "@effect/vitest"
import * as Yaml from "effect/encoding/Yaml"
import * as Predicate from "effect/Predicate"
import { spawnSync } from "node:child_process"
import { mkdtempSync, readFileSync, rmSync, writeFileSync } from "node:fs"
import { tmpdir } from "node:os"
import { join } from "node:path"

const root = join(import.meta.dirname, "..")
const chart = join(root, "deploy", "helm", "understudy")

const isInstalled = (command: string, flag: string): boolean => spawnSync(command, [flag]).status === 0
const hasHelm = isInstalled("helm", "version")
const hasSchemas = isInstalled("kubernetes-validate", "--version")
if (!hasHelm) process.stderr.write("helm is not installed: the tests of the chart are SKIPPED\n")
if (hasHelm && !hasSchemas)
  process.stderr.write(
    "kubernetes-validate is not installed: the check of the chart by Kubernetes' schemas is SKIPPED\n",
  )

const run = (command: string, args: ReadonlyArray<string>, env: Readonly<Record<string, string>> = {}) => {
  const { status, stderr, stdout } = spawnSync(command, args, { encoding: "utf8", env: { ...process.env, ...env } })
  return { status, printed: stdout + stderr, stdout }
}

/** The values with which the chart is tested: its defaults, and each optional part. */
const cases = { "by default": [], "with each optional part": ["--values", join(chart, "ci", "full-values.yaml")] }

const rendered = (args: ReadonlyArray<string>): string => {
  const { printed, status, stdout } = run("helm", ["template", "demo", chart, ...args])
  assert.strictEqual(status, 0, printed)
  return stdout
}

/** What a document has at a path of keys. */
const at = (document: unknown, ...path: ReadonlyArray<string | number>): unknown =>
  path.reduce<unknown>((value, key) => (Predicate.hasProperty(value, key) ? value[key] : undefined), document)

const resources = (args: ReadonlyArray<string>): Readonly<Record<string, unknown>> =>
  Object.fromEntries(
    rendered(args)
      .split(/^---$/m)
      .filter((text) => text.trim() !== "")
      .map(Yaml.parse)
      .map((document) => [String(at(document, "kind")), document]),
  )

/** Runs with a file that has a text. */
const withFile = <A>(name: string, text: string, use: (path: string) => A): A => {
  const folder = mkdtempSync(join(tmpdir(), "understudy-helm-"))
  try {
    writeFileSync(join(folder, name), text)
    return use(join(folder, name))
  } finally {
    rmSync(folder, { recursive: true, force: true })
  }
}

const podSpec = ["spec", "template", "spec"]
const container = [...podSpec, "containers", 0]

describe.skipIf(!hasHelm)("the Helm chart", { timeout: 60_000 }, () => {
  for (const [name, args] of Object.entries(cases)) {
    it(`passes helm lint ${name}`, () => {
      const { printed, status } = run("helm", ["lint", "--strict", chart, ...args])
      assert.strictEqual(status, 0, printed)
    })

    it.skipIf(!hasSchemas)(`renders what Kubernetes' schemas accept ${name}`, () => {
      for (const version of ["1.30", "1.37"]) {
        const { printed, status } = withFile("rendered.yaml", rendered(args), (path) =>
          run("kubernetes-validate", ["--strict", "--kubernetes-version", version, path]),
        )
        assert.strictEqual(status, 0, printed)
        assert.match(printed, /passed for resource deployment/)
      }
    })

    it(`has a configuration that \`understudy check\` accepts ${name}`, () => {
      const text = at(resources(args)["ConfigMap"], "data", "understudy.yaml")
      assert.isString(text)
      const main = join(root, "packages", "http", "src", "main.js")
      const { printed, status } = withFile("understudy.yaml", String(text), (path) =>
        run(process.execPath, [main, "check", path], { OPENAI_API_KEY: "x", REDIS_HOST: "redis:6379" }),
      )
      assert.strictEqual(status, 0, printed)
    })

    it(`runs without privileges and with a read-only root ${name}`, () => {
      const { Deployment: deployment } = resources(args)
      assert.deepInclude(at(deployment, ...podSpec, "securityContext"), {
        runAsNonRoot: true,
        runAsUser: 1000,
        seccompProfile: { type: "RuntimeDefault" },
      })
      assert.deepStrictEqual(at(deployment, ...container, "securityContext"), {
        allowPrivilegeEscalation: false,
        readOnlyRootFilesystem: true,
        capabilities: { drop: ["ALL"] },
      })
      assert.isFalse(at(deployment, ...podSpec, "automountServiceAccountToken"))
    })
  }

  it("gives a pod the time of its drain", () => {
    const { ConfigMap: config, Deployment: deployment } = resources([
      "--set=drain.delay=10",
      "--set=drain.timeout=60",
      "--set=drain.preStop=3",
    ])
    assert.strictEqual(at(deployment, ...podSpec, "terminationGracePeriodSeconds"), 3 + 10 + 60 + 5)
    assert.deepStrictEqual(at(deployment, ...container, "lifecycle", "preStop"), { sleep: { seconds: 3 } })
    const parsed = Yaml.parse(String(at(config, "data", "understudy.yaml")))
    assert.deepStrictEqual(at(parsed, "server", "drain"), { delay: "10s", timeout: "60s" })
    assert.strictEqual(at(resources([])["Deployment"], ...podSpec, "terminationGracePeriodSeconds"), 5 + 30 + 5)
  })

  it("probes /health and /ready, and has a budget for the pods of its deployment", () => {
    const { Deployment: deployment, PodDisruptionBudget: budget, Service: service } = resources([])
    const path = (probe: string) => at(deployment, ...container, `${probe}Probe`, "httpGet", "path")
    assert.deepStrictEqual(["startup", "readiness", "liveness"].map(path), ["/health", "/ready", "/health"])
    const labels = at(deployment, "spec", "selector", "matchLabels")
    assert.isObject(labels)
    assert.deepStrictEqual(at(budget, "spec", "selector", "matchLabels"), labels)
    assert.deepStrictEqual(at(service, "spec", "selector"), labels)
    const podLabels = at(deployment, "spec", "template", "metadata", "labels")
    for (const [name, value] of Object.entries(labels ?? {})) assert.propertyVal(podLabels, name, value)
  })

  it("scales by requests in flight, a metric that the gateway has, and by CPU", () => {
    const metrics = at(resources(cases["with each optional part"])["HorizontalPodAutoscaler"], "spec", "metrics")
    const name = at(metrics, 0, "pods", "metric", "name")
    assert.include(readFileSync(join(root, "packages/http/src/observe/Metrics.ts"), "utf8"), String(name))
    assert.strictEqual(at(metrics, 1, "resource", "name"), "cpu")
    const both = run("helm", ["template", "demo", chart, "--set=autoscaling.enabled=true", "--set=autoscaling.cpu=0"])
    assert.include(both.printed, "autoscaling needs autoscaling.cpu or autoscaling.requestsInFlight")
  })

  it("reads a changed configuration without a restart, or restarts for it", () => {
    const checksum = (args: ReadonlyArray<string>) =>
      at(resources(args)["Deployment"], "spec", "template", "metadata", "annotations", "checksum/config")
    const watching = ["--set=watch=true"]
    assert.include(at(resources(watching)["Deployment"], ...container, "args"), "--watch")
    assert.isUndefined(checksum(watching))
    const other = checksum(["--set=watch=false", "--set=config.server.maxBody=1mb"])
    assert.isString(other)
    assert.notStrictEqual(checksum(["--set=watch=false"]), other)
  })

  it("contains no secret: keys come from Secrets by name", () => {
    const { Deployment: deployment, ServiceMonitor: monitor } = resources(cases["with each optional part"])
    assert.deepStrictEqual(at(deployment, ...container, "envFrom"), [{ secretRef: { name: "understudy-keys" } }])
    assert.deepStrictEqual(at(monitor, "spec", "endpoints", 0, "authorization", "credentials"), {
      name: "understudy-keys",
      key: "METRICS_KEY",
    })
    assert.notProperty(resources(cases["with each optional part"]), "Secret")
  })

  it("rejects values that it does not know, and a drain in the configuration", () => {
    const { printed, status } = run("helm", ["template", "demo", chart, "--set=replicaCount=2"])
    assert.isAbove(status ?? 0, 0)
    assert.match(printed, /replicaCount/)
    const drained = run("helm", ["template", "demo", chart, "--set=config.server.drain.delay=5s"])
    assert.include(drained.printed, "config.server.drain is set by the values drain.delay and drain.timeout")
  })

  it("has the version of the gateway", () => {
    const { version } = JSON.parse(readFileSync(join(root, "packages/http/package.json"), "utf8"))
    assert.strictEqual(at(Yaml.parse(readFileSync(join(chart, "Chart.yaml"), "utf8")), "appVersion"), version)
  })
})
