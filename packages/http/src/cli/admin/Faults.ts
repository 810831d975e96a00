/**
 * `understudy faults`: lists the faults of a running gateway, and switches them on and off.
 */
import * as Effect from "effect/Effect"
import * as HttpClientRequest from "effect/http/HttpClientRequest"
import * as HttpClientResponse from "effect/http/HttpClientResponse"
import * as Schema from "effect/Schema"
import * as Table from "../Table.ts"
import * as Client from "./AdminClient.ts"
import * as Format from "../Format.ts"
import type { Common } from "./Output.ts"
import * as Output from "./Output.ts"

const Target = Schema.Struct({
  target: Schema.String,
  kind: Schema.String,
  faults: Schema.Array(
    Schema.StructWithRest(Schema.Struct({ name: Schema.String, share: Schema.Finite }), [
      Schema.Record(Schema.String, Schema.Json),
    ]),
  ),
  active: Schema.NullOr(Schema.Struct({ faults: Schema.Array(Schema.String), until: Schema.String })),
})

const Reply = Schema.Struct({ faults: Schema.Array(Target) })

type Targets = (typeof Reply.Type)["faults"]

/** Sends a request, and shows the faults that it replies with. */
const show = Effect.fnUntraced(function* (
  input: Common,
  request: HttpClientRequest.HttpClientRequest,
  lines: (faults: Targets, now: number) => ReadonlyArray<string>,
) {
  const client = yield* Client.requests(input.url)
  const replied = Effect.flatMap(client.execute(request), (response) =>
    Effect.map(HttpClientResponse.schemaBodyJson(Reply)(response), (value) => [value, response] as const),
  )
  const reply = yield* Client.reply(Effect.map(replied, ([value, response]) => [value, response]))
  const now = yield* Format.now
  yield* Output.show(reply, input, ({ faults }) => lines(faults, now))
})

const path = "/admin/faults"

export const list = (input: Common) =>
  show(input, HttpClientRequest.get(path), (all, now) =>
    all.length === 0
      ? ["No deployment and no route has faults: configure them under `faults`."]
      : Table.lines([
          ["TARGET", "KIND", "FAULT", "SHARE", "DOES", "ON UNTIL"],
          ...all.flatMap(({ active, faults, kind, target }) =>
            faults.map((fault) => [
              target,
              kind,
              fault.name,
              Format.percent(fault.share, 1),
              describe(fault),
              active?.faults.includes(fault.name) === true ? Format.moment(active.until, now) : "off",
            ]),
          ),
        ]),
  )

/** What a fault does: `status 503, retryAfter 2s`. */
const describe = ({ name: _name, share: _share, ...kinds }: Targets[number]["faults"][number]): string =>
  Object.entries(kinds)
    .map(([kind, value]) => (value === true ? kind : `${kind} ${String(value)}`))
    .join(", ")

/** What is switched on, and for how long. */
export interface On extends Common {
  readonly target: string
  readonly for: string
  readonly fault: ReadonlyArray<string>
}

export const on = ({ fault, for: duration, target, ...common }: On) =>
  show(
    common,
    HttpClientRequest.bodyJsonUnsafe(HttpClientRequest.post(path), {
      target,
      for: duration,
      ...(fault.length === 0 ? undefined : { faults: fault }),
    }),
    (all, now) =>
      all.map(({ active, target }) =>
        active === null
          ? `The faults of ${target} are off.`
          : `On at ${target} until ${Format.moment(active.until, now)}: ${active.faults.join(", ")}`,
      ),
  )

/** Whose faults are switched off. */
export interface Off extends Common {
  readonly target: string | undefined
}

export const off = ({ target, ...common }: Off) =>
  show(
    common,
    HttpClientRequest.delete(target === undefined ? path : `${path}?target=${encodeURIComponent(target)}`),
    (all) => [all.length === 0 ? "No faults were on." : `Off: ${all.map(({ target }) => target).join(", ")}`],
  )
