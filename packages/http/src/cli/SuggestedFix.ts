/**
 * The likely fix for a deployment that failed, by the reason of the failure, and by whether its server is a vendor's or the
 * operator's.
 */
import type { Reason } from "@understudy/core/ProviderError"
import { vendors } from "@understudy/providers/internal/Catalog"
import type { Settings } from "@understudy/providers/Config"
import * as Address from "@understudy/providers/internal/config/Address"
import { keyPath, shownAddress } from "@understudy/providers/internal/config/ConfigError"

/** The failure of a deployment. */
export interface Failure {
  readonly reason: Reason
  readonly status?: number | undefined
  readonly message: string
  /** Which of the deployment's `apiKeys` was used, as a path below the deployment. */
  readonly key?: string | undefined
}

/** The likely fix, for the author of the configuration. */
export const suggestedFix = (name: string, settings: Settings, failure: Failure): string => {
  const deployment = settings.deployments[name]
  const path = keyPath("deployments", name)
  if (deployment === undefined) return `check ${path}`
  const vendor = vendors[deployment.provider]
  const { reason } = failure
  switch (reason._tag) {
    case "Authentication":
      return `check ${credentials(name, settings, failure.key)}`
    case "Permission":
      return `this account has no access to ${deployment.model}${where(deployment)}: request access, or check ${credentials(name, settings, failure.key)}; ${vendor.models}`
    case "ModelNotFound":
      return (
        Address.correction(deployment, path, failure) ??
        `${deployment.model} is misspelled, retired, or not available${where(deployment)}: check ${path}.model; ${vendor.models}`
      )
    case "QuotaExhausted":
      return "the credit or quota of the account is used up: check its billing and its limits"
    case "RateLimited":
      return "the rate limit of the account is exceeded: wait, or request a higher limit from the vendor"
    case "Overloaded":
    case "ServerError":
      return serverErrorFix(deployment, path, failure)
    case "Network":
      return `no server answers at ${address(deployment, path)}: check the address, the server, DNS, proxy and firewall`
    case "Malformed":
      return (
        Address.correction(deployment, path, failure) ??
        `the server at ${address(deployment, path)} does not use this protocol: check the address, which often ends in /v1`
      )
    case "Timeout":
      return reason.phase === "connect"
        ? `no connection to ${address(deployment, path)}: check the address and the firewall, or raise ${path}.timeout.connect`
        : `no response in time${Address.isOwn(deployment) ? "; the server may be loading its model" : ""}: try again, or raise ${path}.timeout.attempt`
    case "LocalError":
      return "this machine lacks a resource, so the deployment was not called: check open files (ulimit -n), ports and memory"
    case "NotAccepted":
    case "ContextWindowExceeded":
    case "ContentPolicy":
    case "InvalidRequest":
    case "Unsupported":
      return (
        Address.correction(deployment, path, failure) ??
        `the deployment rejects a simple prompt: check that ${deployment.model} is a chat model`
      )
  }
}

type Deployment = Settings["deployments"][string]

/** Where the credentials in use come from: environment variables, else configuration keys, else the default variables. */
const credentials = (name: string, { deployments, variables }: Settings, apiKey: string | undefined): string => {
  const deployment = deployments[name]
  if (deployment === undefined) return "its credentials"
  const known = vendors[deployment.provider].credentials
  const given = apiKey === undefined ? known.keys.filter((key) => Object.hasOwn(deployment.keys, key)) : [apiKey]
  if (given.length === 0 && Address.configured(deployment)?.key === "baseUrl") {
    return `${keyPath(keyPath("deployments", name), known.keys[0] ?? "apiKey")}: this server requires a key, and no other key is sent to a baseUrl`
  }
  if (given.length === 0) {
    return known.variables.length === 0
      ? keyPath(keyPath("deployments", name), known.keys[0] ?? "its keys")
      : `${known.variables.join(", ")} in the environment or .env`
  }
  return given
    .map((key) => {
      const path = `${keyPath("deployments", name)}.${key}`
      const names = variables.get(path) ?? []
      return names.length === 0 ? path : `${names.join(", ")}, which is ${path}`
    })
    .join("; ")
}

const where = ({ keys }: Deployment): string => {
  if ("location" in keys && keys.location !== undefined) return ` in ${keys.location}`
  return "region" in keys && keys.region !== undefined ? ` in ${keys.region}` : ""
}

const address = (deployment: Deployment, path: string): string => {
  const named = Address.configured(deployment)
  if (named !== undefined) return `${shownAddress(named.url)} (${path}.${named.key})`
  return Address.of(deployment) ?? `the address of ${deployment.provider}`
}

/** The fix for a server error: the vendor's status page, or the log of the operator's server. */
const serverErrorFix = (deployment: Deployment, path: string, { message }: Failure): string => {
  const { provider } = deployment
  if (provider === "simulated") return `this simulated deployment is configured to fail: check ${path}`
  if (Address.isOwn(deployment)) {
    const server = address(deployment, path)
    return loading.test(message)
      ? `the server at ${server} is loading its model: wait until it is ready, and check again`
      : `the server at ${server} failed: check its log, and whether it has enough memory for its model`
  }
  const { statusPage } = vendors[provider]
  return `the vendor's server failed: try again later${statusPage === undefined ? "" : `, or check its status page, ${statusPage}`}`
}

/** Messages of a 503 from llama.cpp, vLLM and others. */
const loading = /\b(?:loading|starting|warming up|not ready)\b/i
