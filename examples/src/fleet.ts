/**
 * One token for a whole fleet: the same program in three processes, one token request for all of them.
 *
 * Run it with `node --import tsx examples/src/fleet.ts`: it brings an authorization server and starts the program three
 * times. To see it in three terminals of your own, say `… fleet.ts server` in one and `… fleet.ts terminal` in three
 * others, and stop and start them as you like. With `REDIS_URL` the token is shared through that Redis, otherwise
 * through files. `OAUTH_TOKEN_ENDPOINT`, `OAUTH_CLIENT_ID` and `OAUTH_CLIENT_SECRET` name a server of yours.
 */
import { spawn } from "node:child_process"
import { createHash } from "node:crypto"
import { existsSync, mkdirSync, mkdtempSync, readFileSync, rmSync, writeFileSync } from "node:fs"
import { tmpdir } from "node:os"
import { join } from "node:path"
import { createInterface } from "node:readline"
import { fileURLToPath } from "node:url"
import { NodeContext, NodeHttpClient, NodeRuntime } from "@effect/platform-node"
import { RedisTokenStore } from "@effect-bearer/redis"
import { Console, Effect, Layer, Redacted, Stream } from "effect"
import type { AccessToken } from "effect-bearer"
import { TokenSource, TokenStore } from "effect-bearer"
import * as AuthorizationServer from "./support/AuthorizationServer.js"
import { expect } from "./support/Expect.js"

// ---------------------------------------------------------------------------------------------------------------
// the program
// ---------------------------------------------------------------------------------------------------------------

/** Where the terminals of one machine meet: the files of the store, and what the server among them is called. */
const meetingPlace = process.env.FLEET_DIRECTORY ?? join(tmpdir(), "effect-bearer-fleet")

// This line is all there is to it: `TokenSource.layerConfig` shares its tokens once it is provided with a store.
const Store = process.env.REDIS_URL === undefined
  ? TokenStore.layerFile({ directory: join(meetingPlace, "tokens") }).pipe(Layer.provide(NodeContext.layer))
  : RedisTokenStore.layerConfig()

const Tokens = TokenSource.layerConfig().pipe(Layer.provide([Store, NodeHttpClient.layerUndici]))

/** Enough to tell tokens apart, and of no use to anybody. */
const fingerprint = (token: AccessToken.AccessToken) =>
  createHash("sha256").update(Redacted.value(token.value)).digest("hex").slice(0, 6)

const terminal = Effect.gen(function*() {
  const tokens = yield* TokenSource.TokenSource
  const events = yield* TokenSource.subscribe(tokens)
  let isShared = false
  const follow = Stream.runForEach(events, (event) => {
    switch (event._tag) {
      case "AcquisitionStarted":
        isShared = false
        return Effect.void
      case "TokenShared":
        isShared = true
        return Effect.void
      case "TokenAcquired":
        return Effect.flatMap(
          tokens.get(),
          (token) =>
            Console.log(
              `token ${fingerprint(token)}: ${isShared ? "taken from the store" : "requested from the server"}`
            )
        )
      case "StoreFailed":
        return Console.log(`working alone: ${event.detail}`)
      default:
        return Effect.void
    }
  })
  yield* Effect.forkScoped(follow)
  yield* tokens.get()
  const seconds = Number(process.env.FLEET_SECONDS)
  yield* Number.isFinite(seconds) ? Effect.sleep(seconds * 1000) : Effect.never
}).pipe(Effect.scoped, Effect.provide(Tokens))

// ---------------------------------------------------------------------------------------------------------------
// what it needs around it
// ---------------------------------------------------------------------------------------------------------------

/** How a terminal gets to know the server of the terminal beside it. */
const details = join(meetingPlace, "server.json")

const introduce = Effect.sync(() => {
  if (process.env.OAUTH_TOKEN_ENDPOINT === undefined && existsSync(details)) {
    Object.assign(process.env, JSON.parse(readFileSync(details, "utf8")))
  }
})

const environment = ({ clients, tokenEndpoint }: AuthorizationServer.Service) => ({
  OAUTH_TOKEN_ENDPOINT: tokenEndpoint,
  OAUTH_CLIENT_ID: clients.basic.id,
  OAUTH_CLIENT_SECRET: Redacted.value(clients.basic.secret)
})

const server = Effect.gen(function*() {
  const service = yield* AuthorizationServer.AuthorizationServer
  yield* Effect.acquireRelease(
    Effect.sync(() => {
      mkdirSync(meetingPlace, { recursive: true, mode: 0o700 })
      writeFileSync(details, JSON.stringify(environment(service)), { mode: 0o600 })
    }),
    () => Effect.sync(() => rmSync(details, { force: true }))
  )
  yield* Console.log("the authorization server is up; start the terminals")
  let before = 0
  yield* Effect.forever(Effect.flatMap(Effect.delay(service.seen, 200), ({ tokensIssued }) => {
    if (tokensIssued === before) return Effect.void
    before = tokensIssued
    return Console.log(`tokens issued so far: ${tokensIssued}`)
  }))
}).pipe(Effect.scoped, Effect.provide(AuthorizationServer.layer({ lifetime: "20 seconds" })))

/** Starts a terminal, prints what it prints, and gives that when it has ended. */
const start = (name: string, variables: Record<string, string>) =>
  Effect.async<ReadonlyArray<string>>((resume) => {
    const lines: Array<string> = []
    const child = spawn(process.execPath, ["--import", "tsx", fileURLToPath(import.meta.url), "terminal"], {
      env: { ...process.env, ...variables },
      stdio: ["ignore", "pipe", "inherit"]
    })
    const output = createInterface(child.stdout).on("line", (line) => {
      lines.push(line)
      console.log(`${name}  ${line}`)
    })
    output.on("close", () => resume(Effect.succeed(lines)))
    return Effect.sync(() => {
      child.kill()
    })
  })

const allInOne = Effect.gen(function*() {
  const service = yield* AuthorizationServer.AuthorizationServer
  const directory = yield* Effect.acquireRelease(
    Effect.sync(() => mkdtempSync(join(tmpdir(), "fleet-"))),
    (directory) => Effect.sync(() => rmSync(directory, { recursive: true, force: true }))
  )
  const variables = { ...environment(service), FLEET_DIRECTORY: directory, FLEET_SECONDS: "7" }
  const printed = yield* Effect.forEach(["one  ", "two  ", "three"], (name) => start(name, variables), {
    concurrency: "unbounded"
  })
  const { tokensIssued } = yield* service.seen
  const seen = printed.map((lines) => lines.map((line) => line.slice(0, "token 123456".length)))
  yield* Console.log(`${tokensIssued} tokens were issued to three processes`)
  yield* expect("the token was renewed while they ran", seen.every((tokens) => tokens.length >= 2))
  yield* expect("all three had the same", new Set(seen.map((tokens) => tokens.slice(0, 2).join())).size === 1)
  yield* expect("each was requested once", new Set(seen.flat()).size === tokensIssued)
}).pipe(Effect.scoped, Effect.provide(AuthorizationServer.layer({ lifetime: "8 seconds" })))

const role = process.argv[2]
const program: Effect.Effect<void, unknown> = role === "terminal"
  ? Effect.zipRight(introduce, terminal)
  : role === "server"
  ? server
  : allInOne

NodeRuntime.runMain(program)
