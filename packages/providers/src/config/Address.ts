/**
 * Where a deployment is asked: at its vendor's address or at one that the configuration names, and what is wrong with that.
 */
import type { ReasonTag } from "@understudy/core/ProviderError"
import * as Predicate from "effect/Predicate"
import type { VendorName } from "../Catalog.ts"
import * as Local from "../Local.ts"
import * as Compatible from "../openai/Compatible.ts"

/** What a deployment's address depends on. */
export interface Addressed {
  readonly provider: VendorName
  readonly keys: object
}

const isCompatible = (provider: string): provider is Compatible.Name => Object.hasOwn(Compatible.vendors, provider)

/** The key that names a deployment's address, and the address. */
export const named = ({ keys }: Addressed): { readonly key: string; readonly url: string } | undefined => {
  for (const key of ["baseUrl", "endpoint"] as const) {
    const url = (keys as Readonly<Record<string, unknown>>)[key]
    if (Predicate.isString(url)) return { key, url }
  }
  return undefined
}

/** The address: the one that is named, else the vendor's, where it is known here. */
export const of = (deployment: Addressed): string | undefined => {
  const { provider } = deployment
  return named(deployment)?.url ?? (isCompatible(provider) ? Compatible.vendors[provider].baseUrl : undefined)
}

/** Whether the server is not a vendor's that is known here: a self-hosted one, or at an address that the document names. */
export const isOwn = (deployment: Addressed): boolean => {
  const address = named(deployment)
  if (address === undefined) return isSelfHosted(deployment)
  return address.key === "baseUrl" && !(URL.canParse(address.url) && vendorHosts.has(new URL(address.url).host))
}

const vendorHosts: ReadonlySet<string> = new Set([
  "api.openai.com",
  "api.anthropic.com",
  "generativelanguage.googleapis.com",
  ...Object.values<Compatible.Vendor>(Compatible.vendors).flatMap(({ baseUrl, variable }) =>
    variable === undefined ? [] : [new URL(baseUrl).host],
  ),
])

const isSelfHosted = ({ provider }: Addressed): boolean => Local.isServer(provider)

/** Whether a deployment's server is local: as its `local` says, else by its vendor and its address. */
export const isLocal = (deployment: Addressed): boolean => {
  const { local } = deployment.keys as { readonly local?: boolean }
  return local ?? Local.isLocal(deployment.provider, named(deployment)?.url)
}

/** Why a deployment failed. */
interface Failure {
  readonly reason: { readonly _tag: ReasonTag }
  readonly status?: number | undefined
  readonly message: string
}

/** How to write the address of a deployment whose server knows no such path; nothing where the path is not at fault. */
export const mended = (
  deployment: Addressed,
  path: string,
  { message, reason, status }: Failure,
): string | undefined => {
  const address = named(deployment)
  if (address === undefined || !URL.canParse(address.url)) return undefined
  // A server that knows the path says which model it lacks.
  if (!unknown(status, reason._tag) || /\bmodel\b/i.test(message)) return undefined
  const url = new URL(address.url)
  const better = fit(deployment.provider, url.pathname)
  if (better === undefined || better === url.pathname.replace(/\/+$/, "")) return undefined
  return `there is no such path at ${address.url}: set ${path}.${address.key} to ${url.origin}${better}`
}

/** Whether a server may have answered so for it does not know the path. */
const unknown = (status: number | undefined, reason: ReasonTag): boolean =>
  status === undefined ? reason === "Malformed" : [404, 405, 410, 415, 501].includes(status)

/** The path that an address of the vendor's protocol ends in. */
const fit = (provider: VendorName, path: string): string | undefined => {
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
