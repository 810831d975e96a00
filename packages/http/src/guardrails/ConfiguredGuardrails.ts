/** The guardrails of the configuration, as a reload replaces them. */
import { Guardrails } from "@understudy/core/Guardrails"
import type { Guardrail } from "@understudy/core/Guardrails"
import * as Context from "effect/Context"
import * as Effect from "effect/Effect"
import * as Layer from "effect/Layer"
import * as Scope from "effect/Scope"
import type { WebhookSettings } from "../config/GuardrailsSection.ts"

export class ConfiguredGuardrails extends Context.Service<
  ConfiguredGuardrails,
  {
    /** Replaces them. Calls that are running keep those that they began with. */
    readonly replace: (guardrails: ReadonlyArray<WebhookSettings>) => Effect.Effect<void>
  }
>()("@understudy/http/ConfiguredGuardrails") {}

/** The guardrails in force, `configured` at first. What sends webhooks is loaded only if there are any. */
export const layer = (configured: ReadonlyArray<WebhookSettings>): Layer.Layer<Guardrails | ConfiguredGuardrails> =>
  Layer.effectContext(
    Effect.gen(function* () {
      const scope = yield* Effect.scope
      let current: ReadonlyArray<Guardrail> = []
      const maker = yield* Effect.cached(
        Effect.promise(() => import("./WebhookGuardrail.ts")).pipe(
          Effect.flatMap(({ maker }) => maker),
          Effect.provideService(Scope.Scope, scope),
        ),
      )
      const replace = (guardrails: ReadonlyArray<WebhookSettings>) =>
        guardrails.length === 0
          ? Effect.sync(() => void (current = []))
          : Effect.map(maker, (make) => void (current = guardrails.map(make)))
      yield* replace(configured)
      return Context.make(Guardrails, { current: () => current }).pipe(Context.add(ConfiguredGuardrails, { replace }))
    }),
  )
