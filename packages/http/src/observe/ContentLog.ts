/**
 * What was asked and answered, in the log: only for those who ask for it by `--log-content`, since it is their users'
 * words. A layer over the `Router`; where it is left out, nothing is collected.
 */
import type * as Chat from "@understudy/core/Chat"
import { text } from "@understudy/core/Chat"
import { Router } from "@understudy/core/Router"
import * as Effect from "effect/Effect"
import * as Layer from "effect/Layer"
import * as Stream from "effect/Stream"

/** The router given, logging every call's messages and every answer's words. */
export const layer: Layer.Layer<Router, never, Router> = Layer.effect(
  Router,
  Effect.map(Router, (router) =>
    Router.of({
      ...router,
      chat: (request, options) =>
        Effect.andThen(
          asked(request),
          Effect.tap(router.chat(request, options), ({ receipt, response }) => answered(receipt.id, text(response))),
        ),
      embed: (request, options) =>
        Effect.andThen(
          Effect.logInfo(`${request.model} was asked to embed`, request.input),
          router.embed(request, options),
        ),
      chatStream: (request, options) =>
        Effect.andThen(
          asked(request),
          Effect.map(router.chatStream(request, options), (streaming) => {
            let words = ""
            return {
              ...streaming,
              frames: streaming.frames.pipe(
                Stream.tap(({ parts }) =>
                  Effect.sync(() => {
                    for (const part of parts) if (part.type === "text") words += part.text
                  }),
                ),
                Stream.onExit(() => answered(streaming.receipt.id, words)),
              ),
            }
          }),
        ),
    }),
  ),
)

const asked = ({ messages, model }: Chat.Request) => Effect.logInfo(`${model} was asked`, messages)

const answered = (call: string, words: string) =>
  Effect.annotateLogs(Effect.logInfo("it was answered", words), { call })
