/**
 * The `state` section of a configuration: where circuits, limits, cooldowns and cached responses are kept. Default: in
 * memory.
 */
import { source } from "@understudy/providers/internal/config/Fields"
import * as Redacted from "effect/Redacted"
import * as Schema from "effect/Schema"

/** The address of a Redis, which may contain its password. */
const RedisAddress: Schema.Codec<Redacted.Redacted, string> = source({
  from: Schema.String,
  to: Schema.Redacted(Schema.String),
  expected: "a Redis address, such as redis://127.0.0.1:6379",
  notes: { secret: true },
  parse: (address) =>
    /^rediss?:\/\/[^/]/i.test(address.trim()) && URL.canParse(address.trim())
      ? Redacted.make(address.trim())
      : undefined,
  print: Redacted.value,
})

export const StateSection = Schema.Struct({ redis: Schema.optionalKey(RedisAddress) })

export type StateSettings = typeof StateSection.Type
