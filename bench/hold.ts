/**
 * Opens streams and holds them. It is forked, told over IPC what to open, and answers with how many streams have begun when
 * no more are to come. They end with the process.
 */
import { connect } from "node:net"
import { type Request, requestBytes } from "./request.ts"

export interface Hold extends Request {
  readonly streams: number
}

export interface Held {
  readonly begun: number
  /** The first answer that was no stream, or how a connection failed. */
  readonly failure: string | undefined
}

/** How many connections are being opened at any time. */
const atOnce = 100

const run = (hold: Hold): Promise<Held> =>
  new Promise((resolve) => {
    const request = requestBytes(hold)
    let [begun, started, ended] = [0, 0, 0]
    let failure: string | undefined
    const next = () => {
      if (started === hold.streams) {
        if (ended === hold.streams) resolve({ begun, failure })
        return
      }
      started += 1
      const socket = connect({ port: hold.port, host: "127.0.0.1", noDelay: true }, () => socket.write(request))
      let settled = false
      const settle = (problem: string | undefined) => {
        if (settled) return
        settled = true
        ended += 1
        if (problem === undefined) begun += 1
        else {
          failure ??= problem
          socket.destroy()
        }
        next()
      }
      let answer = ""
      socket.on("error", (error) => settle(String(error)))
      socket.on("close", () => settle("the connection was closed"))
      socket.on("data", (bytes: Buffer) => {
        if (settled) return
        answer += bytes.toString("latin1")
        // The head, and the first event with content.
        if (answer.includes(" understudy")) settle(undefined)
        else if (answer.includes("\r\n\r\n") && !answer.startsWith("HTTP/1.1 200")) settle(answer)
      })
    }
    for (let index = 0; index < Math.min(atOnce, hold.streams); index++) next()
  })

process.once("disconnect", () => process.exit())
process.on("message", (hold: Hold) => void run(hold).then((held) => process.send!(held)))
