/**
 * LiteLLM's callbacks: `otel` is the export of traces over OTLP. Others are reported by name.
 *
 * Sources: docs.litellm.ai, "OpenTelemetry", "Logging".
 */
import type { Document, ImportReader } from "../ImportReader.ts"
import { compact, isAddress } from "../ImportReader.ts"

const lists = ["callbacks", "success_callback", "failure_callback"] as const

/** What the gateway does itself. */
const inert = new Set(["prometheus", "prometheus_system"])

/** The `telemetry` of the `otel` callback. `variables`: those that the document sets. */
export const telemetry = (settings: ReadonlyArray<ImportReader>, variables: Document): Document | undefined => {
  let exports = false
  for (const place of settings) {
    for (const key of lists) {
      const names = place.list(key).map(String)
      if (names.includes("otel")) exports = true
      for (const name of names.filter((each) => each !== "otel" && !inert.has(each))) {
        place.warn(
          key,
          `${name} is not called: receipts are in the usage log, the ledger and OpenTelemetry`,
          groupOf(name),
        )
      }
    }
    const otel = place.mapping("callback_settings").mapping("otel")
    if (otel.flag("message_logging") === false) otel.take("message_logging")
    otel.warnUnread()
  }
  if (!exports) return undefined
  const text = (...names: ReadonlyArray<string>): string | undefined =>
    names.map((name) => variables[name]).find((value): value is string => typeof value === "string")
  const endpoint = text("OTEL_EXPORTER_OTLP_ENDPOINT", "OTEL_ENDPOINT")?.replace(/\/v1\/traces\/?$/, "")
  const headers = text("OTEL_EXPORTER_OTLP_HEADERS", "OTEL_HEADERS")
  const exporter = text("OTEL_EXPORTER_OTLP_PROTOCOL", "OTEL_EXPORTER")
  const place = settings.find((each) => lists.some((key) => each.has(key)))
  if (exporter === "grpc" || exporter === "otlp_grpc") {
    place?.warn("callbacks", "otel: traces are exported over HTTP, not gRPC: set `telemetry.otlp.endpoint`", "harmless")
    return undefined
  }
  if (exporter === "console" || endpoint === undefined || !isAddress(endpoint)) {
    place?.warn(
      "callbacks",
      "otel: traces are exported where OTEL_EXPORTER_OTLP_ENDPOINT says; OTEL_ENDPOINT is not read",
      "harmless",
    )
    return undefined
  }
  return {
    otlp: compact({ endpoint, headers: headers === undefined ? undefined : headersOf(headers) }),
    ...compact({ service: text("OTEL_SERVICE_NAME") }),
  }
}

/** A callback that decides about calls is not one that only logs them. */
const groupOf = (name: string): "safety" | "harmless" =>
  /guard|moderation|presidio|lakera|detect|hide_secrets|limiter|banned|blocked|parallel/i.test(name)
    ? "safety"
    : "harmless"

/** `a=1,b=2` */
const headersOf = (text: string): Document =>
  Object.fromEntries(
    text.split(",").flatMap((each): ReadonlyArray<readonly [string, string]> => {
      const at = each.indexOf("=")
      return at <= 0 ? [] : [[each.slice(0, at).trim(), each.slice(at + 1).trim()]]
    }),
  )
