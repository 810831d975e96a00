/**
 * Where a provider sends its requests, for traces and metrics: the vendor by OpenTelemetry's name, and the server.
 */
import type { Origin } from "@understudy/core/Provider"

/** The well-known values of `gen_ai.provider.name` that differ from our names. */
const names: Readonly<Record<string, string>> = {
  azure: "azure.ai.openai",
  bedrock: "aws.bedrock",
  gemini: "gcp.gemini",
  mistral: "mistral_ai",
  vertex: "gcp.vertex_ai",
  xai: "x_ai",
}

/** The origin of a vendor's provider at this address; without the server if the address is no URL. */
export const of = (vendor: string, address: string): Origin => {
  const name = names[vendor] ?? vendor
  if (!URL.canParse(address)) return { name }
  const { hostname, port, protocol } = new URL(address)
  return { name, address: hostname.replace(/^\[|\]$/g, ""), port: Number(port) || (protocol === "http:" ? 80 : 443) }
}
