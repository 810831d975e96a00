import { assert, describe, it } from "@effect/vitest"
import * as Chat from "@understudy/core/Chat"
import * as JsonSchemaSample from "@understudy/providers/internal/simulated/JsonSchemaSample"
import * as Prompt from "@understudy/providers/internal/simulated/Prompt"
import * as Schema from "effect/Schema"

const prompt = Prompt.read([Chat.user('Book 2 seats to New York, called "Trip 7", for 19.5 dollars')])

const make = (schema: Record<string, unknown>) => JsonSchemaSample.make(schema, prompt)

describe("make", () => {
  it.each<readonly [schema: Record<string, unknown>, instance: unknown]>([
    [{ type: "string" }, "Trip 7"],
    [{ type: "string", maxLength: 4 }, "Trip"],
    [{ type: "string", minLength: 8 }, "Trip 7.."],
    [{ type: "string", format: "date" }, "2026-01-01"],
    [{ type: "string", pattern: "^a+$", examples: ["aaa"] }, "aaa"],
    [{ type: "string", pattern: "^a+$", default: "a" }, "a"],
    [{ type: ["null", "integer"] }, 2],
    [{ type: "integer", minimum: 5 }, 7],
    [{ type: "integer", minimum: 20 }, 20],
    [{ type: "integer", exclusiveMinimum: 20, multipleOf: 6 }, 24],
    [{ type: "integer", maximum: -3 }, -3],
    [{ type: "integer", exclusiveMaximum: -3 }, -4],
    [{ type: "number", exclusiveMinimum: 0, exclusiveMaximum: 1 }, 0.5],
    [{ type: "number", minimum: 10 }, 19.5],
    [{ type: "boolean" }, true],
    [{ type: "null" }, null],
    [{ const: 0 }, 0],
    [{ enum: ["b", "a"], type: "string" }, "b"],
    [{}, "Trip 7"],
    [{ type: "array", items: { type: "integer" } }, []],
    [{ type: "array", items: { enum: ["x", "y"] }, minItems: 2, uniqueItems: true }, ["x", "y"]],
    [{ prefixItems: [{ const: 1 }, { const: "two" }], minItems: 2 }, [1, "two"]],
    [{ properties: { a: { const: 1 }, b: { const: 2 } } }, {}],
    [{ properties: { a: { const: 1 }, b: { const: 2 } }, minProperties: 1 }, { a: 1 }],
    [{ type: "object", required: ["free"] }, { free: "Trip 7" }],
    [{ anyOf: [{ type: "null" }, { type: "integer" }] }, 2],
    [{ oneOf: [{ const: "first" }, { const: "second" }] }, "first"],
    [
      {
        allOf: [
          { type: "object", properties: { a: { const: 1 } }, required: ["a"] },
          { properties: { b: { const: 2 } }, required: ["b"] },
        ],
      },
      { a: 1, b: 2 },
    ],
    [{ $ref: "#/$defs/a~1b", $defs: { "a/b": { const: "there" } } }, "there"],
    [{ $ref: "https://example.com/elsewhere" }, "Trip 7"],
  ])("of %j", (schema, instance) => {
    assert.deepStrictEqual(make(schema), instance)
  })

  it("takes the whole question where words are wanted", () => {
    const schema = { properties: { query: { type: "string" } }, required: ["query"] }
    assert.deepStrictEqual(make(schema), { query: prompt.text })
  })

  it("comes to an end in a schema that contains itself", () => {
    const tree = {
      $ref: "#/$defs/node",
      $defs: {
        node: {
          type: "object",
          properties: { left: { $ref: "#/$defs/child" }, right: { $ref: "#/$defs/child" } },
          required: ["left", "right"],
        },
        child: { anyOf: [{ $ref: "#/$defs/node" }, { type: "null" }] },
      },
    }
    assert.isTrue(JSON.stringify(make(tree)).length < 2_000)
    assert.isTrue(JSON.stringify(make({ type: "array", minItems: 1e9, items: { type: "string" } })).length < 100_000)
    assert.isNull(make({ $ref: "#" }))
    assert.isNull(make({ allOf: [{ $ref: "#" }, { $ref: "#" }] }))
    const endless = { type: "object", properties: { a: { $ref: "#" }, b: { $ref: "#" } }, required: ["a", "b"] }
    assert.isTrue(JSON.stringify(make(endless)).length < 100_000)
  })

  class Leaf extends Schema.Class<Leaf>("Leaf")({ id: Schema.Int, at: Schema.String }) {}
  interface Category {
    readonly name: string
    readonly parent: Category | null
    readonly children: ReadonlyArray<Category>
  }
  const Category = Schema.Struct({
    name: Schema.NonEmptyString,
    parent: Schema.NullOr(Schema.suspend((): Schema.Codec<Category> => Category)),
    children: Schema.Array(Schema.suspend((): Schema.Codec<Category> => Category)),
  })

  it.each<readonly [name: string, schema: Schema.Codec<unknown, unknown>]>([
    ["a record", Schema.Struct({ a: Schema.String, b: Schema.optionalKey(Schema.Finite), c: Schema.Boolean })],
    ["bounds", Schema.Struct({ n: Schema.Int.check(Schema.isBetween({ minimum: 30, maximum: 31 })) })],
    ["unions", Schema.Union([Schema.Struct({ kind: Schema.Literal("a"), x: Schema.Int }), Schema.String])],
    ["literals", Schema.Literals(["yes", "no"])],
    ["tuples", Schema.Tuple([Schema.String, Schema.Finite, Schema.Null])],
    ["non-empty arrays", Schema.NonEmptyArray(Schema.Struct({ leaf: Leaf }))],
    ["recursion", Category],
  ])("is allowed by what it was made for: %s", (_, schema) => {
    const { definitions, schema: own } = Schema.toJsonSchemaDocument(schema)
    const instance = make({ ...own, $defs: definitions })
    assert.doesNotThrow(() => Schema.decodeUnknownSync(schema)(instance), JSON.stringify(instance))
  })
})
