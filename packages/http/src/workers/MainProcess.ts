/**
 * The main process as its workers see it: what they ask it, and what it asks them.
 */
import * as Context from "effect/Context"
import * as Deferred from "effect/Deferred"
import * as Effect from "effect/Effect"
import type * as Scope from "effect/Scope"
import {
  type Asks,
  type FromMain,
  type FromWorker,
  Outbox,
  type Question,
  type Reclaim,
  type Shutdown,
  type StateChange,
  type Tells,
  type Topic,
} from "./Protocol.ts"

/** The variable with the number of a worker, which the main process sets. */
export const variable = "UNDERSTUDY_WORKER"

/** The number of this worker, from 1; `undefined` in a process that no main process has started. */
export const number = (): number | undefined => {
  const number = Number(process.env[variable])
  return process.send !== undefined && number >= 1 ? number : undefined
}

/** The connection of a worker to its main process. */
export interface Connection {
  /** The number of the worker, from 1. One that replaces another has its number. */
  readonly worker: number
  /** Asks, and waits for the reply. A reply that nothing waits for any more is dropped, but what was asked has happened. */
  readonly ask: <Type extends keyof Asks>(type: Type, body: Asks[Type]["ask"]) => Effect.Effect<Asks[Type]["reply"]>
  /** Tells, at the end of this turn of the event loop; or later, with the next message; or now, before this returns. */
  readonly tell: <Type extends keyof Tells>(type: Type, body: Tells[Type], when?: "later" | "now") => void
  /** Calls a function with each change of a circuit or a cooldown that the main process has sent and will send. */
  readonly onChange: (listener: (change: StateChange) => void) => void
  /** Calls a function when the worker is to return what it has leased. There is one at a time. */
  readonly onReclaim: (listener: (reclaim: Reclaim) => void) => void
  /** Answers the questions on a topic, until the scope closes. A worker without an answer says nothing. */
  readonly answer: (
    topic: Topic,
    answer: (text: string) => Effect.Effect<string>,
  ) => Effect.Effect<void, never, Scope.Scope>
  /** Waits until the worker shall shut down. */
  readonly shutdown: Effect.Effect<Shutdown>
  /** Waits until it shall do so without a delay, and without waiting for running calls. */
  readonly hurry: Effect.Effect<void>
  readonly end: Effect.Effect<void>
}

export class MainProcess extends Context.Service<MainProcess, Connection>()("@understudy/http/MainProcess") {}

type Answer = (text: string) => Effect.Effect<string>

/** Connects a worker. A process can be connected once. */
export const connect = (worker: number): Connection => {
  const outbox = new Outbox<FromWorker>((batch) => void process.send?.(batch))
  const waiting = new Map<number, (reply: unknown) => void>()
  const listeners: Array<(change: StateChange) => void> = []
  /** The last change of each circuit and cooldown, for those who listen later: a worker loads for a while after its hello. */
  const changes = new Map<string, StateChange>()
  const answers = new Map<string, (question: Question) => Promise<string>>()
  const steps = {
    drain: Deferred.makeUnsafe<Shutdown>(),
    hurry: Deferred.makeUnsafe<void>(),
    end: Deferred.makeUnsafe<void>(),
  }
  let asked = 0
  let reclaim: (reclaim: Reclaim) => void = () => {}

  const receive = (message: FromMain): void => {
    switch (message.type) {
      case "reply":
        waiting.get(message.id)?.(message.body)
        return void waiting.delete(message.id)
      case "state": {
        const change = message.body
        changes.set("circuit" in change ? `circuit ${change.circuit}` : `cooldown ${change.cooldown}`, change)
        return listeners.forEach((listener) => listener(change))
      }
      case "reclaim":
        return reclaim(message.body)
      case "ping":
        return outbox.add({ type: "pong", body: null })
      case "question":
        return void (answers.get(message.body.topic)?.(message.body) ?? Promise.resolve("")).then((text) =>
          outbox.add({ type: "answer", body: { question: message.id, text } }),
        )
      case "shutdown":
        if (message.body !== "drain") Deferred.doneUnsafe(steps.hurry, Effect.void)
        if (message.body === "end") Deferred.doneUnsafe(steps.end, Effect.void)
        return void Deferred.doneUnsafe(steps.drain, Effect.succeed(message.body))
    }
  }
  process.on("message", (batch: ReadonlyArray<FromMain>) => batch.forEach(receive))

  return {
    worker,
    ask: <Type extends keyof Asks>(type: Type, body: Asks[Type]["ask"]) =>
      Effect.callback<Asks[Type]["reply"]>((resume) => {
        const id = ++asked
        waiting.set(id, (reply) => resume(Effect.succeed(reply as Asks[Type]["reply"])))
        outbox.add({ id, type, body } as FromWorker)
      }),
    tell: (type, body, when) => {
      const message = { type, body } as FromWorker
      if (when === "later") outbox.addLater(message)
      else if (when === "now") outbox.addNow(message)
      else outbox.add(message)
    },
    onChange: (listener) => {
      changes.forEach((change) => listener(change))
      listeners.push(listener)
    },
    onReclaim: (listener) => void (reclaim = listener),
    answer: (topic, answer: Answer) =>
      Effect.contextWith((context: Context.Context<Scope.Scope>) => {
        const run = Effect.runPromiseWith(context)
        return Effect.asVoid(
          Effect.acquireRelease(
            Effect.sync(() => answers.set(topic, ({ text }) => run(answer(text)))),
            () => Effect.sync(() => answers.delete(topic)),
          ),
        )
      }),
    shutdown: Deferred.await(steps.drain),
    hurry: Deferred.await(steps.hurry),
    end: Deferred.await(steps.end),
  }
}
