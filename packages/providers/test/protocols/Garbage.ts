/** Invalid streams: a valid stream of each protocol with random fields dropped and replaced. */
import * as Arbitrary from "effect/Arbitrary"
import * as Schema from "effect/Schema"

export type Event = Readonly<Record<string, unknown>>

/** Stands for a number that JSON can contain and JavaScript cannot. */
const huge = "@huge@"

const odd = [
  undefined,
  null,
  huge,
  -1,
  0.5,
  1e9,
  2 ** 53,
  "",
  "in_progress",
  'a\r\n\r\ndata: {"\u2028\ud800',
  true,
  [],
  [null],
  {},
  { type: "message", text: 1 },
  { type: "url_citation", url: "https://a.example" },
]

interface Change {
  readonly event: number
  readonly field: number
  readonly value: number
}

const nat = (below: number) => Schema.Int.check(Schema.isBetween({ minimum: 0, maximum: below - 1 }))

const Changes = Schema.Array(Schema.Struct({ event: nat(64), field: nat(64), value: nat(odd.length) }))

/** A stream's events as text, some corrupted, some left out. */
export const texts = (events: ReadonlyArray<Event>): Arbitrary.Arbitrary<ReadonlyArray<string>> =>
  Arbitrary.map(
    Arbitrary.all([
      Arbitrary.schema(Changes),
      Arbitrary.schema(Schema.Array(nat(64))),
      Arbitrary.schema(Schema.Boolean),
    ]),
    ([changes, without, whole]) => {
      const garbled = structuredClone(events) as Array<Record<string, unknown>>
      for (const change of changes) garble(garbled[change.event % garbled.length]!, change)
      return garbled
        .filter((_, index) => whole || !without.includes(index))
        .map((event) => JSON.stringify(event).replaceAll(`"${huge}"`, "1e999"))
    },
  )

type Place = readonly [holder: Record<string, unknown>, name: string]

const places = (value: unknown): ReadonlyArray<Place> =>
  typeof value !== "object" || value === null
    ? []
    : Object.entries(value).flatMap(([name, inner]) => [
        [value as Record<string, unknown>, name] as const,
        ...places(inner),
      ])

const garble = (event: Record<string, unknown>, { field, value }: Change): void => {
  const all = places(event)
  const place = all[field % all.length]
  if (place === undefined) return
  const [holder, name] = place
  const put = odd[value]
  if (put === undefined && !Array.isArray(holder)) delete holder[name]
  else holder[name] = structuredClone(put)
}
