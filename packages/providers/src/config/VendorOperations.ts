/**
 * The operations besides chat and embeddings that vendors have: which of them a deployment may list, and which are likely to fail.
 */
import type { Name } from "@understudy/core/Operation"
import type { VendorName } from "../Catalog.ts"
import { vendors } from "../Catalog.ts"
import * as Compatible from "../openai/Compatible.ts"
import type { Addressed } from "./Address.ts"
import * as Address from "./Address.ts"

const none: ReadonlySet<Name> = new Set()

/** The operations that the vendor is known to have. */
export const of = (provider: VendorName): ReadonlySet<Name> => vendors[provider].operations ?? none

/** Those that the deployment's server is known to have; `undefined` for a server that is not a vendor's, which may have any. */
export const known = (deployment: Addressed): ReadonlySet<Name> | undefined => {
  if (Address.isOwn(deployment)) return undefined
  const url = deployment.provider === "openai" ? Address.configured(deployment)?.url : undefined
  return url === undefined ? of(deployment.provider) : Compatible.at(url).operations
}

/** The problem of listed operations that the vendor's provider cannot send: their calls would always skip the deployment. */
export const problem = (provider: VendorName, listed: ReadonlyArray<Name>): string | undefined => {
  const own = of(provider)
  const others = vendors[provider].anyOperation === true ? [] : listed.filter((each) => !own.has(each))
  if (others.length === 0) return undefined
  return own.size === 0
    ? `${provider} has none of these operations: remove the key`
    : `${provider} has only ${[...own].join(", ")}: remove ${others.join(", ")}`
}
