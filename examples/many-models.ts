/** One question sent to many models at once, with a JSON schema for the answer. */
import { Console, Effect } from "effect"
import * as Assistant from "./collection/Assistant.ts"
import * as Models from "./collection/Models.ts"
import * as Stage from "./stage/Stage.ts"

const question = "Alice and Bob are going to a science fair on Friday, and to a play on Sunday. List the events."

const format = {
  type: "json-schema",
  name: "events",
  strict: true,
  schema: {
    type: "object",
    properties: {
      events: {
        type: "array",
        items: {
          type: "object",
          properties: {
            name: { type: "string" },
            date: { type: "string" },
            participants: { type: "array", items: { type: "string" } },
          },
          required: ["name", "date", "participants"],
          additionalProperties: false,
        },
      },
    },
    required: ["events"],
    additionalProperties: false,
  },
} as const

interface Events {
  readonly events: ReadonlyArray<{
    readonly name: string
    readonly date: string
    readonly participants: ReadonlyArray<string>
  }>
}

const offline: Events = {
  events: [
    { name: "Science fair", date: "Friday", participants: ["Alice", "Bob"] },
    { name: "Play", date: "Sunday", participants: ["Alice", "Bob"] },
  ],
}

const program = Effect.gen(function* () {
  const stage = yield* Stage.make
  for (const { model } of Object.values(Models.multiProvider)) {
    yield* stage.plays(model, [Stage.says(JSON.stringify(offline))])
  }
  yield* Effect.provide(
    Effect.forEach(
      Object.keys(Models.multiProvider),
      (primaryModel) =>
        Effect.gen(function* () {
          const [provider, text] = yield* Assistant.ask(Models.multiProvider, {
            question,
            primaryModel,
            format,
            maxTokens: 500,
          })
          const { events } = JSON.parse(text) as Events
          const told = events.map(({ date, name, participants }) => `${name} (${date}: ${participants.join(", ")})`)
          yield* Console.log(`${primaryModel.padEnd(28)} ${provider.padEnd(54)} ${told.join("; ")}`)
        }),
      { concurrency: "unbounded" },
    ),
    Assistant.layer(stage, Models.multiProvider, Models.multiProviderFallbacks),
  )
})

await Effect.runPromise(Effect.scoped(program))
