/**
 * Virtual time: a clock that stands still while anything runs, and then goes to the next time at which a fibre or a timer is
 * due. A day takes as long as its work.
 *
 * Fibres that run by its clock and its scheduler run in one order, which depends on nothing but what they do: not on the
 * machine, not on the event loop.
 */
import * as Clock from "effect/Clock"
import * as Context from "effect/Context"
import * as Duration from "effect/Duration"
import * as Effect from "effect/Effect"
import * as Scheduler from "effect/Scheduler"
import type { TimerClock } from "../policy/Timer.ts"

/** Something that is due at a time. */
interface Due {
  readonly at: number
  /** Of two that are due at one time, the one that was added first comes first. */
  readonly order: number
  run: (() => void) | undefined
}

export class VirtualTime {
  readonly #tasks = new Tasks()
  readonly #timers = new Timers()
  #now: number
  #order = 0

  /** `start` is in clock milliseconds. */
  constructor(start = 0) {
    this.#now = start
  }

  /** Clock milliseconds. */
  get now(): number {
    return this.#now
  }

  /** Runs `due` after some milliseconds; the result stops the timer. */
  readonly startTimer = (millis: number, due: () => void): (() => void) => {
    const timer: Due = { at: this.#now + Math.max(0, millis), order: this.#order++, run: due }
    this.#timers.add(timer)
    return () => {
      if (timer.run === undefined) return
      timer.run = undefined
      this.#timers.stopped()
    }
  }

  readonly clock: TimerClock = {
    currentTimeMillisUnsafe: () => this.#now,
    currentTimeMillis: Effect.sync(() => this.#now),
    currentTimeNanosUnsafe: () => nanosOf(this.#now),
    currentTimeNanos: Effect.sync(() => nanosOf(this.#now)),
    monotonicTimeNanosUnsafe: () => nanosOf(this.#now),
    monotonicTimeNanos: Effect.sync(() => nanosOf(this.#now)),
    startTimer: this.startTimer,
    sleep: (duration) =>
      Effect.callback((resume) => {
        const millis = Duration.toMillis(duration)
        if (millis === Number.POSITIVE_INFINITY) return undefined
        const stop = this.startTimer(millis, () => resume(Effect.void))
        return Effect.sync(stop)
      }),
  }

  readonly scheduler: Scheduler.Scheduler = {
    executionMode: "async",
    shouldYield: (fiber) => fiber.currentOpCount >= fiber.cache.maxOpsBeforeYield,
    makeDispatcher: () => ({
      scheduleTask: (task, priority) => this.#tasks.add(task, priority),
      flush: () => this.#tasks.run(),
    }),
  }

  /** A context in which effects run by this time. */
  within<R>(context: Context.Context<R>): Context.Context<R> {
    return context.pipe(Context.add(Clock.Clock, this.clock), Context.add(Scheduler.Scheduler, this.scheduler))
  }

  /** Whether nothing is due any more. */
  get isIdle(): boolean {
    return this.#timers.isEmpty
  }

  /** Goes to the next time at which something is due, and lets all run that it leads to. Returns whether there was such a time. */
  step(): boolean {
    this.#tasks.run()
    const timer = this.#timers.next()
    if (timer === undefined) return false
    this.#now = timer.at
    const { run } = timer
    timer.run = undefined
    run?.()
    this.#tasks.run()
    return true
  }
}

const nanosOf = (millis: number): bigint => BigInt(Math.round(millis * 1000)) * 1000n

/** Tasks by priority, the lowest number first, each in the order in which they were added. */
class Tasks {
  #waiting: Array<{ readonly priority: number; readonly tasks: Array<() => void> }> = []
  #isRunning = false

  add(task: () => void, priority: number): void {
    const waiting = this.#waiting
    let index = 0
    while (index < waiting.length && waiting[index]!.priority < priority) index++
    if (waiting[index]?.priority === priority) waiting[index]!.tasks.push(task)
    else waiting.splice(index, 0, { priority, tasks: [task] })
  }

  run(): void {
    if (this.#isRunning) return
    this.#isRunning = true
    try {
      while (this.#waiting.length > 0) {
        const all = this.#waiting
        this.#waiting = []
        for (const { tasks } of all) for (const task of tasks) task()
      }
    } finally {
      this.#isRunning = false
    }
  }
}

/** A binary heap. A timer that was stopped stays in it until it comes up, or until half of them are stopped. */
class Timers {
  #heap: Array<Due> = []
  #stopped = 0

  add(timer: Due): void {
    const heap = this.#heap
    let index = heap.length
    heap.push(timer)
    while (index > 0) {
      const parent = (index - 1) >> 1
      if (!isBefore(timer, heap[parent]!)) break
      heap[index] = heap[parent]!
      index = parent
    }
    heap[index] = timer
  }

  /** Takes out the next timer that was not stopped. */
  next(): Due | undefined {
    for (let first = this.#take(); first !== undefined; first = this.#take()) {
      if (first.run !== undefined) return first
      this.#stopped--
    }
    return undefined
  }

  get isEmpty(): boolean {
    return this.#heap.length === this.#stopped
  }

  stopped(): void {
    this.#stopped++
    if (this.#stopped < 1000 || this.#stopped < this.#heap.length / 2) return
    const left = this.#heap.filter(({ run }) => run !== undefined)
    this.#heap = []
    this.#stopped = 0
    for (const timer of left) this.add(timer)
  }

  #take(): Due | undefined {
    const heap = this.#heap
    const first = heap[0]
    const last = heap.pop()
    if (first === undefined || last === undefined || first === last) return first
    let index = 0
    for (;;) {
      let child = 2 * index + 1
      if (child >= heap.length) break
      if (child + 1 < heap.length && isBefore(heap[child + 1]!, heap[child]!)) child++
      if (!isBefore(heap[child]!, last)) break
      heap[index] = heap[child]!
      index = child
    }
    heap[index] = last
    return first
  }
}

const isBefore = (one: Due, other: Due): boolean =>
  one.at < other.at || (one.at === other.at && one.order < other.order)
