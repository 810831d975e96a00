/**
 * The bare proxy: what Node costs by itself, with no routing, no policy, no parsing. `node:http` in front, `undici.Pool`
 * behind. Its arguments are the upstream's origin and, optionally, the port to listen on.
 */
import { createServer, type IncomingMessage, type ServerResponse } from "node:http"
import { Pool } from "undici"
import { announce } from "./children.ts"

const pool = new Pool(process.argv[2]!, { headersTimeout: 0, bodyTimeout: 0 })

const forward = async (request: IncomingMessage, response: ServerResponse, body: Buffer) => {
  const answer = await pool.request({
    method: "POST",
    path: request.url!,
    headers: { "content-type": "application/json", authorization: request.headers.authorization ?? "" },
    body,
  })
  response.writeHead(answer.statusCode, answer.headers)
  answer.body.pipe(response)
}

const respond = (request: IncomingMessage, response: ServerResponse) => {
  const read: Array<Buffer> = []
  request.on("data", (bytes: Buffer) => read.push(bytes))
  request.on("end", () => {
    forward(request, response, read.length === 1 ? read[0]! : Buffer.concat(read)).catch(() => response.destroy())
  })
}

announce(createServer({ keepAliveTimeout: 600_000, requestTimeout: 0 }, respond), Number(process.argv[3] ?? 0))
