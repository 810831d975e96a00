/**
 * Tags as the tables keep them: a JSON list in a text.
 */
import * as Option from "effect/Option"
import * as Schema from "effect/Schema"
import type { SqlClient } from "effect/sql/SqlClient"
import type { Fragment } from "effect/sql/Statement"

const decode = Schema.decodeUnknownOption(Schema.fromJsonString(Schema.Array(Schema.String)))

/** The tags in a text. */
export const parse = (text: string): ReadonlyArray<string> => Option.getOrElse(decode(text), () => [])

/**
 * The condition that a call has this tag. A quote inside a tag is escaped in JSON, so that a quote after `[` or `,` begins a tag.
 */
export const has = (sql: SqlClient, tag: string): Fragment => {
  const quoted = JSON.stringify(tag)
  const contains = (text: string) =>
    sql.onDialectOrElse({
      pg: () => sql`strpos(tags, ${text}) > 0`,
      orElse: () => sql`instr(tags, ${text}) > 0`,
    })
  return tag === "" ? sql`tags = '[]'` : sql.or([contains(`[${quoted}`), contains(`,${quoted}`)])
}
