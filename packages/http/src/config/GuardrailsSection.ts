/**
 * The `guardrails` section of a configuration: webhooks that are asked before and after calls.
 */
import { didYouMean } from "@understudy/core/internal/route/Suggestion"
import type { Problem } from "@understudy/providers/internal/config/ConfigError"
import { keyPath } from "@understudy/providers/internal/config/ConfigError"
import { PositiveDuration } from "@understudy/providers/internal/config/DurationText"
import { address, hidden, secret, text, word } from "@understudy/providers/internal/config/Fields"
import * as Duration from "effect/Duration"
import type * as Redacted from "effect/Redacted"
import * as Schema from "effect/Schema"

const optional = Schema.optionalKey

const stages = ["before", "after"] as const

const expectedStages = "a list of before, after or both"

/** One guardrail. */
export const Item = Schema.Struct({
  name: text("a name for the guardrail, such as pii").pipe(
    Schema.annotateKey({ messageMissingKey: "is missing: name the guardrail, such as pii" }),
  ),
  url: address("https://guardrails.example.com/check").pipe(
    Schema.annotateKey({ messageMissingKey: "is missing: set the address that is asked" }),
  ),
  on: Schema.Array(word(stages))
    .annotate({ expected: expectedStages })
    .check(Schema.makeFilter((stages) => stages.length > 0, { expected: expectedStages }))
    .pipe(Schema.annotateKey({ messageMissingKey: "is missing: set when it is asked, such as [before]" })),
  routes: optional(
    Schema.Array(text("the name of a route or a deployment"))
      .annotate({ expected: "a list of routes such as [assistant]" })
      .check(
        Schema.makeFilter((routes) => routes.length > 0, {
          expected: "a list of routes such as [assistant]; leave it out for all",
        }),
      ),
  ),
  timeout: optional(PositiveDuration),
  onError: optional(word(["block", "pass"])),
  streams: optional(word(["hold", "pass"])),
  headers: optional(
    Schema.Record(Schema.String, hidden("the value of a header")).annotate({
      expected: 'a mapping of headers such as { x-api-key: "${GUARDRAIL_KEY}" }',
    }),
  ),
  secret: optional(secret),
})

export const GuardrailsSection = Schema.Array(Item).annotate({
  expected: "a list such as [{ name: pii, url: https://guardrails.example.com/check, on: [before] }]",
})

/** A webhook that is asked before or after calls. */
export interface WebhookSettings {
  readonly name: string
  readonly url: string
  readonly on: ReadonlyArray<"before" | "after">
  readonly routes: ReadonlyArray<string> | undefined
  readonly timeout: Duration.Duration
  readonly onError: "block" | "pass"
  readonly streams: "hold" | "pass"
  readonly headers: Readonly<Record<string, string>>
  readonly secret: Redacted.Redacted | undefined
}

const defaults = { timeout: Duration.seconds(5), onError: "block", streams: "pass", headers: {} } as const

/** The section with its defaults filled in. */
export const settings = (items: typeof GuardrailsSection.Type): ReadonlyArray<WebhookSettings> =>
  items.map(({ routes, secret, ...item }) => ({ ...defaults, ...item, routes, secret }))

/** The characters that RFC 9110 allows in the name and the value of a header. */
const headerName = /^[!#$%&'*+\-.^_`|~0-9A-Za-z]+$/
const headerValue = /^[\t\x20-\x7e\x80-\xff]*$/

/** The problems of guardrails that share a name, have invalid headers, name routes that do not exist, or hold streams that they are not asked about. */
export const problems = (
  items: typeof GuardrailsSection.Type,
  { deployments, routes }: { readonly deployments: object; readonly routes: object },
): ReadonlyArray<Problem> => {
  const callable = [...Object.keys(routes), ...Object.keys(deployments)]
  const names = new Set<string>()
  const found: Array<Problem> = []
  for (const [index, item] of items.entries()) {
    const path = `guardrails[${index}]`
    if (names.has(item.name))
      found.push({
        path: `${path}.name`,
        message: `another guardrail is called "${item.name}" too: rename one of them`,
      })
    names.add(item.name)
    for (const [at, route] of (item.routes ?? []).entries()) {
      if (callable.includes(route)) continue
      const message = `names "${route}", which is neither a deployment nor a route${didYouMean(route, callable) || "."}`
      found.push({ path: `${path}.routes[${at}]`, message })
    }
    for (const [header, value] of Object.entries(item.headers ?? {})) {
      const at = keyPath(`${path}.headers`, header)
      if (!headerName.test(header))
        found.push({ path: at, message: "is not the name of a header: use letters, digits and dashes" })
      else if (!headerValue.test(value))
        found.push({
          path: at,
          message: "has a character that headers cannot contain, such as a line break: remove it",
        })
    }
    if (item.streams === "hold" && !item.on.includes("after"))
      found.push({ path: `${path}.streams`, message: "has no effect: only guardrails with `on: [after]` hold streams" })
  }
  return found
}
