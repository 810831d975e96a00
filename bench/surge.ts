/**
 * The load generator of an overload. It offers requests at a fixed rate, whatever comes back, over a number of connections
 * that it opens all at once; and it opens a new connection every 50 ms for one request. It is forked and told over IPC what to
 * offer.
 *
 * A request that is due while every connection waits for an answer is lost: its client has no connection to send it on.
 * After any answer, a refusal included, a connection takes the next request that is due. In place of a closed connection, the next
 * request that is due opens one.
 */
import { connect } from "node:net"
import { type Request, requestBytes } from "./request.ts"
import { ResponseReader } from "./response.ts"

export interface Surge extends Request {
  readonly connections: number
  /** Requests a second. */
  readonly offered: number
  /** Seconds that count, after one that does not. */
  readonly seconds: number
}

/** Rates are per second. */
export interface Surged {
  readonly answered: number
  /** Answers with another status than 200. */
  readonly refused: number
  readonly lost: number
  /** Milliseconds from opening a connection to the first byte of its first answer, of each that was opened; so far, if none came. */
  readonly first: ReadonlyArray<number>
  /** Those of the connections that were opened one after another. */
  readonly probes: ReadonlyArray<number>
}

const probeMillis = 50

const run = (surge: Surge): Promise<Surged> =>
  new Promise((resolve) => {
    const request = requestBytes(surge)
    const began = performance.now()
    const from = began + 1000
    const until = from + surge.seconds * 1000
    const counts = { answered: 0, refused: 0, lost: 0 }
    const opened: Array<{ readonly at: number; readonly probe: boolean; first: number | undefined }> = []
    const idle: Array<() => void> = []
    const sockets = new Set<ReturnType<typeof connect>>()
    let done = false
    const count = (what: keyof typeof counts) => {
      const now = performance.now()
      if (now >= from && now < until) counts[what] += 1
    }

    const open = (probe: boolean) => {
      const seen: (typeof opened)[number] = { at: performance.now(), probe, first: undefined }
      opened.push(seen)
      const reader = new ResponseReader()
      const socket = connect({ port: surge.port, host: "127.0.0.1", noDelay: true })
      sockets.add(socket)
      const send = () => socket.write(request)
      // A closed connection stays in the list of idle ones until a request finds it closed.
      const take = () => (socket.writable ? send() : due())
      socket.on("connect", send)
      socket.on("error", () => {})
      socket.on("close", () => {
        sockets.delete(socket)
        if (!probe && !done) idle.push(() => open(false))
      })
      socket.on("data", (bytes: Buffer) => {
        seen.first ??= performance.now() - seen.at
        if (!reader.push(bytes)) return
        if (!probe) count(reader.status === 200 ? "answered" : "refused")
        reader.reset()
        if (probe) socket.destroy()
        else idle.push(take)
      })
    }

    const due = () => {
      const take = idle.shift()
      if (take === undefined) count("lost")
      else take()
    }

    for (let index = 0; index < surge.connections; index++) open(false)
    let issued = surge.connections
    let probed = 0
    const tick = () => {
      const now = performance.now()
      if (now >= until) {
        done = true
        for (const socket of sockets) socket.destroy()
        const first = opened.map(({ at, first, probe }) => ({ probe, millis: first ?? now - at }))
        return resolve({
          answered: counts.answered / surge.seconds,
          refused: counts.refused / surge.seconds,
          lost: counts.lost / surge.seconds,
          first: first.map(({ millis }) => millis),
          probes: first.filter(({ probe }) => probe).map(({ millis }) => millis),
        })
      }
      for (const all = (surge.offered * (now - began)) / 1000; issued < all; issued++) due()
      for (; probed < (now - began) / probeMillis; probed++) open(true)
      setTimeout(tick, 1)
    }
    tick()
  })

process.once("disconnect", () => process.exit())
process.on("message", (surge: Surge) => void run(surge).then((surged) => process.send!(surged)))
