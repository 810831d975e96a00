/**
 * `fetch` for `google-auth-library`, over the connections of a provider: through its proxy, and with its timeout for
 * connecting.
 */
import type { Dispatcher } from "undici"

/** The part of `fetch` that the library uses. */
export type Fetch = (url: string | URL | Request, init?: RequestInit) => Promise<Response>

/** The library sends service accounts' assertions to this address, whatever `token_uri` the credentials have. */
export const tokenAddress = "https://oauth2.googleapis.com/token"

/** Sends over the dispatcher until the signal aborts. `tokenUri` replaces `tokenAddress`. */
export const make =
  (dispatcher: Dispatcher, signal: AbortSignal, tokenUri: string): Fetch =>
  (url, init = {}) => {
    const asked = url instanceof Request ? url.url : String(url)
    const { href, origin, pathname, search } = new URL(asked === tokenAddress ? tokenUri : asked)
    const headers = new Headers(init.headers)
    const { body } = init
    if (body instanceof URLSearchParams && !headers.has("content-type")) {
      headers.set("content-type", "application/x-www-form-urlencoded;charset=UTF-8")
    }
    return dispatcher
      .request({
        origin,
        path: `${pathname}${search}`,
        method: init.method === "POST" ? "POST" : "GET",
        headers: Object.fromEntries(headers),
        body: body === undefined || body === null ? null : String(body),
        signal,
      })
      .then((response) => response.body.text().then((text) => [response, text] as const))
      .then(([{ headers, statusCode }, text]) => {
        const response = new Response(text === "" ? null : text, { status: statusCode, headers: flat(headers) })
        return Object.defineProperty(response, "url", { value: href })
      })
  }

const flat = (headers: Readonly<Record<string, string | ReadonlyArray<string> | undefined>>): Array<[string, string]> =>
  Object.entries(headers).flatMap(([name, value]) =>
    value === undefined ? [] : [value].flat().map((each): [string, string] => [name, each]),
  )
