/**
 * The names of scripts, such as `"429-once"`. A model of such a name has that script, for demos and the scorecard, which
 * control the fault server by the requested model only.
 */
import * as Behavior from "./Behavior.ts"

type Pattern = readonly [pattern: RegExp, behavior: (groups: ReadonlyArray<string | undefined>) => Behavior.Behavior]

const faultPattern = Behavior.faults.join("|")

const retryForms = { "": "seconds", "ms-": "millis", "date-": "date", "reset-": "reset" } as const

const retryAfter = (form: string | undefined, amount: string | undefined): Behavior.RetryAfter => {
  const named = retryForms[(form ?? "") as keyof typeof retryForms]
  return { form: named, millis: Number(amount) * (named === "millis" || named === "reset" ? 1 : 1_000) }
}

const isFault = (name: string | undefined): name is Behavior.Fault => Behavior.faults.some((fault) => fault === name)

const patterns: ReadonlyArray<Pattern> = [
  [/^ok$/, () => Behavior.answer()],
  [/^empty-text$/, () => Behavior.answer({ text: "" })],
  [
    /^(length|content-filter)$/,
    ([finish]) => Behavior.answer({ finish: finish === "length" ? finish : "content-filter" }),
  ],
  // A tool argument that contains the end marker of a stream.
  [/^tool-done$/, () => Behavior.answer({ arguments: JSON.stringify({ text: "\n\ndata: [DONE]\n\n" }) })],
  [/^slow-first-token(?:-(\d+))?$/, ([millis]) => Behavior.answer({ delay: Number(millis ?? 80) })],
  [/^429$/, () => Behavior.refuse("rate-limit")],
  [
    /^429-retry-after-(ms-|date-|reset-)?(\d+(?:\.\d+)?)$/,
    ([form, amount]) => Behavior.refuse("rate-limit", retryAfter(form, amount)),
  ],
  [/^500$/, () => Behavior.refuse("server-error")],
  [/^(?:503|529)$/, () => Behavior.refuse("overloaded")],
  [new RegExp(`^(${faultPattern})$`), ([fault]) => Behavior.refuse(isFault(fault) ? fault : "server-error")],
  [/^reset$/, () => Behavior.reset],
  [/^silent$/, () => Behavior.silent],
  [
    /^cut-(\d+)(-reset)?$/,
    ([after, how]) => Behavior.cut(Number(after), { how: how === undefined ? "close" : "reset" }),
  ],
  [/^stall-(\d+)(-pings)?$/, ([after, pings]) => Behavior.stall(Number(after), { pings: pings !== undefined })],
  [/^malformed-event(?:-(\d+))?$/, ([after]) => Behavior.malformedEvent(Number(after ?? 1))],
  [/^no-done$/, () => Behavior.noDone()],
  [/^eof-no-finish$/, () => Behavior.noFinish()],
  [
    new RegExp(`^error-event-(?:first|after-(\\d+))(?:-(${faultPattern}))?$`),
    ([after, fault]) =>
      Behavior.errorEvent(after === undefined ? "first" : Number(after), isFault(fault) ? fault : "overloaded"),
  ],
  [/^html-(\d{3})$/, ([status]) => Behavior.html(Number(status))],
  [/^empty-200$/, () => Behavior.empty],
  [/^half-json$/, () => Behavior.halfJson()],
]

const single = (name: string): Behavior.Behavior | undefined => {
  for (const [pattern, behavior] of patterns) {
    const match = pattern.exec(name)
    if (match !== null) return behavior(match.slice(1))
  }
  return undefined
}

const repeated = <A>(value: A, times: number): readonly [A, ...Array<A>] => [
  value,
  ...Array.from({ length: times - 1 }, () => value),
]

/**
 * The script of that name; `undefined` if there is none. The part before the last `/` is ignored, so that `east/503` and
 * `west/503` are two models with one script.
 *
 * - `ok`, `empty-text`, `length`, `content-filter`, `tool-done`, `slow-first-token`, `slow-first-token-250` (ms)
 * - `429`, `429-retry-after-1` (seconds), `429-retry-after-date-1`, `429-retry-after-ms-50`, `429-retry-after-reset-50`
 *   (the vendor's reset header, ms), `500`, `503` (also `529`), and every `Fault` by its name, such as `context-length`
 * - `reset`, `silent`, `cut-3`, `cut-3-reset`, `stall-3`, `stall-3-pings`, `malformed-event`, `malformed-event-0`,
 *   `no-done`, `eof-no-finish`, `error-event-first`, `error-event-after-2`, `error-event-after-2-rate-limit`
 * - `html-502`, `empty-200`, `half-json`
 * - any of these with `-once` (then `ok`), `-times-3`, or `-forever` (the default)
 * - `flapping-2`: two server errors, two responses, and so on
 */
export const script = (name: string): Behavior.Script | undefined => {
  const own = name.slice(name.lastIndexOf("/") + 1)
  const flapping = /^flapping-([1-9]\d?)$/.exec(own)
  if (flapping !== null) {
    const period = Number(flapping[1])
    const down = repeated(Behavior.refuse("server-error"), period)
    return { steps: [...down, ...repeated(Behavior.answer(), period)], repeat: "all" }
  }
  const [, base = own, times] = /^(.*?)(?:-(once|forever|times-[1-9]\d?))?$/.exec(own) ?? []
  const behavior = single(base)
  if (behavior === undefined) return undefined
  if (times === undefined || times === "forever") return { steps: [behavior], repeat: "last" }
  const count = times === "once" ? 1 : Number(times.slice("times-".length))
  return { steps: [...repeated(behavior, count), Behavior.answer()], repeat: "last" }
}

/** A name of every kind, for tests and tables of all. */
export const names: ReadonlyArray<string> = [
  "ok",
  "empty-text",
  "length",
  "content-filter",
  "tool-done",
  "slow-first-token",
  "429-once",
  "429-forever",
  "429-retry-after-1-once",
  "429-retry-after-1",
  "429-retry-after-date-1",
  "429-retry-after-ms-50",
  "429-retry-after-reset-50",
  "500-once",
  "503",
  ...Behavior.faults,
  "reset",
  "silent",
  "cut-3",
  "cut-3-reset",
  "stall-3",
  "stall-3-pings",
  "malformed-event",
  "no-done",
  "eof-no-finish",
  "error-event-first",
  "error-event-after-2",
  "html-502",
  "empty-200",
  "half-json",
  "flapping-2",
]
