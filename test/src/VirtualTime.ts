/**
 * Time that passes only when nothing is left to do.
 *
 * `TestClock` keeps its sleepers in a list that it sorts again at every sleep and walks at every wake, and `adjust` spends
 * milliseconds of real time to see that all fibers have come to rest. That is fine for one process; here ten
 * thousand of them sleep at the same time. So: sleepers in a heap, and a scheduler of our own, which knows without
 * waiting whether a fiber has anything left to do. No promise and no timer is involved, so a run depends on nothing but its seed.
 */
import type { Scheduler } from "effect"
import { Clock, Duration, Effect, Runtime } from "effect"

/** What the clock on the wall shows when virtual time is zero. */
const epoch = Date.UTC(2030, 0, 1)

export interface Timer {
  readonly cancel: () => void
}

interface Entry {
  readonly at: number
  /** Tells apart what is due at the same time: first come, first served. */
  readonly turn: number
  run: (() => void) | undefined
}

export class VirtualTime {
  /** Milliseconds since the beginning. */
  now = 0
  private turns = 0
  private stopped = false
  private readonly heap: Array<Entry> = []
  private tasks: Array<() => void> = []

  readonly scheduler: Scheduler.Scheduler = {
    scheduleTask: (task) => {
      this.tasks.push(task)
    },
    // the same as everywhere: a fiber that works for long lets others go first
    shouldYield: (fiber) => fiber.currentOpCount > 2048 ? 0 : false
  }

  /** Runs something later. */
  after(delay: number, run: () => void): Timer {
    const entry: Entry = { at: this.now + Math.max(0, delay), turn: this.turns++, run }
    this.push(entry)
    return {
      cancel: () => {
        entry.run = undefined
      }
    }
  }

  at(moment: number, run: () => void): Timer {
    return this.after(moment - this.now, run)
  }

  fork<A, E, R>(runtime: Runtime.Runtime<R>, effect: Effect.Effect<A, E, R>) {
    return Runtime.runFork(runtime, effect, { scheduler: this.scheduler })
  }

  /** Runs an effect that waits for something outside of the simulation, before time begins to pass. */
  async outside<A, E>(effect: Effect.Effect<A, E>): Promise<A> {
    const fiber = this.fork(Runtime.defaultRuntime, effect)
    for (;;) {
      this.settle()
      const exit = fiber.unsafePoll()
      if (exit !== null) return Effect.runSync(exit)
      await new Promise((resolve) => setImmediate(resolve))
    }
  }

  /** Ends {@link advance} before anything else happens. */
  stop(): void {
    this.stopped = true
  }

  /** Lets time pass. Between two moments everybody who has anything to do does it. */
  advance(to: number): void {
    this.settle()
    while (!this.stopped) {
      const first = this.heap[0]
      if (first === undefined || first.at > to) {
        this.now = to
        return
      }
      this.pop()
      if (first.run === undefined) continue
      this.now = first.at
      first.run()
      this.settle()
    }
  }

  /** How many sleep. */
  get sleeping(): number {
    return this.heap.reduce((count, { run }) => run === undefined ? count : count + 1, 0)
  }

  private settle(): void {
    while (this.tasks.length > 0) {
      const tasks = this.tasks
      this.tasks = []
      for (const task of tasks) task()
    }
  }

  private push(entry: Entry): void {
    const { heap } = this
    let place = heap.push(entry) - 1
    while (place > 0) {
      const parent = (place - 1) >> 1
      if (isBefore(heap[parent]!, entry)) break
      heap[place] = heap[parent]!
      place = parent
    }
    heap[place] = entry
  }

  private pop(): void {
    const { heap } = this
    const last = heap.pop()!
    if (heap.length === 0) return
    let place = 0
    for (;;) {
      let child = 2 * place + 1
      if (child >= heap.length) break
      if (child + 1 < heap.length && isBefore(heap[child + 1]!, heap[child]!)) child++
      if (isBefore(last, heap[child]!)) break
      heap[place] = heap[child]!
      place = child
    }
    heap[place] = last
  }
}

const isBefore = (a: Entry, b: Entry): boolean => a.at < b.at || (a.at === b.at && a.turn < b.turn)

/** The clocks of one host: somewhat off, somewhat fast or slow, and set right, or wrong, now and then. */
export class HostClock implements Clock.Clock {
  readonly [Clock.ClockTypeId]: Clock.ClockTypeId = Clock.ClockTypeId

  constructor(
    private readonly time: VirtualTime,
    /** How far the wall clock is ahead. */
    private offset: number,
    /** By which part the clocks run fast. */
    private readonly drift: number
  ) {}

  /** Sets the wall clock; the steady one does not notice. */
  step(by: number): void {
    this.offset += by
  }

  unsafeCurrentTimeMillis(): number {
    return Math.floor(epoch + this.offset + this.time.now * (1 + this.drift))
  }

  unsafeCurrentTimeNanos(): bigint {
    return BigInt(Math.floor(this.time.now * (1 + this.drift) * 1000)) * 1000n
  }

  readonly currentTimeMillis = Effect.sync(() => this.unsafeCurrentTimeMillis())

  readonly currentTimeNanos = Effect.sync(() => this.unsafeCurrentTimeNanos())

  sleep(duration: Duration.Duration): Effect.Effect<void> {
    return Effect.async<void>((resume) => {
      const timer = this.wake(duration, () => resume(Effect.void))
      return Effect.sync(timer.cancel)
    })
  }

  scheduler(): Effect.Effect<Clock.ClockScheduler> {
    return Effect.succeed({
      [Clock.ClockTypeId]: Clock.ClockTypeId,
      unsafeSchedule: (task: () => void, duration: Duration.Duration) => {
        const timer = this.wake(duration, task)
        return () => {
          timer.cancel()
          return true
        }
      }
    } as unknown as Clock.ClockScheduler)
  }

  private wake(duration: Duration.Duration, run: () => void): Timer {
    return this.time.after(Duration.toMillis(duration) / (1 + this.drift), run)
  }
}
