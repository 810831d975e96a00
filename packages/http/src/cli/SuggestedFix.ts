/**
 * What would probably mend a deployment that failed, by why it failed, and whether it is a vendor's own or a server of the
 * operator's.
 */
import type { Reason } from "@understudy/core/ProviderError"
import { vendors } from "@understudy/providers/internal/Catalog"
import type { Settings } from "@understudy/providers/Config"
import * as Address from "@understudy/providers/internal/config/Address"
import { keyPath, shownAddress } from "@understudy/providers/internal/config/ConfigError"

/** Why a deployment failed: the reason, and what came with it. */
export interface Failure {
  readonly reason: Reason
  readonly status?: number | undefined
  readonly message: string
}

/** The likely fix, for whoever wrote the configuration. */
export const remedy = (name: string, settings: Settings, failure: Failure): string => {
  const deployment = settings.deployments[name]
  const path = keyPath("deployments", name)
  if (deployment === undefined) return `look at ${path}`
  const vendor = vendors[deployment.provider]
  const { reason } = failure
  switch (reason._tag) {
    case "Authentication":
      return `check ${credentials(name, settings)}`
    case "Permission":
      return `this account may not use ${deployment.model}${where(deployment)}: ask for access to it, or check ${credentials(name, settings)}; ${vendor.models}`
    case "ModelNotFound":
      return (
        Address.correction(deployment, path, failure) ??
        `${deployment.model} is misspelt, retired, or not offered${where(deployment)}: check ${path}.model; ${vendor.models}`
      )
    case "QuotaExhausted":
      return "the account's credit or quota is used up: look at its billing and its limits"
    case "RateLimited":
      return "it would answer, but has too many calls just now: wait, or ask the vendor for a higher limit"
    case "Overloaded":
    case "ServerError":
      return troubled(deployment, path, failure)
    case "Network":
      return `nothing answers at ${address(deployment, path)}: check the address, that it is up, DNS, proxy and firewall`
    case "Malformed":
      return (
        Address.correction(deployment, path, failure) ??
        `what answers at ${address(deployment, path)} does not speak this protocol: check the address, which often ends in /v1`
      )
    case "Timeout":
      return reason.phase === "connect"
        ? `no connection to ${address(deployment, path)}: check the address and the firewall, or raise ${path}.timeout.connect`
        : `it was silent for too long${Address.isOwn(deployment) ? ", as a server is that loads its model" : ""}: try again, or raise ${path}.timeout.attempt`
    case "LocalError":
      return "this machine lacks something, and the deployment was not asked: look at its open files (ulimit -n), ports and memory"
    case "ContextWindowExceeded":
    case "ContentPolicy":
    case "InvalidRequest":
    case "Unsupported":
      return (
        Address.correction(deployment, path, failure) ??
        `it answers, but refuses a plain question: check that ${deployment.model} is a chat model`
      )
  }
}

type Deployment = Settings["deployments"][string]

/** The credentials in use: the variables they come from, else the keys that hold them, else where they are looked for. */
const credentials = (name: string, { deployments, variables }: Settings): string => {
  const deployment = deployments[name]
  if (deployment === undefined) return "its credentials"
  const known = vendors[deployment.provider].credentials
  const given = known.keys.filter((key) => Object.hasOwn(deployment.keys, key))
  if (given.length === 0 && Address.configured(deployment)?.key === "baseUrl") {
    return `${keyPath(keyPath("deployments", name), "apiKey")}: a server at a baseUrl is sent no other key, and this one asks for one`
  }
  if (given.length === 0) {
    return known.variables.length === 0
      ? keyPath(keyPath("deployments", name), known.keys[0] ?? "its keys")
      : `${known.variables.join(", ")} in the environment or .env`
  }
  return given
    .map((key) => {
      const path = keyPath(keyPath("deployments", name), key)
      const names = variables.get(path) ?? []
      return names.length === 0 ? path : `${names.join(", ")}, which is ${path}`
    })
    .join("; ")
}

const where = ({ keys }: Deployment): string =>
  "region" in keys && keys.region !== undefined ? ` in ${keys.region}` : ""

const address = (deployment: Deployment, path: string): string => {
  const named = Address.configured(deployment)
  if (named !== undefined) return `${shownAddress(named.url)} (${path}.${named.key})`
  return Address.of(deployment) ?? `the address of ${deployment.provider}`
}

/** What helps against a server's own trouble: its status page, or a look at the server itself. */
const troubled = (deployment: Deployment, path: string, { message }: Failure): string => {
  const { provider } = deployment
  if (provider === "simulated") return `it fails as it is told to: look at ${path}`
  if (Address.isOwn(deployment)) {
    const server = address(deployment, path)
    return loading.test(message)
      ? `the server at ${server} is still loading its model: wait until it is ready, and check again`
      : `the fault is the vendor's, here the server at ${server}: look at its log, and whether it has memory enough for its model`
  }
  const { statusPage } = vendors[provider]
  return `the fault is the vendor's: try again later${statusPage === undefined ? "" : `, and look at its status page, ${statusPage}`}`
}

/** As llama.cpp, vLLM and others say it under a 503. */
const loading = /\b(?:loading|starting|warming up|not ready)\b/i
