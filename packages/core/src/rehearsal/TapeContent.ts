/**
 * The content of a tape, for a replay: its calls as traffic, and the attempts of each deployment.
 */
import type { Capability } from "../model/Call.ts"
import { isName as isOperation } from "../model/Operation.ts"
import { Recorded } from "./TapeFates.ts"
import type { Call, Item } from "./tape/Tape.ts"
import type { PlannedCall } from "./Traffic.ts"

export class TapeContent {
  readonly #calls: Array<PlannedCall> = []
  #isSorted = true
  readonly #attempts = new Map<string, Recorded>()
  /** The content of the last call of a caller on a route: a call that a cache answered asked for one that came before. */
  readonly #contents = new Map<string, number>()
  /** The smallest share of calls that was recorded, from 0 to 1. */
  sample = 1
  /** Calls that were lost, and parts that could not be read. */
  lost = 0
  damaged = 0
  /** Attempts that had an injected fault: no attempt of a replay is drawn from them. */
  injected = 0

  add(item: Item): void {
    switch (item._tag) {
      case "Segment":
        this.sample = Math.min(this.sample, item.sample)
        this.lost += item.lost
        return
      case "Damage":
        this.damaged++
        return
      case "Call":
        // Other operations than chat and embeddings are recorded, and not modeled.
        if (isOperation(item.operation)) return
        // The copies of calls for shadows are made again by the routes that have one.
        if (!item.shadow) this.#addCall(item)
        for (const attempt of item.attempts) {
          if (attempt.injected !== undefined) this.injected++
          this.attemptsOf(attempt.deployment).add(attempt)
        }
    }
  }

  #addCall(call: Call): void {
    const number = this.#calls.length
    const { attempts, cache, caller, deployment, needs, operation, route } = call
    const answering = attempts.findLast((attempt) => attempt.outcome === "success" && attempt.deployment === deployment)
    const usage = answering?.usage ?? attempts.find((attempt) => attempt.usage !== undefined)?.usage
    const asker = `${caller ?? ""}\n${route}`
    const content = cache === "hit" ? (this.#contents.get(asker) ?? number) : number
    this.#contents.set(asker, content)
    this.#isSorted = false
    this.#calls.push({
      number,
      at: call.startedAt,
      model: call.model,
      operation: operation === "embeddings" ? "embeddings" : "chat",
      streaming: call.streaming,
      inputTokens: Math.max(1, needs?.inputTokens ?? usage?.inputTokens ?? 1),
      outputTokens: Math.max(1, usage?.outputTokens ?? unknownOutput),
      maxTokens: needs === undefined || needs.maxOutputTokens === 0 ? undefined : needs.maxOutputTokens,
      requires: needs?.requires.filter(isCapability),
      caller,
      tags: call.tags,
      content,
    })
  }

  /** What a deployment did. */
  attemptsOf(deployment: string): Recorded {
    let recorded = this.#attempts.get(deployment)
    if (recorded === undefined) this.#attempts.set(deployment, (recorded = new Recorded()))
    return recorded
  }

  /** Its calls, in the order in which they began. */
  get calls(): ReadonlyArray<PlannedCall> {
    if (!this.#isSorted) this.#calls.sort((one, other) => one.at - other.at)
    this.#isSorted = true
    return this.#calls
  }
}

/** The length of an answer whose end is not on the tape, in tokens. */
const unknownOutput = 200

const capabilities: ReadonlySet<string> = new Set<Capability>([
  "tools",
  "vision",
  "audio",
  "files",
  "jsonSchema",
  "reasoning",
])

const isCapability = (name: string): name is Capability => capabilities.has(name)
