/**
 * All that one deployment sends upstream as a secret: its keys, the values of its configured headers, and what stands in the
 * userinfo and the query of its address; and what comes later, such as the credentials of a role.
 */
import * as Redacted from "effect/Redacted"

export interface Secrets {
  /** The texts known by now, each once. */
  readonly all: () => ReadonlyArray<string>
  /** Adds credentials that were found later. The oldest of them are forgotten: credentials that are renewed end. */
  readonly note: (found: ReadonlyArray<string | undefined>) => void
}

/** Where a deployment's secrets stand. */
export interface Sources {
  readonly keys?: ReadonlyArray<Redacted.Redacted | undefined> | undefined
  readonly headers?: Readonly<Record<string, string | null>> | undefined
  /** The addresses it sends to, its proxy's included. */
  readonly urls?: ReadonlyArray<string | Redacted.Redacted | undefined> | undefined
}

/** The secrets of a deployment. They are read once. */
export const make = ({ headers = {}, keys = [], urls = [] }: Sources): Secrets => {
  const given = [
    ...keys.flatMap((key) => (key === undefined ? [] : [Redacted.value(key).trim()])),
    ...Object.entries(headers).flatMap(([name, value]) => (value === null || isOpen(name) ? [] : inHeader(value))),
    ...urls.flatMap((url) => (url === undefined ? [] : inUrl(Redacted.isRedacted(url) ? Redacted.value(url) : url))),
  ]
  let noted: ReadonlyArray<string> = []
  let all = distinct(given)
  return {
    all: () => all,
    note: (found) => {
      const fresh = found.flatMap((text) => (text === undefined || noted.includes(text) ? [] : [text]))
      if (fresh.length === 0) return
      noted = [...noted, ...fresh].slice(-mostNoted)
      all = distinct([...given, ...noted])
    },
  }
}

/** How many credentials that were found later are remembered. */
const mostNoted = 24

const distinct = (secrets: ReadonlyArray<string>): ReadonlyArray<string> => [
  ...new Set(secrets.filter((secret) => secret !== "")),
]

/** Headers that choose a format, a version or a feature: errors name their values, and should. */
const isOpen = (name: string): boolean => open.has(name.toLowerCase())

const open = new Set([
  "accept",
  "accept-encoding",
  "accept-language",
  "anthropic-beta",
  "anthropic-version",
  "content-type",
  "openai-beta",
])

/**
 * What a prepared request has in its headers (names and values in turn), beside what SDKs say of themselves: OpenAI's and
 * Anthropic's also send headers that they find in the environment (`OPENAI_CUSTOM_HEADERS`, `ANTHROPIC_CUSTOM_HEADERS`).
 */
export const inHeaders = (headers: ReadonlyArray<string>): ReadonlyArray<string> =>
  headers.flatMap((value, at) => {
    const name = headers[at - 1] ?? ""
    return at % 2 === 0 || isOpen(name) || sdks.test(name) ? [] : inHeader(value)
  })

const sdks = /^(?:x-stainless-.*|x-goog-api-client|user-agent|openai-organization|openai-project)$/i

/** The value, and the credential in it: after a scheme such as `Bearer`, in a cookie, or within those of `Basic`. */
const inHeader = (value: string): ReadonlyArray<string> => {
  const whole = value.trim()
  const [, scheme = "", rest = ""] = /^([a-z][\w-]{1,20})\s+(\S.*)$/is.exec(whole) ?? []
  if (/^basic$/i.test(scheme)) return [whole, rest, ...pair(Buffer.from(rest, "base64").toString())]
  if (/^(?:bearer|token|key|api-?key|digest|negotiate|aws4-\S+)$/i.test(scheme)) return [whole, rest]
  const cookies = [...whole.matchAll(/(?:^|;\s*)[\w.-]+=([^;\s]{8,})/g)].map(([, cookie = ""]) => cookie)
  return [whole, ...cookies]
}

/** A name and its password, each by itself and together. */
const pair = (text: string): ReadonlyArray<string> => {
  const colon = text.indexOf(":")
  return colon < 0 ? [text] : [text, text.slice(0, colon), text.slice(colon + 1)]
}

/** The userinfo and the values of the query, as they are written and as they are meant. */
const inUrl = (address: string): ReadonlyArray<string> => {
  if (!URL.canParse(address)) return []
  const { password, search, username } = new URL(address)
  const userinfo = [username, password, meant(username), meant(password)]
  const together = password === "" ? [] : [`${username}:${password}`, `${meant(username)}:${meant(password)}`]
  const query = search
    .slice(1)
    .split("&")
    .map((each) => each.slice(each.indexOf("=") + 1))
  return [...userinfo, ...together, ...query, ...new URLSearchParams(search).values()]
}

const meant = (text: string): string => new URLSearchParams(`v=${text.replaceAll("+", "%2B")}`).get("v") ?? text
