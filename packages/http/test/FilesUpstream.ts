/**
 * A vendor with OpenAI's files and batches, on a loopback port: what an account's key has uploaded, that key alone sees. A batch is done
 * at once, and its output has a line for each request, with the model that the request named.
 */
import * as Multipart from "@understudy/providers/internal/testing/Multipart"
import * as Effect from "effect/Effect"
import type * as Scope from "effect/Scope"
import { Buffer } from "node:buffer"
import * as Http from "node:http"
import type { AddressInfo } from "node:net"

interface Stored {
  readonly id: string
  readonly key: string
  readonly fields: object
  readonly content: Buffer
}

export interface FilesUpstream {
  readonly url: string
  /** `METHOD path key`, of every request. */
  readonly requests: ReadonlyArray<string>
  /** The keys that are answered with 503. */
  readonly down: Set<string>
}

export const make: Effect.Effect<FilesUpstream, never, Scope.Scope> = Effect.gen(function* () {
  const stored = new Map<string, Stored>()
  const requests: Array<string> = []
  const down = new Set<string>()
  let serial = 0
  const put = (kind: "file" | "batch", key: string, fields: object, content: Buffer = Buffer.alloc(0)): Stored => {
    const id = kind === "file" ? `file-${++serial}` : `batch_${++serial}`
    const entry = { id, key, content, fields: { id, object: kind, created_at: 1, ...fields } }
    stored.set(id, entry)
    return entry
  }
  const run = (input: Buffer): Buffer =>
    Buffer.from(
      input
        .toString()
        .trimEnd()
        .split("\n")
        .map((line) => JSON.parse(line))
        .map(({ body, custom_id }) => JSON.stringify({ custom_id, response: { status_code: 200, body } }))
        .join("\n"),
    )
  const answer = (request: Http.IncomingMessage, body: Buffer): readonly [status: number, body: object | Buffer] => {
    const { method = "", url = "" } = request
    const key = (request.headers.authorization ?? "").replace("Bearer ", "")
    requests.push(`${method} ${url} ${key}`)
    if (down.has(key)) return [503, { error: { message: "overloaded", type: "server_error", code: null } }]
    const [path = ""] = url.split("?")
    const [, , kind = "", id = "", action] = path.split("/")
    const own = [...stored.values()].filter((entry) => entry.key === key)
    if (id === "" && method === "GET") {
      const data = own.filter((entry) => entry.id.startsWith(kind.slice(0, 4))).map(({ fields }) => fields)
      return [
        200,
        { object: "list", data, first_id: own[0]?.id ?? null, last_id: own.at(-1)?.id ?? null, has_more: false },
      ]
    }
    if (id === "" && kind === "files") {
      const { file, purpose } = Multipart.fieldsOf(request.headers["content-type"] ?? "", body) as {
        readonly file: { readonly size: number; readonly filename: string }
        readonly purpose: string
      }
      const at = body.indexOf("\r\n\r\n", body.indexOf('filename="')) + 4
      const content = Buffer.from(body.subarray(at, at + file.size))
      return [200, put("file", key, { purpose, bytes: file.size, filename: file.filename }, content).fields]
    }
    const entry = own.find((each) => each.id === (id === "" ? JSON.parse(body.toString()).input_file_id : id))
    if (entry === undefined) {
      return [
        404,
        { error: { message: `No such File object: ${id}`, type: "invalid_request_error", param: "id", code: null } },
      ]
    }
    if (id === "") {
      const output = put("file", key, { purpose: "batch_output" }, run(entry.content))
      const made = JSON.parse(body.toString())
      return [
        200,
        put("batch", key, { ...made, status: "completed", output_file_id: output.id, error_file_id: null }).fields,
      ]
    }
    if (method === "DELETE") {
      stored.delete(id)
      return [200, { id, object: "file", deleted: true }]
    }
    return action === "content" ? [200, entry.content] : [200, entry.fields]
  }
  const server = yield* Effect.acquireRelease(
    Effect.callback<Http.Server>((resume) => {
      const server = Http.createServer((request, response) => {
        const chunks: Array<Buffer> = []
        request.on("data", (chunk: Buffer) => chunks.push(chunk))
        request.on("end", () => {
          const [status, body] = answer(request, Buffer.concat(chunks))
          const type = Buffer.isBuffer(body) ? "application/octet-stream" : "application/json"
          response.writeHead(status, { "content-type": type })
          response.end(Buffer.isBuffer(body) ? body : JSON.stringify(body))
        })
      })
      server.listen(0, "127.0.0.1", () => resume(Effect.succeed(server)))
    }),
    (server) =>
      Effect.callback<void>((resume) => {
        server.close(() => resume(Effect.void))
        server.closeAllConnections()
      }),
  )
  return { url: `http://127.0.0.1:${(server.address() as AddressInfo).port}/v1`, requests, down }
})
