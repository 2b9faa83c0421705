/**
 * Real Redis servers on loopback, each in a folder of its own, for as long as a scope is open: one, one behind TLS, one
 * that knows users, a set watched by sentinels, a cluster. Nothing is left behind, whatever happens in between.
 *
 * ```ts
 * it.scopedLive("…", () => Effect.gen(function*() {
 *   const server = yield* RedisServer.start()
 *   // a client for server.url
 *   yield* server.kill()
 *   yield* server.launch
 *   assert.strictEqual(yield* server.cli("DBSIZE"), "0")
 * }))
 * ```
 */
import type { ChildProcess } from "node:child_process"
import { spawn } from "node:child_process"
import { mkdtempSync, readFileSync, rmSync, writeFileSync } from "node:fs"
import { tmpdir } from "node:os"
import { join } from "node:path"
import type { Scope } from "effect"
import { Effect } from "effect"
import { eventually } from "../eventually.js"
import { freePort } from "../freePort.js"

// ---------------------------------------------------------------------------------------------------------------
// one server
// ---------------------------------------------------------------------------------------------------------------

export interface Options {
  /** More arguments, as on the command line: `["--maxmemory", "2mb"]`. By default nothing is written to disk. */
  readonly args?: ReadonlyArray<string> | undefined
  /** Default: a free one. */
  readonly port?: number | undefined
  /** Default: a folder of its own, removed in the end. It has `redis.log`, and what Redis stores. */
  readonly folder?: string | undefined
  /** What comes before the arguments: a configuration file. Sentinels rewrite theirs. */
  readonly configuration?: string | undefined
  /** Runs it as a sentinel. */
  readonly sentinel?: boolean | undefined
  /** Serves TLS only; clients need no certificate. */
  readonly tls?: { readonly key: string; readonly cert: string; readonly ca: string } | undefined
  /** The password of the default user, where it has one. `cli` uses it. */
  readonly password?: string | undefined
}

export interface RedisServer {
  readonly host: string
  readonly port: number
  /** `redis://127.0.0.1:6379`, or `rediss://localhost:6379`; with the password, if there is one. */
  readonly url: string
  readonly folder: string
  /** Starts it again, on the same port and with the same arguments; does nothing while it runs. */
  readonly launch: Effect.Effect<void>
  /** Ends it, by default without a chance to say goodbye. */
  readonly kill: (signal?: "SIGKILL" | "SIGTERM") => Effect.Effect<void>
  /** Stops it as it is: connections stay open, and nothing is answered. */
  readonly freeze: Effect.Effect<void>
  readonly thaw: Effect.Effect<void>
  /** What `redis-cli` prints for a command, trimmed. It dies when there is no server. */
  readonly cli: (...args: ReadonlyArray<string>) => Effect.Effect<string>
}

/** Scopes do not close when a process is stopped in the middle of a test. */
const running = new Set<ChildProcess>()
process.once("exit", () => running.forEach((child) => child.kill("SIGKILL")))

const folderOfItsOwn: Effect.Effect<string, never, Scope.Scope> = Effect.acquireRelease(
  Effect.sync(() => mkdtempSync(join(tmpdir(), "redis-"))),
  (folder) => Effect.sync(() => rmSync(folder, { recursive: true, force: true, maxRetries: 5 }))
)

/** A running server. It is there when the effect succeeds: it has answered. */
export const start = (options: Options = {}): Effect.Effect<RedisServer, never, Scope.Scope> =>
  Effect.gen(function*() {
    const folder = options.folder ?? (yield* folderOfItsOwn)
    const port = options.port ?? (yield* freePort)
    const { configuration, password, tls } = options
    const file = (name: string, text: string) => {
      writeFileSync(join(folder, name), text)
      return join(folder, name)
    }
    const args = [
      ...configuration === undefined ? [] : [file("redis.conf", configuration)],
      ...tls === undefined ? ["--port", `${port}`] : [
        ...["--port", "0", "--tls-port", `${port}`, "--tls-auth-clients", "no"],
        ...["--tls-key-file", file("key.pem", tls.key), "--tls-cert-file", file("cert.pem", tls.cert)],
        ...["--tls-ca-cert-file", file("ca.pem", tls.ca)]
      ],
      ...["--dir", folder, "--logfile", join(folder, "redis.log")],
      ...["--bind", "127.0.0.1"],
      ...options.sentinel === true
        ? ["--sentinel"]
        : ["--save", "", "--appendonly", "no", "--repl-diskless-sync-delay", "0"],
      ...password === undefined ? [] : ["--requirepass", password],
      ...options.args ?? []
    ]
    const host = tls === undefined ? "127.0.0.1" : "localhost"

    let child: ChildProcess | undefined
    const isRunning = () => child !== undefined && child.exitCode === null && child.signalCode === null

    const ask = (...command: ReadonlyArray<string>): Effect.Effect<string, Error> =>
      Effect.async((resume) => {
        const asked = spawn("redis-cli", [
          ...["-h", host, "-p", `${port}`],
          ...tls === undefined ? [] : ["--tls", "--cacert", join(folder, "ca.pem")],
          ...password === undefined ? [] : ["--no-auth-warning", "-a", password],
          ...command
        ])
        const chunks: Array<Buffer> = []
        asked.stdout.on("data", (chunk: Buffer) => chunks.push(chunk))
        asked.stderr.on("data", (chunk: Buffer) => chunks.push(chunk))
        asked.on("error", (error) => resume(Effect.fail(error)))
        asked.on("close", (code) => {
          const text = Buffer.concat(chunks).toString("utf8").trim()
          resume(code === 0 ? Effect.succeed(text) : Effect.fail(new Error(text)))
        })
        return Effect.sync(() => asked.kill("SIGKILL"))
      })

    const kill = (signal: NodeJS.Signals = "SIGKILL"): Effect.Effect<void> =>
      Effect.async((resume) => {
        const running = child
        if (running === undefined || !isRunning()) return resume(Effect.void)
        running.once("exit", () => resume(Effect.void))
        running.kill(signal)
      })

    const launch = Effect.suspend(() => {
      if (isRunning()) return Effect.void
      const launched = spawn("redis-server", args, { stdio: "ignore" })
      child = launched
      running.add(launched)
      launched.once("exit", () => running.delete(launched))
      return Effect.asVoid(eventually(
        Effect.suspend(() =>
          isRunning()
            ? ask("PING")
            : Effect.die(new Error(`redis-server ended: ${readFileSync(join(folder, "redis.log"), "utf8")}`))
        ),
        // one that reads its file first answers LOADING, one that wants a user NOAUTH
        (answer) => answer === "PONG" || answer.startsWith("NOAUTH")
      ))
    })

    const signal = (name: NodeJS.Signals) => Effect.sync(() => void child?.kill(name))

    yield* Effect.acquireRelease(launch, () => kill())
    return {
      host,
      port,
      url: `${tls === undefined ? "redis" : "rediss"}://${
        password === undefined ? "" : `:${encodeURIComponent(password)}@`
      }${host}:${port}`,
      folder,
      launch,
      kill,
      freeze: signal("SIGSTOP"),
      thaw: signal("SIGCONT"),
      cli: (...command) => Effect.orDie(ask(...command))
    }
  })

// ---------------------------------------------------------------------------------------------------------------
// a set watched by sentinels
// ---------------------------------------------------------------------------------------------------------------

export interface Watched {
  /** By which the sentinels know it. */
  readonly name: string
  /** The first is the master in the beginning, the others its replicas. */
  readonly servers: ReadonlyArray<RedisServer>
  readonly sentinels: ReadonlyArray<RedisServer>
  /** The server that a sentinel takes for the master at the moment. */
  readonly master: Effect.Effect<RedisServer>
}

const numbers = (from: number, count: number) => Array.from({ length: count }, (_, index) => from + index)

/**
 * A master, its replicas and three sentinels that give it up after half a second. The set is complete when the effect
 * succeeds: a failover can begin.
 */
export const watched = (options: { readonly replicas?: number } = {}): Effect.Effect<Watched, never, Scope.Scope> =>
  Effect.gen(function*() {
    const name = "tokens"
    const replicas = options.replicas ?? 1
    const first = yield* start()
    const others = yield* Effect.forEach(
      numbers(1, replicas),
      () => start({ args: ["--replicaof", first.host, `${first.port}`] }),
      { concurrency: "unbounded" }
    )
    const servers = [first, ...others]
    const sentinels = yield* Effect.forEach(
      numbers(1, 3),
      () =>
        start({
          sentinel: true,
          configuration: [
            `sentinel monitor ${name} ${first.host} ${first.port} 2`,
            `sentinel down-after-milliseconds ${name} 500`,
            `sentinel failover-timeout ${name} 3000`,
            ""
          ].join("\n")
        }),
      { concurrency: "unbounded" }
    )
    for (const sentinel of sentinels) {
      yield* eventually(
        sentinel.cli("--no-raw", "SENTINEL", "CKQUORUM", name),
        (answer) => answer.includes("OK 3 usable")
      )
      yield* eventually(
        sentinel.cli("SENTINEL", "MASTER", name),
        (answer) => answer.split("\n").join(" ").includes(`num-slaves ${replicas} `)
      )
    }
    for (const replica of others) {
      yield* eventually(replica.cli("INFO", "replication"), (answer) => answer.includes("master_link_status:up"))
    }
    return {
      name,
      servers,
      sentinels,
      master: Effect.map(
        sentinels[0]!.cli("SENTINEL", "GET-MASTER-ADDR-BY-NAME", name),
        (answer) => servers.find(({ port }) => answer.split("\n")[1] === `${port}`)!
      )
    }
  })

// ---------------------------------------------------------------------------------------------------------------
// a cluster
// ---------------------------------------------------------------------------------------------------------------

export interface Cluster {
  /** Masters first. */
  readonly nodes: ReadonlyArray<RedisServer>
  /** The node that serves a key at the moment, asked of the first node that answers. */
  readonly masterOf: (key: string) => Effect.Effect<RedisServer>
}

/**
 * Three masters and, if asked for, as many replicas each. A node is given up after half a second. The cluster is
 * complete when the effect succeeds.
 */
export const cluster = (options: { readonly replicas?: 0 | 1 } = {}): Effect.Effect<Cluster, never, Scope.Scope> =>
  Effect.gen(function*() {
    const replicas = options.replicas ?? 0
    const nodes = yield* Effect.forEach(
      numbers(1, 3 * (1 + replicas)),
      () =>
        // the bus of a node listens on its port plus 10 000 by default, which may not exist
        Effect.flatMap(freePort, (bus) =>
          start({
            args: ["--cluster-enabled", "yes", "--cluster-port", `${bus}`, "--cluster-node-timeout", "500"]
          })),
      { concurrency: "unbounded" }
    )
    yield* nodes[0]!.cli(
      ...["--cluster", "create", ...nodes.map(({ host, port }) => `${host}:${port}`)],
      ...["--cluster-replicas", `${replicas}`, "--cluster-yes"]
    )
    for (const node of nodes) {
      yield* eventually(
        node.cli("CLUSTER", "NODES"),
        (answer) =>
          answer.split("\n").filter((line) => line.includes("slave")).length === 3 * replicas &&
          answer.split("\n").filter((line) => line.includes("connected")).length === nodes.length
      )
      yield* eventually(node.cli("CLUSTER", "INFO"), (answer) => answer.includes("cluster_state:ok"))
      if ((yield* node.cli("ROLE")).startsWith("slave")) {
        yield* eventually(node.cli("INFO", "replication"), (answer) => answer.includes("master_link_status:up"))
      }
    }
    const answering = (index: number): Effect.Effect<RedisServer> => {
      const node = nodes[index % nodes.length]!
      return Effect.catchAllDefect(Effect.as(node.cli("PING"), node), () => answering(index + 1))
    }
    return {
      nodes,
      masterOf: (key) =>
        Effect.gen(function*() {
          const node = yield* answering(0)
          const slot = Number(yield* node.cli("CLUSTER", "KEYSLOT", key))
          const slots = (yield* node.cli("--json", "CLUSTER", "SLOTS")).trim()
          const owner = (JSON.parse(slots) as Array<[number, number, [string, number]]>)
            .find(([from, to]) => from <= slot && slot <= to)
          return nodes.find(({ port }) => port === owner?.[2][1])!
        })
    }
  })
