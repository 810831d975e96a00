/**
 * Sizes in a configuration: `512kb`, `20mb`, `1gb` (powers of 1000), `16mib` (powers of 1024).
 */
import * as ByteSize from "effect/ByteSize"
import * as Option from "effect/Option"
import * as Schema from "effect/Schema"
import { source } from "./Fields.ts"

/** The units, with Effect's names for them. */
const units: Readonly<Record<string, ByteSize.Unit>> = {
  b: "B",
  kb: "kB",
  mb: "MB",
  gb: "GB",
  kib: "KiB",
  mib: "MiB",
  gib: "GiB",
}

/** A size above 0. */
export const SizeText: Schema.Codec<ByteSize.ByteSize, string> = source({
  from: Schema.String,
  to: Schema.ByteSize,
  expected: "a size, such as 512kb, 20mb or 1gb",
  parse: (text) => {
    const [, amount, unit = ""] = /^(\d+(?:\.\d+)?)\s*([a-z]+)$/i.exec(text.trim()) ?? []
    const size = ByteSize.fromString(`${amount}${units[unit.toLowerCase()]}`)
    return Option.isSome(size) && !ByteSize.isZero(size.value) ? size.value : undefined
  },
  print: (size) => `${size}b`,
})
