/**
 * `GET /api/calls`: the latest calls with their attempts, newest first, running ones too, of all workers. `?filter=` is `running`, `failed`, or
 * `fallback` (several attempts); `?limit=` is from 1 to 200 (default 50). For the operator only: it shows the calls of all keys.
 */
import { total } from "@understudy/core/Receipt"
import { meaning } from "@understudy/core/SkipReason"
import { snakeCase } from "@understudy/core/internal/model/SnakeCase"
import * as ChatCompletions from "@understudy/providers/protocols/chat-completions"
import * as Clock from "effect/Clock"
import * as Effect from "effect/Effect"
import * as HttpRouter from "effect/http/HttpRouter"
import * as HttpServerRequest from "effect/http/HttpServerRequest"
import * as HttpServerResponse from "effect/http/HttpServerResponse"
import * as Option from "effect/Option"
import { messageOf } from "../observe/DeploymentTraffic.ts"
import { plain } from "../observe/PlainText.ts"
import { skipReason } from "../observe/ReasonJson.ts"
import type { RecentCall, Step } from "../observe/RecentCalls.ts"
import { RecentCalls } from "../observe/RecentCalls.ts"
import { MainProcess } from "../workers/MainProcess.ts"
import * as ApiError from "./ApiError.ts"
import * as HttpReply from "./HttpReply.ts"
import { requireViewer } from "./OperatorKey.ts"

/** Adds the endpoint to the `HttpRouter` in context. */
export const layer = HttpRouter.use((http) =>
  Effect.gen(function* () {
    const { all } = yield* RecentCalls
    const main = yield* Effect.serviceOption(MainProcess)
    const own = ({ filter, limit }: Query) =>
      all()
        .filter(filters.get(filter) ?? (() => true))
        .slice(0, limit)
        .map(callJson)
    if (Option.isSome(main)) {
      yield* main.value.answer("calls", (query) => Effect.sync(() => JSON.stringify(own(JSON.parse(query)))))
    }
    const calls = (query: Query) =>
      Option.isNone(main)
        ? Effect.sync(() => own(query))
        : Effect.map(main.value.ask("everyone", { topic: "calls", text: JSON.stringify(query) }), (answers) =>
            answers
              .flatMap((answer): ReadonlyArray<CallJson> => (answer === "" ? [] : JSON.parse(answer)))
              .sort((one, other) => other.started_at - one.started_at)
              .slice(0, query.limit),
          )
    const reply = Effect.gen(function* () {
      yield* requireViewer
      const query = yield* queryOf(yield* HttpServerRequest.HttpServerRequest)
      return HttpServerResponse.jsonUnsafe({ at: yield* Clock.currentTimeMillis, calls: yield* calls(query) })
    })
    yield* http.add("GET", "/api/calls", HttpReply.catchErrors(reply, ChatCompletions))
  }),
)

/** Which calls, and how many at most. */
interface Query {
  readonly filter: string
  readonly limit: number
}

type CallJson = ReturnType<typeof callJson>

const filters: ReadonlyMap<string, (call: RecentCall) => boolean> = new Map([
  ["all", () => true],
  ["running", ({ receipt }: RecentCall) => receipt === undefined],
  ["failed", ({ receipt }: RecentCall) => receipt?.outcome === "failure"],
  ["fallback", ({ steps }: RecentCall) => steps.filter(({ _tag }) => _tag === "Attempt").length > 1],
])

const mostCalls = 200

const queryOf = ({ url }: HttpServerRequest.HttpServerRequest): Effect.Effect<Query, ApiError.ApiError> => {
  const query = new URLSearchParams(url.includes("?") ? url.slice(url.indexOf("?")) : "")
  const filter = query.get("filter") ?? "all"
  if (!filters.has(filter)) {
    const known = [...filters.keys()].join(", ")
    return Effect.fail(ApiError.invalid(`filter must be one of ${known}, not "${filter}"`, { param: "filter" }))
  }
  const text = query.get("limit") ?? "50"
  const limit = Number(text)
  return Number.isInteger(limit) && limit >= 1 && limit <= mostCalls
    ? Effect.succeed({ filter, limit })
    : Effect.fail(
        ApiError.invalid(`limit must be a whole number from 1 to ${mostCalls}, not "${text}"`, { param: "limit" }),
      )
}

const callJson = ({ firstToken, id, receipt, route, shadowOf, startedAt, steps }: RecentCall) => {
  const used = receipt === undefined ? undefined : total(receipt)
  return {
    id,
    route,
    shadow_of: shadowOf ?? null,
    split: receipt?.split ?? null,
    started_at: startedAt,
    outcome: receipt?.outcome ?? "running",
    duration_ms: receipt?.millis ?? null,
    first_token_ms: firstToken ?? null,
    deployment: receipt?.deployment ?? null,
    model: receipt === undefined ? null : plain(receipt.model),
    caller: receipt?.caller ?? null,
    team: receipt?.team ?? null,
    tags: receipt?.tags ?? [],
    protocol: receipt?.protocol ?? null,
    streaming: receipt?.streaming ?? null,
    input_tokens: used?.inputTokens ?? null,
    output_tokens: used?.outputTokens ?? null,
    cost_usd: used?.cost ?? null,
    steps: steps.map(stepJson),
  }
}

const stepJson = (step: Step) => {
  switch (step._tag) {
    case "Attempt": {
      const { account, deployment, ended, hedge, model, start } = step
      const message = ended === undefined ? undefined : messageOf(ended)
      return {
        type: "attempt",
        deployment,
        account,
        model: plain(model),
        start_ms: start,
        duration_ms: ended?.millis ?? null,
        outcome: ended?.outcome ?? "running",
        hedge,
        reason: ended?.reason === undefined ? null : snakeCase(ended.reason),
        status: ended?.status ?? null,
        injected: ended?.injected ?? null,
        message: message === undefined ? null : plain(message),
      }
    }
    case "Skip": {
      const { account, at, deployment, reason } = step
      return { type: "skip", deployment, account, start_ms: at, text: meaning(reason).text, ...skipReason(reason) }
    }
    case "Queued": {
      const { deployment, ended, start } = step
      return {
        type: "queued",
        deployment,
        start_ms: start,
        duration_ms: ended?.millis ?? null,
        outcome: ended?.departure ?? "waiting",
      }
    }
    case "CacheHit":
      return { type: "cache_hit", deployment: step.deployment, model: plain(step.model), start_ms: step.at }
  }
}
