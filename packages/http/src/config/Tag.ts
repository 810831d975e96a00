/** A tag of calls, as configurations and the API write it. The header `x-understudy-tags` separates tags by commas. */
import { source } from "@understudy/providers/internal/config/Fields"
import * as Schema from "effect/Schema"

/** Decodes to the tag without spaces around it. */
export const Tag = source({
  from: Schema.String,
  to: Schema.String,
  expected: "a tag without commas",
  notes: { quotable: true },
  parse: (tag) => (tag.trim() === "" || tag.includes(",") ? undefined : tag.trim()),
  print: (tag) => tag,
})
