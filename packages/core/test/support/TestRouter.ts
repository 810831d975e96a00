/** Routers over scripted providers, and the request that most tests send to them. */
import * as Effect from "effect/Effect"
import type * as Duration from "effect/Duration"
import * as Fiber from "effect/Fiber"
import { TestClock } from "effect/testing"
import * as Deployment from "../../src/deployment/Deployment.ts"
import type { CallOptions } from "../../src/model/Call.ts"
import * as Chat from "../../src/model/Chat.ts"
import * as Route from "../../src/route/Route.ts"
import * as Router from "../../src/Router.ts"
import type * as Testing from "../../src/Testing.ts"

/** A request to the route `assistant`. */
export const request: Chat.Request = { model: "assistant", messages: [Chat.user("Hello?")] }

/**
 * A router with a deployment for each script, under its name, which is also its model's id, and one route `assistant`: a
 * fallback over all of them, unless `route` is given. `deployment` holds for all deployments.
 */
export const layer = (
  scripts: Readonly<Record<string, Testing.Scripted>>,
  {
    deployment = {},
    route = fallback(Object.keys(scripts)),
  }: { readonly deployment?: Partial<Deployment.Options>; readonly route?: Route.Route } = {},
) =>
  Router.layer({
    deployments: Object.fromEntries(
      Object.entries(scripts).map(([name, { layer }]) => [
        name,
        Deployment.make({ model: name, provider: layer, ...deployment }),
      ]),
    ),
    routes: { assistant: route },
  })

const fallback = ([first = "", ...others]: ReadonlyArray<string>): Route.Route => Route.fallback(first, ...others)

/** One call of a complete response. */
export const chat = (options?: CallOptions) => Effect.flatMap(Router.Router, (router) => router.chat(request, options))

/** Runs an effect while `time` passes on the test clock. */
export const during = <A, E, R>(time: Duration.Input, self: Effect.Effect<A, E, R>) =>
  Effect.gen(function* () {
    const fiber = yield* Effect.forkChild(self)
    yield* TestClock.adjust(time)
    return yield* Fiber.join(fiber)
  })

/** The texts of parts, in one. */
export const textOf = (parts: ReadonlyArray<Chat.Part>): string =>
  parts.map((part) => (part.type === "text" ? part.text : "")).join("")
