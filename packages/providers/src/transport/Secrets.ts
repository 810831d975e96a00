/**
 * The secrets that one deployment sends upstream: keys, values of configured headers, userinfo and query of its URLs,
 * and credentials found later, such as those of an assumed role.
 */
import * as Redacted from "effect/Redacted"

export interface Secrets {
  /** The known secrets, each once. */
  readonly all: () => ReadonlyArray<string>
  /** Adds credentials found later. The oldest of them are dropped, as renewed credentials expire. */
  readonly note: (found: ReadonlyArray<string | undefined>) => void
}

/** The places that contain a deployment's secrets. */
export interface Sources {
  readonly keys?: ReadonlyArray<Redacted.Redacted | undefined> | undefined
  readonly headers?: Readonly<Record<string, string | null>> | undefined
  /** The URLs it sends to, its proxy included. */
  readonly urls?: ReadonlyArray<string | Redacted.Redacted | undefined> | undefined
}

/** The secrets of a deployment. They are collected once. */
export const make = ({ headers = {}, keys = [], urls = [] }: Sources): Secrets => {
  const given = [
    ...keys.flatMap((key) => (key === undefined ? [] : [Redacted.value(key).trim()])),
    ...Object.entries(headers).flatMap(([name, value]) => (value === null || isPublic(name) ? [] : inHeader(value))),
    ...urls.flatMap((url) => (url === undefined ? [] : inUrl(Redacted.isRedacted(url) ? Redacted.value(url) : url))),
  ]
  let noted: ReadonlyArray<string> = []
  let all = distinct(given)
  return {
    all: () => all,
    note: (found) => {
      const fresh = found.flatMap((text) => (text === undefined || noted.includes(text) ? [] : [text]))
      if (fresh.length === 0) return
      noted = [...noted, ...fresh].slice(-maxNoted)
      all = distinct([...given, ...noted])
    },
  }
}

/** How many credentials found later are kept. */
const maxNoted = 24

const distinct = (secrets: ReadonlyArray<string>): ReadonlyArray<string> => [
  ...new Set(secrets.filter((secret) => secret !== "")),
]

/** Headers that select a format, a version or a feature. Errors mention their values, and should. */
const isPublic = (name: string): boolean => publicHeaders.has(name.toLowerCase())

const publicHeaders = new Set([
  "accept",
  "accept-encoding",
  "accept-language",
  "anthropic-beta",
  "anthropic-version",
  "content-type",
  "openai-beta",
])

/**
 * The secrets in the headers of a request template (alternating names and values), without what SDKs send about
 * themselves. OpenAI's and Anthropic's SDKs also add headers from the environment (`OPENAI_CUSTOM_HEADERS`,
 * `ANTHROPIC_CUSTOM_HEADERS`).
 */
export const inHeaders = (headers: ReadonlyArray<string>): ReadonlyArray<string> =>
  headers.flatMap((value, at) => {
    const name = headers[at - 1] ?? ""
    return at % 2 === 0 || isPublic(name) || sdkHeaders.test(name) ? [] : inHeader(value)
  })

const sdkHeaders = /^(?:x-stainless-.*|x-goog-api-client|user-agent|openai-organization|openai-project)$/i

/**
 * The header's value, and the credential in it: after a scheme such as `Bearer`, in a cookie, or encoded by `Basic`.
 */
const inHeader = (value: string): ReadonlyArray<string> => {
  const trimmed = value.trim()
  const [, scheme = "", rest = ""] = /^([a-z][\w-]{1,20})\s+(\S.*)$/is.exec(trimmed) ?? []
  if (/^basic$/i.test(scheme)) return [trimmed, rest, ...pair(Buffer.from(rest, "base64").toString())]
  if (/^(?:bearer|token|key|api-?key|digest|negotiate|aws4-\S+)$/i.test(scheme)) return [trimmed, rest]
  const cookies = [...trimmed.matchAll(/(?:^|;\s*)[\w.-]+=([^;\s]{8,})/g)].map(([, cookie = ""]) => cookie)
  return [trimmed, ...cookies]
}

/** A name and its password, separately and together. */
const pair = (text: string): ReadonlyArray<string> => {
  const colon = text.indexOf(":")
  return colon < 0 ? [text] : [text, text.slice(0, colon), text.slice(colon + 1)]
}

/** The userinfo and the query values of a URL, encoded and decoded. */
const inUrl = (address: string): ReadonlyArray<string> => {
  if (!URL.canParse(address)) return []
  const { password, search, username } = new URL(address)
  const userinfo = [username, password, percentDecoded(username), percentDecoded(password)]
  const together =
    password === "" ? [] : [`${username}:${password}`, `${percentDecoded(username)}:${percentDecoded(password)}`]
  const query = search
    .slice(1)
    .split("&")
    .map((each) => each.slice(each.indexOf("=") + 1))
  return [...userinfo, ...together, ...query, ...new URLSearchParams(search).values()]
}

const percentDecoded = (text: string): string =>
  new URLSearchParams(`v=${text.replaceAll("+", "%2B")}`).get("v") ?? text
