/**
 * The proxy for a provider's connections: the deployment's own, else the one in the environment variables that curl
 * reads. HTTPS uses a tunnel (`CONNECT`); plain HTTP is forwarded.
 */
import * as Config from "effect/Config"
import * as Effect from "effect/Effect"
import * as Redacted from "effect/Redacted"
import * as Result from "effect/Result"
import { BlockList, isIP } from "node:net"
import { ProviderStartError } from "../ProviderStartError.ts"
import type { Secret } from "../Secret.ts"

/** The URL of a proxy, redacted because it may contain a password. */
export type Proxy = Redacted.Redacted

/** Parses the URL of a proxy. The default scheme is http. `undefined` if it is not an http or https URL. */
export const parse = (text: string): Proxy | undefined => {
  const address = text.includes("://") ? text : `http://${text}`
  if (!/^https?:\/\//i.test(address) || !URL.canParse(address)) return undefined
  const { href, password, username } = new URL(address)
  return Result.isFailure(decode(username + password)) ? undefined : Redacted.make(href)
}

/** Decodes a part of a URL. Fails on invalid percent-encoding. */
const decode = (text: string): Result.Result<string, unknown> =>
  Result.try({ try: () => decodeURIComponent(text), catch: (error) => error })

/**
 * The proxy for requests to the URL `target`: `own`, else `HTTPS_PROXY` or `HTTP_PROXY`, unless `NO_PROXY` matches the
 * host.
 */
export const resolve = Effect.fnUntraced(function* (
  provider: string,
  own: Secret | undefined,
  target: string,
): Effect.fn.Return<Proxy | undefined, ProviderStartError | Config.ConfigError> {
  if (own !== undefined) return yield* read(provider, "proxy", Redacted.isRedacted(own) ? own : yield* own)
  const name = target.startsWith("https:") ? "HTTPS_PROXY" : "HTTP_PROXY"
  const found = yield* variable(name)
  if (found === undefined || bypasses((yield* variable("NO_PROXY")) ?? "", target)) return undefined
  return yield* read(provider, name, Redacted.make(found))
})

/** An environment variable: the lower-case name takes precedence over the upper-case name. */
const variable = (name: string): Config.Config<string | undefined> =>
  Config.NonEmptyString(name.toLowerCase()).pipe(
    Config.orElse(() => Config.NonEmptyString(name)),
    Config.withDefault(undefined),
  )

const read = (provider: string, name: string, text: Redacted.Redacted): Effect.Effect<Proxy, ProviderStartError> => {
  const proxy = parse(Redacted.value(text))
  return proxy === undefined
    ? Effect.fail(
        new ProviderStartError({
          provider,
          message: `${name} is not an http or https URL of a proxy, such as http://127.0.0.1:3128`,
        }),
      )
    : Effect.succeed(proxy)
}

/**
 * Whether `NO_PROXY` matches the host of a URL. Entries are host names, domains (`example.com`, `.example.com`;
 * `*.example.com` excludes the domain itself), IP addresses and ranges (`10.0.0.0/8`), each with an optional port; `*`
 * matches all.
 */
export const bypasses = (noProxy: string, target: string): boolean => {
  if (!URL.canParse(target)) return false
  const { hostname, port, protocol } = new URL(target)
  const host = bare(hostname)
  const own = port === "" ? (protocol === "https:" ? "443" : "80") : port
  return noProxy.split(/[\s,]+/).some((entry) => {
    const [, name = "", only] = /^(\[.*\]|[^:]*|.*:.*:.*?)(?::(\d+))?$/.exec(entry.toLowerCase()) ?? []
    return name !== "" && (only === undefined || only === own) && matches(bare(name), host)
  })
}

/** A host without IPv6 brackets or a trailing dot. */
const bare = (host: string): string => host.replace(/^\[([^\]]*)\]/, "$1").replace(/(.)\.$/, "$1")

const matches = (entry: string, host: string): boolean => {
  if (entry === "*" || entry === host) return true
  // IPv6 addresses have several spellings.
  if (entry.includes("/") || entry.includes(":")) return within(entry, host)
  const domain = entry.replace(/^\*?\./, "")
  return host.endsWith(`.${domain}`) || (entry.startsWith(".") && host === domain)
}

const within = (range: string, host: string): boolean => {
  const [network = "", size] = range.split("/")
  const family = isIP(network)
  const bits = size ?? (family === 4 ? "32" : "128")
  if (family === 0 || family !== isIP(host) || !/^\d{1,3}$/.test(bits) || Number(bits) > (family === 4 ? 32 : 128)) {
    return false
  }
  const list = new BlockList()
  const type = family === 4 ? "ipv4" : "ipv6"
  list.addSubnet(network, Number(bits), type)
  return list.check(host, type)
}
