/**
 * One process of a fleet: a source of tokens that shares them, and callers on command. What it prints of tokens are
 * hashes.
 */
import { createHash } from "node:crypto"
import * as HttpClient from "@effect/platform/HttpClient"
import * as NodeContext from "@effect/platform-node/NodeContext"
import * as NodeHttpClient from "@effect/platform-node/NodeHttpClient"
import * as NodeRuntime from "@effect/platform-node/NodeRuntime"
import * as RedisTokenStore from "@effect-bearer/redis/RedisTokenStore"
import * as Cause from "effect/Cause"
import * as Duration from "effect/Duration"
import * as Effect from "effect/Effect"
import * as Exit from "effect/Exit"
import * as Layer from "effect/Layer"
import * as Logger from "effect/Logger"
import * as LogLevel from "effect/LogLevel"
import * as Option from "effect/Option"
import * as Redacted from "effect/Redacted"
import * as Runtime from "effect/Runtime"
import * as Stream from "effect/Stream"
import type * as AccessToken from "effect-bearer/AccessToken"
import * as ClientAuthentication from "effect-bearer/ClientAuthentication"
import * as RefreshToken from "effect-bearer/RefreshToken"
import type * as TokenError from "effect-bearer/TokenError"
import type * as TokenEvent from "effect-bearer/TokenEvent"
import * as TokenRequest from "effect-bearer/TokenRequest"
import * as TokenSource from "effect-bearer/TokenSource"
import * as TokenStore from "effect-bearer/TokenStore"
import type { Command, Message, Report, Request, Served, Settings, Step, Store } from "./protocol.js"

const settings = JSON.parse(process.env.WORKER_SETTINGS ?? "{}") as Settings

const say = (message: Message, said?: () => void) => void process.send?.(message, undefined, undefined, said)

// ---------------------------------------------------------------------------------------------------------------
// stopping at a step
// ---------------------------------------------------------------------------------------------------------------

let armed: Step | undefined

/** Nothing of this process goes on from here, no timer either, until somebody sends SIGCONT. */
const pass = (step: Step): Effect.Effect<void> =>
  Effect.suspend(() => {
    if (armed !== step) return Effect.void
    armed = undefined
    return Effect.async<void>((resume) => {
      say({ _tag: "Stopped", step }, () => {
        process.kill(process.pid, "SIGSTOP")
        resume(Effect.void)
      })
    })
  })

const withSteps = (store: TokenStore.Service): TokenStore.Service => ({
  ...store,
  acquire: (key, ttl) =>
    pass("before acquire").pipe(
      Effect.zipRight(store.acquire(key, ttl)),
      Effect.tap((lease) => Option.isSome(lease) ? pass("after acquire") : Effect.void)
    ),
  put: (token, lease) =>
    pass("before put").pipe(Effect.zipRight(store.put(token, lease)), Effect.zipLeft(pass("after put"))),
  release: (lease) => Effect.zipLeft(store.release(lease), pass("after release"))
})

// ---------------------------------------------------------------------------------------------------------------
// the source
// ---------------------------------------------------------------------------------------------------------------

const storeOf = (
  store: Store,
  timeout: number
): Layer.Layer<TokenStore.TokenStore, TokenError.InvalidConfiguration> => {
  switch (store._tag) {
    case "Redis":
      return RedisTokenStore.layer({ url: store.url, timeout })
    case "Sentinel":
      return RedisTokenStore.layer({
        sentinel: { name: store.name, sentinelRootNodes: store.ports.map((port) => ({ host: "127.0.0.1", port })) },
        timeout
      })
    case "Cluster":
      return RedisTokenStore.layer({ cluster: { rootNodes: store.urls.map((url) => ({ url })) }, timeout })
    case "File":
      return TokenStore.layerFile({ directory: store.directory }).pipe(Layer.provide(NodeContext.layer))
  }
}

const Steps = Layer.effect(TokenStore.TokenStore, Effect.map(TokenStore.TokenStore, withSteps)).pipe(
  Layer.provide(storeOf(settings.store, settings.storeTimeout))
)

let requestsAt: Array<number> = []

/** Taken where nothing can delay it that happens to the server, or on the way there. */
const noteRequest = Effect.sync(() => requestsAt.push(performance.timeOrigin + performance.now()))

const Client = Layer.effect(
  HttpClient.HttpClient,
  Effect.map(
    HttpClient.HttpClient,
    HttpClient.transform((response) =>
      pass("before fetch").pipe(
        Effect.zipRight(noteRequest),
        Effect.zipRight(response),
        Effect.zipLeft(pass("after fetch"))
      )
    )
  )
).pipe(Layer.provide(NodeHttpClient.layerUndici))

const endpoint = {
  tokenEndpoint: settings.tokenEndpoint,
  clientId: settings.clientId,
  authentication: ClientAuthentication.basic(Redacted.make(settings.secret)),
  timeout: Duration.millis(settings.endpointTimeout)
}

const sharing = { lease: settings.lease, timeout: settings.storeTimeout }

const withRefreshToken = (refreshToken: string) =>
  Effect.gen(function*() {
    // however many there are, and whatever becomes of them, each gets its turn
    const patience = 10 * settings.lease
    const store = yield* RefreshToken.shared({ ...sharing, patience, namespace: settings.clientId })
    const source = yield* TokenSource.refreshToken({ ...endpoint, refreshToken: Redacted.make(refreshToken), store })
    return yield* TokenSource.managed({ shared: false })(source)
  })

const Tokens = (settings.refreshToken === undefined
  ? TokenSource.layer({ ...endpoint, shared: { ...sharing, poll: "100 millis" } })
  : Layer.scoped(TokenSource.TokenSource, withRefreshToken(settings.refreshToken))).pipe(
    Layer.provide(Steps),
    Layer.provide(Client)
  )

// ---------------------------------------------------------------------------------------------------------------
// callers
// ---------------------------------------------------------------------------------------------------------------

/** What some callers saw. */
class Seen {
  private calls = 0
  private waited = 0
  private heldUp = 0
  private expired = 0
  private readonly failures: Array<string> = []
  private readonly tokens = new Map<AccessToken.AccessToken, { -readonly [K in keyof Served]: Served[K] }>()

  wait(isHeld: boolean): void {
    this.waited++
    if (isHeld) this.heldUp++
  }

  /** `now` is a moment at which the token was to be good, at the latest when it was handed out. */
  take(exit: Exit.Exit<AccessToken.AccessToken, TokenError.TokenError>, now: number): void {
    this.calls++
    if (Exit.isFailure(exit)) {
      this.failures.push(Cause.pretty(exit.cause))
      return
    }
    const token = exit.value
    if (Option.exists(token.expiresAt, (expiresAt) => expiresAt <= now)) this.expired++
    const served = this.tokens.get(token)
    if (served === undefined) {
      const hash = createHash("sha256").update(Redacted.value(token.value)).digest("hex")
      this.tokens.set(token, { hash, calls: 1, first: now, last: now })
    } else {
      served.calls++
      served.last = now
    }
  }

  report(events: Report["events"]): Report {
    const { calls, expired, failures, heldUp, waited } = this
    return { calls, waited, heldUp, failures, expired, tokens: [...this.tokens.values()], requestsAt, events }
  }
}

const program = Effect.gen(function*() {
  const source = yield* TokenSource.TokenSource
  const runFork = Runtime.runFork(yield* Effect.runtime())

  let events: Record<string, number> = {}
  const count = (event: TokenEvent.TokenEvent) => {
    const name = event._tag === "StoreFailed" ? `StoreFailed ${event.operation} ${event.reason}` : event._tag
    events[name] = (events[name] ?? 0) + 1
  }
  yield* Stream.runForEach(yield* TokenSource.subscribe(source), (event) => Effect.sync(() => count(event))).pipe(
    Effect.forkScoped
  )

  /** One caller asks once. Whether it had to wait is seen without looking at a clock. */
  const call = (seen: Seen, request: TokenRequest.TokenRequest | undefined): Effect.Effect<void> =>
    Effect.async<void>((resume) => {
      const askedAt = Date.now()
      const fiber = runFork(source.get(request))
      const exit = fiber.unsafePoll()
      if (exit !== null) {
        // at once: what the machine does to this process afterwards is nobody's fault
        seen.take(exit, askedAt)
        return resume(Effect.void)
      }
      seen.wait(Option.isSome(Effect.runSync(TokenSource.status(source, request)).token))
      fiber.addObserver((exit) => {
        seen.take(exit, Date.now())
        resume(Effect.void)
      })
    })

  const requestOf = (scope: string | undefined) =>
    scope === undefined ? undefined : TokenRequest.make({ scopes: [scope] })

  let seen = new Seen()
  let calling = false

  const collect = (): Report => {
    const report = seen.report(events)
    seen = new Seen()
    events = {}
    requestsAt = []
    return report
  }

  const obey = (command: Command): Effect.Effect<Report> => {
    switch (command._tag) {
      case "Burst": {
        const seen = new Seen()
        const request = requestOf(command.scope)
        return Effect.forEach(Array.from({ length: command.callers }), () => call(seen, request), {
          concurrency: "unbounded",
          discard: true
        }).pipe(Effect.map(() => seen.report(events)))
      }
      case "Begin": {
        calling = true
        const request = requestOf(command.scope)
        for (let caller = 0; caller < command.callers; caller++) {
          runFork(
            Effect.sleep(command.pace).pipe(
              Effect.zipRight(Effect.suspend(() => call(seen, request))),
              Effect.repeat({ while: () => calling }),
              // not all in the same moment
              Effect.delay((command.pace * caller) / command.callers)
            )
          )
        }
        return Effect.sync(() => seen.report(events))
      }
      case "Collect":
        return Effect.sync(collect)
      case "End":
        return Effect.sync(() => {
          calling = false
          return collect()
        })
      case "StopAt":
        return Effect.sync(() => {
          armed = command.step
          return seen.report(events)
        })
    }
  }

  process.on("message", ({ command, id }: Request) => {
    runFork(Effect.map(obey(command), (report) => say({ _tag: "Answer", id, report })))
  })
  say({ _tag: "Ready" })
  return yield* Effect.never
})

// a worker without a test is of no use to anybody
process.on("disconnect", () => process.exit())

NodeRuntime.runMain(
  program.pipe(Effect.provide(Tokens), Effect.scoped, Logger.withMinimumLogLevel(LogLevel.None))
)
