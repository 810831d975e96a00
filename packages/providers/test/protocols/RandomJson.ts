/**
 * JSON texts of every kind: white space, escapes, numbers that JavaScript would write differently, unusual and
 * duplicate names.
 */
import * as Arbitrary from "effect/Arbitrary"
import * as Schema from "effect/Schema"

export const numbers = [
  "1.0",
  "-0",
  "1e400",
  "-1E-2",
  "9007199254740993",
  "-12345678901234567890",
  "0.1000000000000000055",
  "0.10",
  "1e21",
  "7",
  "-1.5",
]

const strings = [
  `""`,
  `"a"`,
  `"\\ud800 alone"`,
  `"\\u0041"`,
  `"grüße 🎭"`,
  `"a \\"quote\\" and \\\\"`,
  `"${"\\\\".repeat(30)}"`,
  `"${"x".repeat(21)}\\\\"`,
  `"${"x".repeat(22)}\\""`,
  `"${"x".repeat(30)}\\\\\\""`,
  `"1e400, {[1.0]}: -0"`,
]

const names = [
  `"a"`,
  `"b"`,
  `"2"`,
  `"1"`,
  `"__proto__"`,
  `"constructor"`,
  `"toJSON"`,
  `"\\u0061"`,
  `"q\\"1.0"`,
  `"rawJSON"`,
]

const spaces = ["", "", "", " ", "\n\t"]

const isUnlike = (name: string, names: ReadonlyArray<string>): boolean =>
  !names.some((other) => JSON.parse(other) === JSON.parse(name))

/** `choices` decide what is written; when they end, open objects and arrays are closed. */
const build = (choices: ReadonlyArray<number>, twice: boolean): string => {
  let next = 0
  const choose = <A>(options: ReadonlyArray<A>): A => options[(choices[next++] ?? 0) % options.length]!
  const several = (depth: number, write: () => string): string => {
    const count = depth > 4 || next >= choices.length ? 0 : choose([0, 1, 2, 3, 4])
    return Array.from({ length: count }, () => `${choose(spaces)}${write()}${choose(spaces)}`).join() || choose(spaces)
  }
  const object = (depth: number): string => {
    const taken: Array<string> = []
    return `{${several(depth, () => {
      let name = choose(names)
      if (!twice && !isUnlike(name, taken)) name = JSON.stringify(`n${taken.length}`)
      taken.push(name)
      return `${name}${choose(spaces)}:${choose(spaces)}${value(depth + 1)}`
    })}}`
  }
  const value = (depth: number): string => {
    switch (choose([0, 1, 2, 3, 4, 5])) {
      case 0:
      case 1:
        return choose(numbers)
      case 2:
        return choose(strings)
      case 3:
        return choose(["true", "false", "null"])
      case 4:
        return `[${several(depth, () => value(depth + 1))}]`
      default:
        return object(depth)
    }
  }
  return object(0)
}

const choices = Arbitrary.schema(
  Schema.Array(Schema.Int.check(Schema.isBetween({ minimum: 0, maximum: 1000 }))).check(Schema.isMinLength(8)),
)

/** Objects with unique names. */
export const object: Arbitrary.Arbitrary<string> = Arbitrary.map(choices, (choices) => build(choices, false))

/** Objects with possibly duplicate names. */
export const ambiguous: Arbitrary.Arbitrary<string> = Arbitrary.map(choices, (choices) => build(choices, true))

/** Every number, string and punctuation character of a text, without white space. */
export const tokens = (json: string): ReadonlyArray<string> =>
  json.match(/"(?:[^"\\]|\\.)*"|[^\s"{}[\],:]+|[{}[\],:]/g) ?? []

/** The literals of a text's numbers, sorted: JavaScript puts integer names first. */
export const literals = (json: string): ReadonlyArray<string> =>
  tokens(json)
    .filter((token) => /^[-\d]/.test(token))
    .toSorted()
