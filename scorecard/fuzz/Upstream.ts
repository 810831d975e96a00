/** The vendors' end of the fuzz: one server for all, that answers as it should unless the request carries a case's mark. */
import * as Effect from "effect/Effect"
import * as Http from "node:http"
import type { AddressInfo } from "node:net"
import { parsed } from "../Json.ts"
import * as Answers from "./Answers.ts"
import { Draw } from "./Draw.ts"
import * as Stalls from "./Stalls.ts"

/** What a request says so that its answer is that case's. */
export const mark = (seed: string, dialect: string, index: number): string =>
  `case ${encodeURIComponent(seed)}/${dialect}/${index}.`

const marked = /case ([^/"\\]+\/\w+\/\d+)\./

/** Listens on a free loopback port until the scope closes. */
export const make = Effect.map(
  Effect.acquireRelease(
    Effect.callback<Http.Server>((resume) => {
      const server = Http.createServer((request, response) => {
        const chunks: Array<Buffer> = []
        request.on("data", (chunk: Buffer) => chunks.push(chunk))
        request.on("end", () =>
          Stalls.aside(() => {
            const text = Buffer.concat(chunks).toString()
            const body = parsed<Record<string, unknown>>(text) ?? {}
            const url = request.url ?? ""
            const mark = marked.exec(text)?.[1]
            // Each vendor that is asked for a case has an answer of its own.
            const draw = new Draw(`${mark} ${url.replace(/\?.*/, "")}`)
            play(mark === undefined ? Answers.sound(url, body) : Answers.mutated(url, body, draw), response)
          }),
        )
      })
      server.listen(0, "127.0.0.1", () => resume(Effect.succeed(server)))
    }),
    (server) =>
      Effect.callback<void>((resume) => {
        server.close(() => resume(Effect.void))
        server.closeAllConnections()
      }),
  ),
  (server) => ({ url: `http://127.0.0.1:${(server.address() as AddressInfo).port}` }),
)

const play = ({ broken, chunks, headers, status }: Answers.Answer, response: Http.ServerResponse): void => {
  response.on("error", () => undefined)
  response.writeHead(status, headers)
  for (const chunk of chunks) response.write(chunk)
  // What was written before is on its way then.
  if (broken) setImmediate(() => response.destroy())
  else response.end()
}
