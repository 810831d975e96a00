/**
 * The order of waiting calls: the classes of priority strictly one after the other, in a class the callers by round robin,
 * and the calls of one caller in the order in which they came. Pure data: it knows neither time nor fibres.
 */
import { priorities } from "../model/Priority.ts"

/** What waits: the rank of its class (see `Priority`), and who called. */
export interface Entry {
  readonly rank: number
  readonly caller: string
}

/** The waiting calls of one caller in one class. Never empty. */
interface Flow<A> {
  readonly caller: string
  readonly entries: Array<A>
}

export class FairQueue<A extends Entry> {
  /** By class, the flows in the order of their turns. */
  readonly #classes: ReadonlyArray<Array<Flow<A>>> = priorities.map(() => [])
  #size = 0

  get size(): number {
    return this.#size
  }

  /** The entry whose turn it is. */
  get head(): A | undefined {
    for (const flows of this.#classes) if (flows.length > 0) return flows[0]!.entries[0]
    return undefined
  }

  /** Adds an entry as the last one of its caller. */
  add(entry: A): void {
    const flows = this.#flowsOf(entry)
    const flow = flows.find(({ caller }) => caller === entry.caller)
    if (flow === undefined) flows.push({ caller: entry.caller, entries: [entry] })
    else flow.entries.push(entry)
    this.#size++
  }

  /** Removes an entry that was served: its caller's next turn comes after those of the others. */
  serve(entry: A): void {
    const flow = this.#take(entry)
    if (flow === undefined || flow.entries.length === 0) return
    const flows = this.#flowsOf(entry)
    flows.splice(flows.indexOf(flow), 1)
    flows.push(flow)
  }

  /** Removes an entry that leaves. The turns stay as they are. False if it is not there. */
  remove(entry: A): boolean {
    return this.#take(entry) !== undefined
  }

  /**
   * The entry that makes room for another in a full queue: the last one of the caller with the most waiting calls in the lowest
   * class. `undefined` if that class is above the other's, or is the other's and its caller has about as many calls there.
   */
  replacedBy({ caller, rank }: Entry): A | undefined {
    const lowest = this.#classes.findLastIndex((flows) => flows.length > 0)
    if (lowest < rank) return undefined
    const flows = this.#classes[lowest] ?? []
    const longest = flows.reduce((most, flow) => (flow.entries.length > most.entries.length ? flow : most))
    const own = flows.find((flow) => flow.caller === caller)?.entries.length ?? 0
    return lowest > rank || longest.entries.length > own + 1 ? longest.entries.at(-1) : undefined
  }

  #flowsOf({ rank }: Entry): Array<Flow<A>> {
    return this.#classes[rank]!
  }

  /** Takes an entry out of its flow, and the flow out of its class if it is empty then. */
  #take(entry: A): Flow<A> | undefined {
    const flows = this.#flowsOf(entry)
    const index = flows.findIndex(({ caller }) => caller === entry.caller)
    const flow = flows[index]
    const at = flow?.entries.indexOf(entry) ?? -1
    if (flow === undefined || at === -1) return undefined
    flow.entries.splice(at, 1)
    if (flow.entries.length === 0) flows.splice(index, 1)
    this.#size--
    return flow
  }
}
