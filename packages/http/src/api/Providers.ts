/**
 * `GET /api/providers`: the status of each deployment. For the operator only: it reflects the calls of all keys.
 */
import type { Status } from "@understudy/core/Router"
import * as ChatCompletions from "@understudy/providers/protocols/chat-completions"
import * as Effect from "effect/Effect"
import * as HttpRouter from "effect/http/HttpRouter"
import * as HttpServerResponse from "effect/http/HttpServerResponse"
import { stateOf } from "../observe/DeploymentState.ts"
import * as GatewayStatus from "../workers/GatewayStatus.ts"
import { requireViewer } from "./OperatorKey.ts"
import * as HttpReply from "./HttpReply.ts"

/** Adds the endpoint to the `HttpRouter` in context. */
export const layer = HttpRouter.use((http) =>
  Effect.flatMap(Effect.andThen(GatewayStatus.answer, GatewayStatus.make), (status) => {
    const statuses = Effect.map(status, (all) => HttpServerResponse.jsonUnsafe(all.map(statusJson)))
    return http.add(
      "GET",
      "/api/providers",
      HttpReply.catchErrors(Effect.andThen(requireViewer, statuses), ChatCompletions),
    )
  }),
)

/**
 * The status as JSON. Times are milliseconds. While the state is `cooling_down` or `circuit_open`, calls skip the deployment.
 */
export const statusJson = ({ accounts, deployment, ...status }: Status) => ({
  name: deployment,
  ...ownJson(status),
  ...(accounts === undefined
    ? undefined
    : { accounts: accounts.map(({ account, ...status }) => ({ account, ...ownJson(status) })) }),
})

const ownJson = ({ circuit, firstToken, inFlight, latency, retryAfter }: Omit<Status, "deployment" | "accounts">) => ({
  state: stateOf({ circuit, retryAfter }),
  retry_after_ms: retryAfter,
  in_flight: inFlight,
  latency_ms: latency ?? null,
  first_token_ms: firstToken ?? null,
})
