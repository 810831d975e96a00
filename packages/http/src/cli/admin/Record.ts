/**
 * `understudy record`: whether a running gateway records calls, and the recording switched on or off for a time.
 */
import * as Effect from "effect/Effect"
import * as HttpClientRequest from "effect/http/HttpClientRequest"
import * as HttpClientResponse from "effect/http/HttpClientResponse"
import * as Schema from "effect/Schema"
import * as Format from "../Format.ts"
import * as Client from "./AdminClient.ts"
import type { Common } from "./Output.ts"
import * as Output from "./Output.ts"

const Status = Schema.Struct({
  enabled: Schema.Boolean,
  file: Schema.String,
  sample: Schema.Finite,
  recorded: Schema.Finite,
  lost: Schema.Finite,
  until: Schema.optionalKey(Schema.String),
})

/** Sends a request, and shows the state that it replies with. */
const show = Effect.fnUntraced(function* (input: Common, request: HttpClientRequest.HttpClientRequest) {
  const client = yield* Client.requests(input.url)
  const replied = Effect.flatMap(client.execute(request), (response) =>
    Effect.map(HttpClientResponse.schemaBodyJson(Status)(response), (value) => [value, response] as const),
  )
  const reply = yield* Client.reply(Effect.map(replied, ([value, response]) => [value, response]))
  const now = yield* Format.now
  yield* Output.show(reply, input, (status) => lines(status, now))
})

const lines = (
  { enabled, file, lost, recorded, sample, until }: typeof Status.Type,
  now: number,
): ReadonlyArray<string> => [
  `Recording is ${enabled ? `on: ${sample === 1 ? "all calls" : `${Number((sample * 100).toFixed(4))} % of the calls`}, to ${file}` : "off"}.`,
  ...(until === undefined ? [] : [`It is as configured again at ${Format.moment(until, now)}.`]),
  `Since the gateway started: ${Format.number(recorded)} calls recorded, ${Format.number(lost)} lost.`,
]

const path = "/admin/record"

export const status = (input: Common) => show(input, HttpClientRequest.get(path))

/** For how long the recording is switched. */
export interface Off extends Common {
  readonly for: string
}

/** `sample`: the share of the calls, from 0 to 1; `undefined` for that of the configuration. */
export interface On extends Off {
  readonly sample: number | undefined
}

export const on = ({ for: duration, sample, ...common }: On) =>
  show(common, change({ enabled: true, for: duration, ...(sample === undefined ? undefined : { sample }) }))

export const off = ({ for: duration, ...common }: Off) => show(common, change({ enabled: false, for: duration }))

const change = (body: { readonly enabled: boolean; readonly for: string; readonly sample?: number }) =>
  HttpClientRequest.bodyJsonUnsafe(HttpClientRequest.post(path), body)
