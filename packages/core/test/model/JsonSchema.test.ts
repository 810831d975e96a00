import { assert, describe, it } from "@effect/vitest"
import * as JsonSchema from "../../src/model/JsonSchema.ts"

/** A schema, values that fit it, and values that miss it. */
type Row = readonly [schema: unknown, fits: ReadonlyArray<unknown>, misses: ReadonlyArray<unknown>]

const tree = {
  type: "object",
  properties: { value: { type: "number" }, next: { anyOf: [{ $ref: "#/$defs/tree" }, { type: "null" }] } },
  required: ["value", "next"],
  additionalProperties: false,
}

const rows: Readonly<Record<string, Row>> = {
  types: [{ type: ["string", "null"] }, ["a", null], [1, true, [], {}]],
  objects: [{ type: "object" }, [{}], [[], null, "a"]],
  arrays: [{ type: "array" }, [[]], [{}]],
  integers: [{ type: "integer" }, [1, 1.0, 1e20, -3], [1.5, "1"]],
  booleans: [{ type: "boolean" }, [true], ["true", 0]],
  "closed objects": [
    { type: "object", properties: { a: { type: "string" } }, required: ["a"], additionalProperties: false },
    [{ a: "x" }],
    [{}, { a: 1 }, { a: "x", b: 1 }],
  ],
  "open objects": [{ type: "object", properties: { a: { type: "string" } } }, [{}, { b: 1 }], [{ a: 1 }]],
  maps: [{ type: "object", additionalProperties: { type: "number" } }, [{}, { a: 1 }], [{ a: "x" }]],
  "names of every object": [{ type: "object", required: ["toString"] }, [{ toString: 1 }], [{}]],
  enums: [{ enum: ["a", 1, null, { b: [2] }] }, ["a", 1, null, { b: [2] }], ["b", { b: [3] }]],
  "one value": [{ const: { a: [1] } }, [{ a: [1] }], [{ a: [2] }, {}]],
  "any of": [{ anyOf: [{ type: "string" }, tree] }, ["a", { value: 1, next: null }], [1, { value: 1 }]],
  "one of": [{ oneOf: [{ type: "string" }, { type: "number" }] }, ["a", 1], [true]],
  "all of": [{ allOf: [{ required: ["a"] }, { required: ["b"] }] }, [{ a: 1, b: 1 }], [{ a: 1 }, { b: 1 }]],
  bounds: [{ minimum: 1, maximum: 5 }, [1, 5, "x"], [0, 6]],
  "exclusive bounds": [{ exclusiveMinimum: 0, exclusiveMaximum: 1 }, [0.5], [0, 1]],
  multiples: [{ multipleOf: 0.1 }, [0.3, 1e6], [0.25]],
  lengths: [{ minLength: 2, maxLength: 3 }, ["ab", "😀😀😀"], ["a", "abcd"]],
  "lengths of lists": [{ items: { type: "string" }, minItems: 1, maxItems: 2 }, [["a"]], [[], ["a", "b", "c"], [1]]],
  tuples: [
    { prefixItems: [{ type: "string" }, { type: "number" }], items: false },
    [["a", 1], ["a"]],
    [["a", 1, 2], [1]],
  ],
  "sizes of objects": [{ minProperties: 1, maxProperties: 1 }, [{ a: 1 }], [{}, { a: 1, b: 2 }]],
  definitions: [
    { $ref: "#/$defs/tree", $defs: { tree } },
    [{ value: 1, next: { value: 2, next: null } }],
    [{ value: 1, next: { value: "x", next: null } }, { value: 1 }],
  ],
  "its own root": [
    { type: "object", properties: { children: { type: "array", items: { $ref: "#" } } }, required: ["children"] },
    [{ children: [{ children: [] }] }],
    [{ children: [{}] }],
  ],
  "other places": [
    { properties: { "a/b": { type: "string" }, c: { $ref: "#/properties/a~1b" } } },
    [{ c: "x" }],
    [{ c: 1 }],
  ],
  nothing: [false, [], [1]],
  // What is not known is met by every value.
  patterns: [{ pattern: "^a+$", patternProperties: { "^x": {} }, additionalProperties: false }, ["b", { y: 1 }], []],
  conditions: [{ if: { const: 1 }, else: false, not: {}, contains: false, format: "date" }, [1, "x", [2]], []],
  "what is elsewhere": [{ $ref: "https://example.com/schema.json" }, [1], []],
  "what is not there": [{ $ref: "#/$defs/gone" }, [1], []],
  anchors: [{ $ref: "#here" }, [1], []],
  "broken pointers": [{ $ref: "#/%E0%A4%A" }, [1], []],
  "what is no schema": [
    { properties: 7, required: "a", items: "x", enum: 3, type: 9, anyOf: {}, minimum: "1" },
    [{}, [1], 1],
    [],
  ],
}

describe("JsonSchema.violation", () => {
  for (const [name, [schema, fits, misses]] of Object.entries(rows)) {
    it(name, () => {
      for (const value of fits)
        assert.strictEqual(JsonSchema.violation(schema, value), undefined, JSON.stringify(value))
      for (const value of misses) assert.isString(JsonSchema.violation(schema, value), JSON.stringify(value))
    })
  }

  it("returns the path of the first violation", () => {
    const schema = { properties: { list: { items: { properties: { a: { type: "string" } } } } } }
    assert.strictEqual(
      JsonSchema.violation(schema, { list: [{ a: "x" }, { a: 1 }] }),
      "answer.list[1].a: is not of type string",
    )
  })

  it("stops after a limited number of steps for any schema", () => {
    assert.strictEqual(JsonSchema.violation({ $ref: "#" }, 1), undefined)
    const twice: Record<string, unknown> = { s0: { type: "string" } }
    for (let depth = 1; depth <= 20; depth++) {
      const $ref = `#/$defs/s${depth - 1}`
      twice[`s${depth}`] = { anyOf: [{ $ref }, { $ref }] }
    }
    assert.strictEqual(JsonSchema.violation({ $ref: "#/$defs/s20", $defs: twice }, 1), undefined)
  })
})

describe("findings in a schema", () => {
  it("are types and references that do not exist, with their paths", () => {
    const schema = {
      type: "objct",
      properties: { a: { type: ["string", "nul"] }, b: { $ref: "#/$defs/c" }, d: { $ref: "#/$defs/e" } },
      $defs: { c: { items: { type: "int" } } },
    }
    assert.deepStrictEqual(JsonSchema.findings(schema).mistakes, [
      'type: there is no type "objct"',
      'properties.a.type: there is no type "nul"',
      'properties.d.$ref: "#/$defs/e" refers to nothing in this schema',
      '$defs.c.items.type: there is no type "int"',
    ])
  })

  it("are keywords that are not checked, but not names of properties", () => {
    const schema = {
      title: "any",
      properties: { pattern: { type: "string", pattern: "^a" }, format: { type: "string", format: "date" } },
      anyOf: [{ not: {} }],
    }
    assert.deepStrictEqual(JsonSchema.findings(schema), { mistakes: [], unchecked: ["format", "not", "pattern"] })
  })

  it("are none in a schema that refers to itself", () => {
    const schema = { $schema: "x", type: "object", properties: { child: { $ref: "#" } }, additionalProperties: false }
    assert.deepStrictEqual(JsonSchema.findings(schema), { mistakes: [], unchecked: [] })
  })
})
