/**
 * What would probably mend a deployment that failed, by why it failed and who its vendor is.
 */
import type { Reason } from "@understudy/core/ProviderError"
import { vendors } from "@understudy/providers/Catalog"
import type { Settings } from "@understudy/providers/Config"
import { at } from "@understudy/providers/config/Problem"

/** The likely fix, for whoever wrote the configuration. */
export const remedy = (name: string, settings: Settings, reason: Reason): string => {
  const deployment = settings.deployments[name]
  const path = at("deployments", name)
  if (deployment === undefined) return `look at ${path}`
  const vendor = vendors[deployment.provider]
  switch (reason._tag) {
    case "Authentication":
      return `check ${credentials(name, settings)}`
    case "Permission":
      return `this account may not use ${deployment.model}${where(deployment)}: ask for access to it, or check ${credentials(name, settings)}; ${vendor.models}`
    case "ModelNotFound":
      return `${deployment.model} is misspelt, retired, or not offered${where(deployment)}: check ${path}.model; ${vendor.models}`
    case "QuotaExhausted":
      return "the account's credit or quota is used up: look at its billing and its limits"
    case "RateLimited":
      return "it would answer, but has too many calls just now: wait, or ask the vendor for a higher limit"
    case "Overloaded":
    case "ServerError":
      return "the fault is the vendor's: try again later, and look at its status page"
    case "Network":
      return `nothing answers at ${address(deployment, path)}: check the address, that it is up, DNS, proxy and firewall`
    case "Malformed":
      return `what answers at ${address(deployment, path)} does not speak this protocol: check the address, which often ends in /v1`
    case "Timeout":
      return reason.phase === "connect"
        ? `no connection to ${address(deployment, path)}: check the address and the firewall, or raise ${path}.timeout.connect`
        : `it was silent for too long: try again, or raise ${path}.timeout.attempt`
    case "ContextWindowExceeded":
    case "ContentPolicy":
    case "InvalidRequest":
    case "Unsupported":
      return `it answers, but refuses a plain question: check that ${deployment.model} is a chat model`
  }
}

type Deployment = Settings["deployments"][string]

/** The credentials in use: the variables they come from, else the keys that hold them, else where they are looked for. */
const credentials = (name: string, { deployments, variables }: Settings): string => {
  const deployment = deployments[name]
  if (deployment === undefined) return "its credentials"
  const known = vendors[deployment.provider].credentials
  const given = known.keys.filter((key) => Object.hasOwn(deployment.keys, key))
  if (given.length === 0) {
    return known.variables.length === 0 ? "its keys" : `${known.variables.join(", ")} in the environment or .env`
  }
  return given
    .map((key) => {
      const path = at(at("deployments", name), key)
      const names = variables.get(path) ?? []
      return names.length === 0 ? path : `${names.join(", ")}, which is ${path}`
    })
    .join("; ")
}

const where = ({ keys }: Deployment): string =>
  "region" in keys && keys.region !== undefined ? ` in ${keys.region}` : ""

const address = ({ keys, provider }: Deployment, path: string): string => {
  if ("baseUrl" in keys && keys.baseUrl !== undefined) return `${keys.baseUrl} (${path}.baseUrl)`
  if ("endpoint" in keys && keys.endpoint !== undefined) return `${keys.endpoint} (${path}.endpoint)`
  return `the address of ${provider}`
}
