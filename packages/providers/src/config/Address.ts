/**
 * The address of a deployment: its vendor's, or the one in its configuration; and what may be wrong with it.
 */
import type { ReasonTag } from "@understudy/core/ProviderError"
import * as Predicate from "effect/Predicate"
import type { VendorName } from "../Catalog.ts"
import * as Local from "../Local.ts"
import * as Compatible from "../openai/Compatible.ts"

/** The settings that an address depends on. */
export interface Addressed {
  readonly provider: VendorName
  readonly keys: object
}

const isCompatible = (provider: string): provider is Compatible.Name => Object.hasOwn(Compatible.vendors, provider)

/** The configured address, and the key that sets it; `undefined` if neither `baseUrl` nor `endpoint` is set. */
export const configured = ({ keys }: Addressed): { readonly key: string; readonly url: string } | undefined => {
  for (const key of ["baseUrl", "endpoint"] as const) {
    const url = (keys as Readonly<Record<string, unknown>>)[key]
    if (Predicate.isString(url)) return { key, url }
  }
  return undefined
}

/** The configured address, else the vendor's; `undefined` where the vendor's SDK chooses it. */
export const of = (deployment: Addressed): string | undefined => {
  const { provider } = deployment
  return configured(deployment)?.url ?? (isCompatible(provider) ? Compatible.vendors[provider].baseUrl : undefined)
}

/** Whether the server is not a known vendor's: a self-hosted server, or a `baseUrl` on another host. */
export const isOwn = (deployment: Addressed): boolean => {
  const address = configured(deployment)
  if (address === undefined) return isSelfHosted(deployment)
  return address.key === "baseUrl" && !(URL.canParse(address.url) && isVendors(new URL(address.url).host))
}

const isVendors = (host: string): boolean => vendorHosts.has(host) || host.endsWith(".googleapis.com")

const vendorHosts: ReadonlySet<string> = new Set([
  "api.openai.com",
  "api.anthropic.com",
  ...Object.values<Compatible.Vendor>(Compatible.vendors).flatMap(({ baseUrl, variable }) =>
    variable === undefined ? [] : [new URL(baseUrl).host],
  ),
])

const isSelfHosted = ({ provider }: Addressed): boolean => Local.isServer(provider)

/** Whether the server is local: the deployment's `local` if set, else by vendor and address. */
export const isLocal = (deployment: Addressed): boolean => {
  const { local } = deployment.keys as { readonly local?: boolean }
  return local ?? Local.isLocal(deployment.provider, configured(deployment)?.url)
}

/** Why a deployment failed. */
interface Failure {
  readonly reason: { readonly _tag: ReasonTag }
  readonly status?: number | undefined
  readonly message: string
}

/** A message with the corrected address, when the path of the configured address is wrong; else `undefined`. */
export const correction = (
  deployment: Addressed,
  path: string,
  { message, reason, status }: Failure,
): string | undefined => {
  const address = configured(deployment)
  if (address === undefined || !URL.canParse(address.url)) return undefined
  // A server that knows the path names the model that it lacks.
  if (!maybeUnknownPath(status, reason._tag) || /\bmodel\b/i.test(message)) return undefined
  const url = new URL(address.url)
  const corrected = correctPath(deployment.provider, url.pathname)
  if (corrected === undefined || corrected === url.pathname.replace(/\/+$/, "")) return undefined
  return `the server at ${address.url} does not know the path of the API: set ${path}.${address.key} to ${url.origin}${corrected}`
}

/** Whether the failure may come from a path that the server does not know. */
const maybeUnknownPath = (status: number | undefined, reason: ReasonTag): boolean =>
  status === undefined ? reason === "Malformed" : [404, 405, 410, 415, 501].includes(status)

/** The path of a base address for the vendor's protocol; `undefined` where its form is not known. */
const correctPath = (provider: VendorName, path: string): string | undefined => {
  const bare = path
    .replace(/\/+$/, "")
    .replace(/\/(?:chat\/completions|completions|responses|messages|embeddings|models)$/, "")
  switch (provider) {
    case "anthropic":
      return bare.replace(/\/v1$/, "")
    case "gemini":
      return bare.replace(/\/v1(?:beta)?$/, "")
    default:
      if (provider !== "openai" && !isCompatible(provider)) return undefined
      return /\/v\d+\w*(?:\/|$)/.test(bare) ? bare : `${bare}/v1`
  }
}
