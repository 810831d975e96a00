/**
 * nginx and HAProxy in front of two gateways, with the files of `deploy/` and other addresses.
 */
import * as Effect from "effect/Effect"
import { spawnSync } from "node:child_process"
import { mkdtempSync, readFileSync, rmSync, writeFileSync } from "node:fs"
import { tmpdir } from "node:os"
import { join } from "node:path"
import * as Process from "./Process.ts"

export const proxies = ["nginx", "haproxy"] as const
export type Proxy = (typeof proxies)[number]

export const isInstalled = (proxy: Proxy): boolean => spawnSync(proxy, ["-v"]).status === 0

const deployed = (path: string): string => readFileSync(join(import.meta.dirname, "..", "..", "deploy", path), "utf8")

/** A file of `deploy/` with its addresses replaced. */
const addressed = (text: string, port: number, gateways: ReadonlyArray<number>): string =>
  gateways.reduce(
    (text, gateway, index) => text.replaceAll(`gateway-${index + 1}:4000`, `127.0.0.1:${gateway}`),
    text.replace(/(listen |bind :)8080/, (_, directive: string) => `${directive.replace(":", "")}127.0.0.1:${port}`),
  )

/** The shipped file as the whole configuration of a process in the foreground. */
const configuration: Record<Proxy, (folder: string, file: string) => string> = {
  nginx: (folder, file) => `
daemon off;
worker_processes 1;
pid ${folder}/pid;
error_log stderr warn;
events { worker_connections 16384; }
http {
  access_log off;
  ${["client_body", "proxy", "fastcgi", "uwsgi", "scgi"].map((name) => `${name}_temp_path ${folder}/${name};`).join(" ")}
  ${file}
}
`,
  haproxy: (_folder, file) => file,
}

const command: Record<Proxy, ReadonlyArray<string>> = { nginx: ["-c"], haproxy: ["-db", "-f"] }

const folder = Effect.acquireRelease(
  Effect.sync(() => mkdtempSync(join(tmpdir(), "understudy-proxy-"))),
  (folder) => Effect.sync(() => rmSync(folder, { recursive: true, force: true })),
)

/** Starts a proxy on a port. `edit` changes its shipped file. Ends with the scope. */
export const start = Effect.fnUntraced(function* (
  proxy: Proxy,
  port: number,
  gateways: ReadonlyArray<number>,
  edit: (text: string) => string,
) {
  const inside = yield* folder
  const path = join(inside, "conf")
  const file = edit(deployed(proxy === "nginx" ? "nginx/understudy.conf" : "haproxy/haproxy.cfg"))
  writeFileSync(path, configuration[proxy](inside, addressed(file, port, gateways)))
  const program = yield* Process.start(proxy, [...command[proxy], path])
  yield* Process.ready(program, `http://127.0.0.1:${port}/ready`)
  return program
})
