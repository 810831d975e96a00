/**
 * `understudy reload`: has a running gateway read its configuration again.
 */
import * as Effect from "effect/Effect"
import * as HttpClientResponse from "effect/http/HttpClientResponse"
import * as Schema from "effect/Schema"
import * as Client from "./AdminClient.ts"
import type { Common } from "./Output.ts"
import * as Output from "./Output.ts"

const Reloaded = Schema.Struct({
  changes: Schema.Array(
    Schema.Struct({
      kind: Schema.String,
      name: Schema.String,
      change: Schema.String,
      fields: Schema.Array(Schema.String),
    }),
  ),
  restart: Schema.Array(Schema.String),
})

export const reload = Effect.fnUntraced(function* (input: Common) {
  const client = yield* Client.requests(input.url)
  const replied = Effect.flatMap(client.post("/admin/reload"), (response) =>
    Effect.map(HttpClientResponse.schemaBodyJson(Reloaded)(response), (value) => [value, response] as const),
  )
  const reply = yield* Client.reply(Effect.map(replied, ([value, response]) => [value, response]))
  yield* Output.show(reply, input, ({ changes, restart }) => [
    changes.length === 0 ? "Nothing has changed." : "Reloaded:",
    ...changes.map(
      ({ change, fields, kind, name }) =>
        `  ${kind === name ? kind : `${kind} ${name}`} ${change}${fields.length === 0 ? "" : `: ${fields.join(", ")}`}`,
    ),
    ...(restart.length === 0 ? [] : [`In force only after a restart: ${restart.join(", ")}`]),
  ])
})
