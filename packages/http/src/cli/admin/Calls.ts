/**
 * `understudy calls`: the calls in the ledger of a running gateway, and one with its attempts.
 */
import * as Effect from "effect/Effect"
import * as Schema from "effect/Schema"
import * as LedgerFields from "../../api/admin/LedgerFields.ts"
import { section } from "../Table.ts"
import * as Table from "../Table.ts"
import * as Client from "./AdminClient.ts"
import * as FlagFields from "./FlagFields.ts"
import * as Format from "../Format.ts"
import * as Lookup from "./Lookup.ts"
import type { Common } from "./Output.ts"
import * as Output from "./Output.ts"

export interface CallFlags {
  readonly key: string | undefined
  readonly team: string | undefined
  readonly tag: string | undefined
  readonly route: string | undefined
  readonly deployment: string | undefined
  readonly outcome: string | undefined
  readonly from: string | undefined
  readonly to: string | undefined
}

const Query = Schema.Struct(LedgerFields.CallsFilter)

export const list = Effect.fnUntraced(function* (input: Common & CallFlags & { readonly limit: number }) {
  const { json: _json, limit, url, ...flags } = input
  const filter = yield* FlagFields.decode(Query, FlagFields.defined(flags))
  const api = yield* Client.make(url)
  const named = {
    ...filter,
    ...FlagFields.defined({
      key: yield* Lookup.keyId(api, flags.key),
      team: yield* Lookup.teamId(api, flags.team),
    }),
  }
  const found = yield* Client.pages(limit, (query) =>
    Client.reply(api.calls.list({ query: { ...named, ...query }, ...Client.withResponse })),
  )
  yield* Output.show(found, input, ({ data, next }) => {
    if (data.length === 0) return ["No calls match."]
    const digits = Format.decimals(data.map(({ cost }) => cost ?? 0))
    return [
      ...Table.lines(
        [
          ["time (UTC)", "key", "route", "deployment", "outcome", "ms", "input", "output", "cost", "id"],
          ...data.map((call) => [
            second(call.at),
            call.keyName ?? "-",
            call.route,
            call.deployment === "" ? "-" : call.deployment,
            outcomeText(call),
            Format.number(call.millis),
            Format.number(call.inputTokens),
            Format.number(call.outputTokens),
            costText(call, digits),
            call.id,
          ]),
        ],
        [5, 6, 7, 8],
      ),
      ...(next === null ? [] : [`These are the latest ${data.length}. Show more with --limit.`]),
    ]
  })
})

export const show = Effect.fnUntraced(function* (input: Common & { readonly call: string }) {
  const api = yield* Client.make(input.url)
  const found = yield* Client.reply(api.calls.get({ params: { id: input.call }, ...Client.withResponse }))
  const now = yield* Format.now
  yield* Output.show(found, input, (call) => {
    const digits = Format.decimals([call.cost ?? 0, ...call.attempts.map(({ cost }) => cost ?? 0)])
    return [
      ...section(call.id, [
        ["time", Format.moment(call.at, now)],
        ["key", nameText(call.keyName, call.key)],
        ["team", nameText(call.teamName, call.team)],
        ["tags", Format.listed(call.tags) ?? "none"],
        ["route", call.route],
        ["model", call.model],
        ["protocol", `${call.protocol}${call.streamed ? ", streamed" : ""}`],
        ["outcome", outcomeText(call)],
        ...(call.deployment === ""
          ? []
          : [["answered by", `${call.deployment} (${call.vendor}, ${call.servedModel})`]]),
        ...(call.cache === null ? [] : [["cache", call.cache]]),
        ...(call.split === null ? [] : [["split", call.split]]),
        ...(call.shadowOf === null ? [] : [["shadow of", call.shadowOf]]),
        [
          "duration",
          `${Format.number(call.millis)} ms${call.firstTokenMillis === null ? "" : `, first token after ${Format.number(call.firstTokenMillis)} ms`}`,
        ],
        ["tokens", `${Format.number(call.inputTokens)} input, ${Format.number(call.outputTokens)} output`],
        ["cost", costText(call, digits)],
      ]),
      ...section(
        "attempts",
        call.attempts.length === 0
          ? []
          : [
              ["deployment", "model", "outcome", "ms", "input", "cached", "output", "reasoning", "cost"],
              ...call.attempts.map((attempt) => [
                attempt.deployment,
                attempt.model,
                outcomeText(attempt),
                Format.number(attempt.millis),
                Format.number(attempt.inputTokens),
                Format.number(attempt.cachedInputTokens),
                Format.number(attempt.outputTokens),
                Format.number(attempt.reasoningTokens),
                costText(attempt, digits),
              ]),
            ],
        [3, 4, 5, 6, 7, 8],
      ),
    ]
  })
})

const second = (at: string): string => at.slice(0, 19).replace("T", " ")

const nameText = (name: string | null, id: string): string =>
  name === null ? "none" : name === id ? name : `${name} (${id})`

/** `success`, or `failure: rate_limit, 429`. */
const outcomeText = ({
  outcome,
  reason,
  status,
}: {
  readonly outcome: string
  readonly reason: string | null
  readonly status: number | null
}): string => {
  const why = [reason, status].filter((part) => part !== null)
  return why.length === 0 ? outcome : `${outcome}: ${why.join(", ")}`
}

const costText = (
  { cost, estimated }: { readonly cost: number | null; readonly estimated: boolean },
  digits: number,
): string => (cost === null ? "not known" : `${estimated ? "~" : ""}${Format.dollars(cost, digits)}`)
