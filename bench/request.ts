/** A request of a generator, as the bytes of its socket. */

export interface Request {
  readonly port: number
  readonly headers: Readonly<Record<string, string>>
  readonly body: object
}

/** The bytes of a request with keep-alive. */
export const requestBytes = (request: Request) => {
  const body = JSON.stringify(request.body)
  const headers = {
    host: `127.0.0.1:${request.port}`,
    "content-type": "application/json",
    accept: "*/*",
    "user-agent": "understudy-bench",
    authorization: "Bearer x",
    ...request.headers,
    "content-length": Buffer.byteLength(body),
  }
  const lines = Object.entries(headers).map(([name, value]) => `${name}: ${value}\r\n`)
  return Buffer.from(`POST /v1/chat/completions HTTP/1.1\r\n${lines.join("")}\r\n${body}`)
}
