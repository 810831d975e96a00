/**
 * Schemas of a configuration's values. Each has a description of what it expects, for error messages.
 *
 * Numbers and booleans may be texts too, because environment variables are texts.
 */
import * as Rules from "@understudy/core/internal/route/Rules"
import * as Effect from "effect/Effect"
import * as Predicate from "effect/Predicate"
import * as Redacted from "effect/Redacted"
import * as Schema from "effect/Schema"
import * as SchemaGetter from "effect/SchemaGetter"
import * as SchemaIssue from "effect/SchemaIssue"
import * as Proxy from "../transport/Proxy.ts"

/** Annotations for error messages: `secret` values are not shown; a number or boolean in place of a `quotable` text gets a hint to quote it. */
export interface Notes {
  readonly secret?: boolean
  readonly quotable?: boolean
}

/**
 * A schema that decodes `from` into `to`. `parse` returns `undefined` for an invalid value. `expected` completes the
 * message "expected …".
 */
export const source = <A, E>(options: {
  readonly from: Schema.Codec<E>
  readonly to: Schema.Codec<A>
  readonly expected: string
  readonly notes?: Notes
  readonly parse: (input: E) => A | undefined
  readonly print: (value: A) => E
}): Schema.Codec<A, E> => {
  const { expected, from, notes, parse, print, to } = options
  const annotations = { ...notes, expected }
  return from.annotate(annotations).pipe(
    Schema.decodeTo(to, {
      decode: SchemaGetter.transformEffect((input) => {
        const value = parse(input)
        return value === undefined ? Effect.fail(new SchemaIssue.InvalidValue(annotations)) : Effect.succeed(value)
      }),
      encode: SchemaGetter.transform(print),
    }),
  )
}

const isSet = (text: string): string | undefined => (text.trim() === "" ? undefined : text)

/** A text that is not blank. */
export const text = (expected: string): Schema.Codec<string> =>
  source({
    from: Schema.String,
    to: Schema.String,
    expected,
    notes: { quotable: true },
    parse: isSet,
    print: (value) => value,
  })

/** A text, which may be written as a number. */
export const textOrNumber = (expected: string): Schema.Codec<string, string | number> =>
  source<string, string | number>({
    from: Schema.Union([Schema.String, Schema.Finite]),
    to: Schema.String,
    expected,
    parse: String,
    print: (value) => value,
  })

/** A text that error messages do not show, such as a header's value. */
export const hidden = (expected: string): Schema.Codec<string> =>
  source({
    from: Schema.String,
    to: Schema.String,
    expected,
    notes: { quotable: true, secret: true },
    parse: isSet,
    print: (value) => value,
  })

/** `Schema.Redacted` would decode the text inside, which costs ten times as much. */
const Credential = Schema.declare((value): value is Redacted.Redacted => Redacted.isRedacted(value))

/** A secret text, decoded to `Redacted`. */
export const secretText = (expected: string): Schema.Codec<Redacted.Redacted, string> =>
  source({
    from: Schema.String,
    to: Credential,
    expected,
    notes: { quotable: true, secret: true },
    parse: (value) => (value.trim() === "" ? undefined : Redacted.make(value)),
    print: Redacted.value,
  })

/** A credential, decoded to `Redacted`. */
export const secret = secretText('a secret text, such as "${API_KEY}"')

const secretsExpected = 'a list of at least one secret text, such as ["${API_KEY_1}", "${API_KEY_2}"]'

/** Credentials, decoded to `Redacted`: at least one. */
export const secrets: Schema.Codec<ReadonlyArray<Redacted.Redacted>, ReadonlyArray<string>> = Schema.Array(secret)
  .annotate({ expected: secretsExpected, secret: true })
  .check(Schema.isMinLength(1, { expected: secretsExpected }))

/** The address of a proxy, decoded to `Redacted` because it may hold a password. */
export const proxy: Schema.Codec<Redacted.Redacted, string> = source({
  from: Schema.String,
  to: Credential,
  expected: "the http or https address of a proxy, such as http://127.0.0.1:3128",
  notes: { secret: true },
  parse: Proxy.parse,
  print: Redacted.value,
})

/** An http or https address. */
export const address = (example: string): Schema.Codec<string> =>
  source({
    from: Schema.String,
    to: Schema.String,
    expected: `an http or https address, such as ${example}`,
    parse: (value) => (/^https?:\/\//i.test(value) && URL.canParse(value) ? value : undefined),
    print: (value) => value,
  })

/** A number for which `fits` is true. */
export const number = (expected: string, fits: (value: number) => boolean): Schema.Codec<number, number | string> =>
  source<number, number | string>({
    from: Schema.Union([Schema.Finite, Schema.String]),
    to: Schema.Finite,
    expected,
    parse: (input) => {
      const value = Predicate.isNumber(input)
        ? input
        : /^-?\d+(\.\d+)?$/.test(input.trim())
          ? Number(input)
          : Number.NaN
      return Number.isFinite(value) && fits(value) ? value : undefined
    },
    print: (value) => value,
  })

const ruled = ({ expected, fits }: Rules.Rule) => number(expected, fits)

/** 1, 2, 3 and so on. */
export const count = ruled(Rules.count)

/** 0, 1, 2 and so on. */
export const countOrNone = ruled(Rules.countOrNone)

/** 0 or more. */
export const amount = ruled(Rules.amount)

/** The HTTP status of a failure. */
export const errorStatus = ruled(Rules.errorStatus)

/** A share of the traffic, 0 to 1. */
export const share = ruled(Rules.share)

/** A share of the traffic, above 0 and up to 1. */
export const positiveShare = ruled(Rules.positiveShare)

/** One of these words. */
export const word = <const Words extends ReadonlyArray<string>>(words: Words): Schema.Codec<Words[number], string> =>
  source<Words[number], string>({
    from: Schema.String,
    to: Schema.Literals(words),
    expected: `one of ${words.join(", ")}`,
    parse: (text) => words.find((each) => each === text),
    print: (value) => value,
  })

export const flag: Schema.Codec<boolean, boolean | string> = source<boolean, boolean | string>({
  from: Schema.Union([Schema.Boolean, Schema.String]),
  to: Schema.Boolean,
  expected: "true or false",
  parse: (input) => (Predicate.isBoolean(input) ? input : flags.get(input.trim().toLowerCase())),
  print: (value) => value,
})

const flags: ReadonlyMap<string, boolean> = new Map([
  ["true", true],
  ["false", false],
])
