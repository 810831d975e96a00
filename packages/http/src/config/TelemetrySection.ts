/**
 * The `telemetry` section of a configuration: where traces and metrics are exported. Without it, and without OpenTelemetry's
 * environment variables, nothing is.
 */
import { PositiveDuration } from "@understudy/providers/internal/config/DurationText"
import { address, flag, hidden, number, text, word } from "@understudy/providers/internal/config/Fields"
import * as Schema from "effect/Schema"

/** The encodings of OTLP over HTTP. */
export const protocols = ["http/protobuf", "http/json"] as const
export type Protocol = (typeof protocols)[number]

const optional = Schema.optionalKey

export const TelemetrySection = Schema.Struct({
  otlp: optional(
    Schema.Struct({
      endpoint: address("http://127.0.0.1:4318"),
      headers: optional(Schema.Record(Schema.String, hidden("the value of a header"))),
      protocol: optional(word(protocols)),
      compression: optional(word(["gzip", "none"])),
      timeout: optional(PositiveDuration),
    }),
  ),
  service: optional(text("the name of the service, such as understudy")),
  attributes: optional(Schema.Record(Schema.String, text("the value of an attribute"))),
  sampling: optional(number("a number from 0 to 1", (ratio) => ratio >= 0 && ratio <= 1)),
  content: optional(flag),
  traces: optional(flag),
  metrics: optional(flag),
  metricsInterval: optional(PositiveDuration),
})
