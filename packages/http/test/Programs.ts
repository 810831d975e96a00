/** What tests with real servers share: Debian's packages, and ports. */
import { spawnSync } from "node:child_process"
import { once } from "node:events"
import { createServer } from "node:net"
import type { AddressInfo } from "node:net"

/** Installs a package of Debian, if the tests run as root. */
export const install = (name: string): void => {
  if (process.getuid?.() !== 0) return
  spawnSync("apt-get", ["update"], { timeout: 60_000 })
  spawnSync("apt-get", ["install", "-y", "--no-install-recommends", name], {
    timeout: 180_000,
    env: { ...process.env, DEBIAN_FRONTEND: "noninteractive" },
  })
}

/** A port that was free a moment ago, for a program that cannot choose one itself. */
export const freePort = async (): Promise<number> => {
  const server = createServer().listen(0, "127.0.0.1")
  await once(server, "listening")
  const { port } = server.address() as AddressInfo
  server.close()
  await once(server, "close")
  return port
}
