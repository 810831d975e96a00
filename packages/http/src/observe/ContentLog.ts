/**
 * Logs prompts and answers. Enabled by `--log-content` only, because they are users' data. A layer over the `Router`.
 */
import type * as Chat from "@understudy/core/Chat"
import { text } from "@understudy/core/Chat"
import { fieldsOf } from "@understudy/core/Operation"
import { Router } from "@understudy/core/Router"
import * as Effect from "effect/Effect"
import * as Layer from "effect/Layer"
import * as Stream from "effect/Stream"

/** The router in context, with the messages and the answer of each call logged. */
export const layer: Layer.Layer<Router, never, Router> = Layer.effect(
  Router,
  Effect.map(Router, (router) =>
    Router.of({
      ...router,
      chat: (request, options) =>
        Effect.andThen(
          logRequest(request),
          Effect.tap(router.chat(request, options), ({ receipt, response }) => logAnswer(receipt.id, text(response))),
        ),
      embed: (request, options) =>
        Effect.andThen(
          Effect.logInfo(`${request.model} embeddings request`, request.input),
          router.embed(request, options),
        ),
      operate: (request, options) =>
        Effect.andThen(
          Effect.logInfo(`${request.model} ${request.operation} request`, fieldsOf(request)),
          router.operate(request, options),
        ),
      chatStream: (request, options) =>
        Effect.andThen(
          logRequest(request),
          Effect.map(router.chatStream(request, options), (streaming) => {
            let answer = ""
            return {
              ...streaming,
              frames: streaming.frames.pipe(
                Stream.tap(({ parts }) =>
                  Effect.sync(() => {
                    for (const part of parts) if (part.type === "text") answer += part.text
                  }),
                ),
                Stream.onExit(() => logAnswer(streaming.receipt.id, answer)),
              ),
            }
          }),
        ),
    }),
  ),
)

const logRequest = ({ messages, model }: Chat.Request) => Effect.logInfo(`${model} request`, messages)

const logAnswer = (call: string, answer: string) =>
  Effect.annotateLogs(Effect.logInfo(`answer of call ${call}`, answer), { call })
