/** A TCP proxy of a test's own, on a free port, that can swallow what passes through it and let nobody know. */
import { once } from "node:events"
import * as Net from "node:net"
import type { AddressInfo } from "node:net"

export interface TestProxy {
  readonly port: number
  /** From now on nothing passes, in either direction, though every connection stands; new ones are taken, and swallowed too. */
  readonly swallow: () => void
  /** New connections pass again. What was swallowed stays so, as do the connections it was on. */
  readonly heal: () => void
  /** How many connections clients hold open, and how many they ever opened. */
  readonly open: () => number
  readonly opened: () => number
  readonly close: () => void
}

export const start = async (target: number): Promise<TestProxy> => {
  const clients = new Set<Net.Socket>()
  const passing = new Set<{ on: boolean }>()
  let swallowing = false
  let opened = 0
  const server = Net.createServer((client) => {
    opened++
    const upstream = Net.connect(target, "127.0.0.1")
    const pass = { on: !swallowing }
    passing.add(pass)
    clients.add(client)
    client.on("data", (bytes) => pass.on && upstream.write(bytes))
    upstream.on("data", (bytes) => pass.on && client.write(bytes))
    const end = () => {
      passing.delete(pass)
      clients.delete(client)
      client.destroy()
      upstream.destroy()
    }
    for (const socket of [client, upstream]) socket.on("close", end).on("error", end)
  }).listen(0, "127.0.0.1")
  await once(server, "listening")
  return {
    port: (server.address() as AddressInfo).port,
    swallow: () => {
      swallowing = true
      for (const pass of passing) pass.on = false
    },
    heal: () => {
      swallowing = false
    },
    open: () => clients.size,
    opened: () => opened,
    close: () => {
      server.close()
      for (const client of clients) client.destroy()
    },
  }
}
