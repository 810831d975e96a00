import { assert, describe, it } from "@effect/vitest"
import * as Schema from "effect/Schema"
import { rank } from "../../src/model/Priority.ts"
import type { Priority } from "../../src/model/Priority.ts"
import { FairQueue } from "../../src/queue/FairQueue.ts"

interface Call {
  readonly name: string
  readonly caller: string
  readonly rank: number
}

/** `a1 a2 b1`: calls of the callers a and b. A class other than `normal` is written behind: `a1:high`. */
const calls = (text: string): ReadonlyArray<Call> =>
  text.split(" ").map((each) => {
    const [name = "", priority] = each.split(":")
    return { name, caller: name[0] ?? "", rank: rank(priority as Priority | undefined) }
  })

const queueOf = (text: string): FairQueue<Call> => {
  const queue = new FairQueue<Call>()
  for (const call of calls(text)) queue.add(call)
  return queue
}

const served = (queue: FairQueue<Call>): string => {
  const names: Array<string> = []
  for (let { head } = queue; head !== undefined; { head } = queue) {
    names.push(head.name)
    queue.serve(head)
  }
  return names.join(" ")
}

describe("FairQueue", () => {
  it("serves the calls of one caller in the order in which they came", () => {
    assert.strictEqual(served(queueOf("a1 a2 a3")), "a1 a2 a3")
  })

  it("serves callers by round robin", () => {
    assert.strictEqual(served(queueOf("a1 a2 a3 a4 b1 c1 c2")), "a1 b1 c1 a2 c2 a3 a4")
  })

  it("serves a higher class before a lower one", () => {
    assert.strictEqual(served(queueOf("a1:low b1 b2 c1:high a2:high")), "c1 a2 b1 b2 a1")
  })

  it("keeps the turns when a call leaves", () => {
    const queue = queueOf("a1 a2 b1 c1")
    const first = queue.head!
    assert.isTrue(queue.remove(first))
    assert.isFalse(queue.remove(first))
    assert.strictEqual(served(queue), "a2 b1 c1")
  })

  it("makes room by the last call of the caller with the most waiting calls in the lowest class", () => {
    const replaced = (queue: string, call: string) => queueOf(queue).replacedBy(calls(call)[0]!)?.name
    assert.strictEqual(replaced("a1 a2 a3 b1", "b2"), "a3")
    assert.strictEqual(replaced("a1 a2", "c1"), "a2")
    assert.strictEqual(replaced("a1 a2 b1", "b2"), undefined)
    assert.strictEqual(replaced("a1 b1", "c1"), undefined)
    assert.strictEqual(replaced("a1:low b1", "c1"), "a1")
    assert.strictEqual(replaced("a1:high b1:high", "c1"), undefined)
    assert.strictEqual(replaced("a1 a2 a3", "b1:low"), undefined)
    assert.strictEqual(replaced("a1", "a2:high"), "a1")
  })

  const step = Schema.Struct({
    does: Schema.Literals(["add", "serve", "remove"]),
    caller: Schema.Literals(["a", "b", "c", "d"]),
    rank: Schema.Literals([0, 1, 2]),
    index: Schema.Int.check(Schema.isBetween({ minimum: 0, maximum: 20 })),
  })

  it.prop(
    "loses no call, serves each caller in order, and no caller twice while another of its class waits all along",
    { steps: Schema.Array(step) },
    ({ steps }) => {
      const queue = new FairQueue<Call>()
      let waiting: Array<Call> = []
      /** The calls served since each waiting caller of a class was last served, or came. */
      const since = new Map<string, Array<string>>()
      const flow = ({ caller, rank }: Pick<Call, "caller" | "rank">) => `${rank}${caller}`
      const drop = (call: Call) => {
        waiting = waiting.filter((each) => each !== call)
        if (!waiting.some((each) => flow(each) === flow(call))) since.delete(flow(call))
      }
      steps.forEach(({ caller, does, index, rank }, name) => {
        if (does === "add") {
          const call = { name: String(name), caller, rank }
          queue.add(call)
          if (!since.has(flow(call))) since.set(flow(call), [])
          waiting.push(call)
        } else if (does === "serve") {
          const { head } = queue
          assert.strictEqual(head === undefined, waiting.length === 0)
          if (head === undefined) return
          assert.strictEqual(head.rank, Math.min(...waiting.map((each) => each.rank)), "the highest class first")
          const own = waiting.filter((each) => flow(each) === flow(head))
          assert.strictEqual(own[0], head, "the first call of its caller")
          queue.serve(head)
          for (const [each, served] of since) {
            if (each[0] !== flow(head)[0] || each === flow(head)) continue
            served.push(flow(head))
            assert.isAtMost(served.filter((other) => other === flow(head)).length, 1, "no caller twice before another")
          }
          drop(head)
          if (since.has(flow(head))) since.set(flow(head), [])
        } else {
          const call = waiting[index % Math.max(1, waiting.length)]
          if (call === undefined) return
          assert.isTrue(queue.remove(call))
          drop(call)
        }
        assert.strictEqual(queue.size, waiting.length)
      })
      assert.sameMembers(
        served(queue).split(" ").filter(Boolean),
        waiting.map(({ name }) => name),
      )
    },
  )
})
