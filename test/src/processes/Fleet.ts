/** Real processes that share tokens. All of them are gone when the scope is closed, whatever state they are in. */
import type { ChildProcess } from "node:child_process"
import { spawn } from "node:child_process"
import type { Scope } from "effect"
import { Deferred, Effect } from "effect"
import { bundle } from "../../bundle.js"
import type { Command, Message, Report, Request, Settings, Step } from "./protocol.js"

const program = bundle(new URL(".", import.meta.url), ["worker.ts"])

export interface Worker {
  /** That many callers at once. */
  readonly burst: (callers: number, scope?: string) => Effect.Effect<Report>
  /** That many callers, each asking once in `pace` milliseconds, until `end`. */
  readonly begin: (callers: number, options: { readonly pace: number; readonly scope?: string }) => Effect.Effect<void>
  /** What those callers saw since they were asked for that the last time. */
  readonly collect: Effect.Effect<Report>
  readonly end: Effect.Effect<Report>
  /** Has the process stop itself the next time it comes to that step; never, if there is none. */
  readonly stopAt: (step: Step | undefined) => Effect.Effect<void>
  /** Waits until it has stopped itself. */
  readonly stopped: Effect.Effect<Step>
  readonly signal: (name: "SIGKILL" | "SIGSTOP" | "SIGCONT") => Effect.Effect<void>
}

const hire = (settings: Settings): Effect.Effect<Worker, never, Scope.Scope> =>
  Effect.gen(function*() {
    const ready = yield* Deferred.make<void>()
    let stopped = yield* Deferred.make<Step>()
    const open = new Map<number, (answer: Effect.Effect<Report>) => void>()
    let errors = ""
    let asked = 0
    let ended = false

    const child = yield* Effect.acquireRelease(
      Effect.sync((): ChildProcess =>
        spawn(process.execPath, ["--enable-source-maps", program("worker.ts")], {
          stdio: ["ignore", "ignore", "pipe", "ipc"],
          env: { ...process.env, WORKER_SETTINGS: JSON.stringify(settings) }
        })
      ),
      (child) =>
        Effect.async<void>((resume) => {
          if (ended) return resume(Effect.void)
          child.once("close", () => resume(Effect.void))
          child.kill("SIGKILL")
        })
    )
    child.stderr?.setEncoding("utf8").on("data", (text: string) => errors += text)
    child.on("message", (message: Message) => {
      switch (message._tag) {
        case "Ready":
          return Deferred.unsafeDone(ready, Effect.void)
        case "Stopped":
          return Deferred.unsafeDone(stopped, Effect.succeed(message.step))
        case "Answer": {
          open.get(message.id)?.(Effect.succeed(message.report))
          open.delete(message.id)
        }
      }
    })
    child.on("close", (code, signal) => {
      ended = true
      const end = Effect.die(new Error(`A worker has ended (${signal ?? code}). ${errors}`))
      Deferred.unsafeDone(ready, end)
      Deferred.unsafeDone(stopped, end)
      for (const answer of open.values()) answer(end)
    })
    // a message to a process that has just died
    child.on("error", () => {})
    yield* Deferred.await(ready)

    const ask = (command: Command): Effect.Effect<Report> =>
      Effect.async((resume) => {
        if (ended) return resume(Effect.die(new Error("The worker has ended.")))
        const request: Request = { id: asked++, command }
        open.set(request.id, resume)
        child.send(request)
      })

    return {
      burst: (callers, scope) => ask({ _tag: "Burst", callers, scope }),
      begin: (callers, { pace, scope }) => Effect.asVoid(ask({ _tag: "Begin", callers, pace, scope })),
      collect: ask({ _tag: "Collect" }),
      end: ask({ _tag: "End" }),
      stopAt: (step) =>
        Effect.zipRight(
          Effect.map(Deferred.make<Step>(), (next) => void (stopped = next)),
          Effect.asVoid(ask({ _tag: "StopAt", step }))
        ),
      stopped: Effect.suspend(() => Deferred.await(stopped)),
      signal: (name) => Effect.sync(() => void child.kill(name))
    }
  })

/** That many workers, all of them ready. */
export const start = (size: number, settings: Settings): Effect.Effect<ReadonlyArray<Worker>, never, Scope.Scope> =>
  Effect.all(Array.from({ length: size }, () => hire(settings)), { concurrency: "unbounded" })

/** The same of all workers at the same time. */
export const all = <A>(
  workers: ReadonlyArray<Worker>,
  f: (worker: Worker) => Effect.Effect<A>
): Effect.Effect<Array<A>> => Effect.forEach(workers, f, { concurrency: "unbounded" })

/** What all of them saw. */
export const sum = (reports: ReadonlyArray<Report>) => {
  const events: Record<string, number> = {}
  for (const report of reports) {
    for (const [name, count] of Object.entries(report.events)) events[name] = (events[name] ?? 0) + count
  }
  const total = (number: (report: Report) => number) => reports.reduce((sum, report) => sum + number(report), 0)
  return {
    calls: total(({ calls }) => calls),
    waited: total(({ waited }) => waited),
    heldUp: total(({ heldUp }) => heldUp),
    expired: total(({ expired }) => expired),
    failures: reports.flatMap(({ failures }) => failures),
    requestsAt: [...new Set(reports.flatMap(({ requestsAt }) => requestsAt))].sort((one, other) => one - other),
    /** Hashes, in the order of their first use. */
    tokens: [
      ...new Set(
        reports.flatMap(({ tokens }) => tokens).sort((one, other) => one.first - other.first).map(({ hash }) => hash)
      )
    ],
    events
  }
}

/**
 * How long it took at least, as a part of the lifetime, from one token request of the fleet to the next: 0.7 where
 * there is one per lifecycle, for renewal begins after three quarters of a life, or up to a twentieth earlier. It is measured where the
 * requests leave; what a busy machine does to them later does not count.
 */
export const shortestLifecycle = (requestsAt: ReadonlyArray<number>, lifetime: number): number =>
  Math.min(...requestsAt.slice(1).map((at, index) => at - requestsAt[index]!)) / lifetime

/** What that many callers of each worker see, all of them at the same time. */
export const burst = (workers: ReadonlyArray<Worker>, callers: number, scope?: string) =>
  Effect.map(all(workers, (worker) => worker.burst(callers, scope)), sum)
