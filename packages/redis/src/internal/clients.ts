// eslint-disable-next-line no-restricted-imports -- node-redis is for Node alone
import { setMaxListeners } from "node:events"
import * as Effect from "effect/Effect"
import type * as Scope from "effect/Scope"
import type { RedisClientOptions, RedisClusterOptions, RedisSentinelOptions } from "redis"
import { createClient, createCluster, createSentinel } from "redis"
import * as failure from "./failure.js"
import type * as link from "./link.js"

// ---------------------------------------------------------------------------------------------------------------
// what is needed of the clients of node-redis, whatever modules, scripts and types they were made with
// ---------------------------------------------------------------------------------------------------------------

interface CommandOptions {
  readonly abortSignal?: AbortSignal
  /** None: texts are strings, whatever else the client was made for. */
  readonly typeMapping?: {}
}

interface Overrides {
  readonly disableOfflineQueue: boolean
  readonly pingInterval: number
  readonly socket: { readonly reconnectStrategy: false; readonly socketTimeout: number; readonly signal: AbortSignal }
}

/** A client of one server, not yet connected. */
interface Unconnected {
  readonly isOpen: boolean
  on(event: "error", listener: (error: unknown) => void): unknown
  connect(): Promise<unknown>
  subscribe(channel: string, listener: (message: string) => void): Promise<unknown>
  destroy(): void
}

export interface Single {
  readonly options: { readonly socket?: object }
  sendCommand(args: Array<string>, options?: CommandOptions): Promise<unknown>
  duplicate(overrides?: Overrides): Unconnected
}

export interface Sentinel {
  getSentinelNode(): unknown
  sendCommand(isReadonly: boolean, args: Array<string>, options?: CommandOptions): Promise<unknown>
  _execute(isReadonly: boolean, f: (client: Single) => Promise<Unconnected>): Promise<Unconnected>
}

export interface Cluster {
  getNodeClientForKey(key: string): Promise<Single>
  sendCommand(
    firstKey: string,
    isReadonly: boolean,
    args: Array<string>,
    options?: CommandOptions
  ): Promise<unknown>
}

export type Client = Single | Sentinel | Cluster

// ---------------------------------------------------------------------------------------------------------------
// what they have in common
// ---------------------------------------------------------------------------------------------------------------

/** A client of any kind. */
export interface Connection {
  /** Sends a command to the server that has the key. */
  readonly send: (key: string, command: Array<string>, signal: AbortSignal) => Promise<unknown>
  /** A client for one more connection, to a server that hears every announcement. */
  readonly another: (leash: Leash) => Promise<Unconnected>
}

export const connection = (client: Client): Connection => {
  if ("getSentinelNode" in client) {
    return {
      send: (_key, command, signal) => client.sendCommand(false, command, plainly(signal)),
      // there is no other way to a client with the address and the credentials of the master
      another: (leash) => client._execute(false, (master) => Promise.resolve(listener(master, leash)))
    }
  }
  if ("getNodeClientForKey" in client) {
    return {
      send: (key, command, signal) => client.sendCommand(key, false, command, plainly(signal)),
      // announcements go to all nodes: any will do, and not always the same
      another: (leash) => client.getNodeClientForKey(crypto.randomUUID()).then((node) => listener(node, leash))
    }
  }
  return {
    send: (_key, command, signal) => client.sendCommand(command, plainly(signal)),
    another: (leash) => Promise.resolve(listener(client, leash))
  }
}

const plainly = (abortSignal: AbortSignal): CommandOptions => ({ abortSignal, typeMapping: {} })

const pingInterval = 5000

/** A connection without a word from the server for this long is dead, pings included. */
const silence = (interval: number) => 3 * interval

const listener = (client: Single, { signal }: Leash): Unconnected =>
  client.duplicate({
    disableOfflineQueue: true,
    pingInterval,
    socket: { ...client.options.socket, reconnectStrategy: false, socketTimeout: silence(pingInterval), signal }
  })

// ---------------------------------------------------------------------------------------------------------------
// ends
// ---------------------------------------------------------------------------------------------------------------

/**
 * Holds the sockets of a client, and of those it makes itself. The client's own `destroy` is not enough: it does nothing
 * to a socket that is still being connected, and a cluster forgets nodes that it is connecting to.
 */
interface Leash {
  /** For one socket: the next may need another one. */
  readonly signal: AbortSignal
  readonly cut: () => void
}

const leash = (): Leash => {
  const controller = new AbortController()
  // Node takes more than ten sockets, as a large cluster has, for a leak
  setMaxListeners(0, controller.signal)
  return {
    get signal() {
      // a socket that is made with an aborted signal connects all the same, and nothing would close it
      return controller.signal.aborted ? AbortSignal.timeout(1) : controller.signal
    },
    cut: () => controller.abort()
  }
}

/** Failures while a connection is closed are ignored, and no caller waits for the end. */
const close = (client: { destroy(): unknown }, { cut }: Leash): Effect.Effect<void> =>
  Effect.sync(() => {
    void new Promise((resolve) => resolve(client.destroy())).catch(() => undefined)
    cut()
  })

// ---------------------------------------------------------------------------------------------------------------
// clients of our own
// ---------------------------------------------------------------------------------------------------------------

type NodeOptions = Pick<
  RedisClientOptions,
  "commandsQueueMaxLength" | "disableOfflineQueue" | "pingInterval" | "socket"
>

/** What every connection to a server has: nothing is queued while it is down, and it notices when it is dead. */
const prudent = <O extends NodeOptions>(options: O, leash: Leash): O => ({
  commandsQueueMaxLength: 10_000,
  pingInterval,
  ...options,
  disableOfflineQueue: true,
  socket: {
    connectTimeout: 3000,
    socketTimeout: silence(options.pingInterval ?? pingInterval),
    ...options.socket,
    reconnectStrategy: false,
    get signal() {
      return leash.signal
    }
  }
})

/** How to come by a connection. */
export interface Kind {
  /** Fails when the options cannot be right. It connects to nothing. */
  readonly check: Effect.Effect<void, failure.Failure>
  readonly open: (signals: link.Signals) => Effect.Effect<Connection, failure.Failure, Scope.Scope>
}

interface Connectable {
  on(event: "error", listener: (error: unknown) => void): unknown
  connect(): Promise<unknown>
  destroy(): unknown
}

/** `isLost` says whether an error was the end of the connection; `watch` looks for other signs, once it is there. */
const opening = <C extends Client & Connectable>(
  make: (leash: Leash) => C,
  isLost: (client: C) => boolean,
  watch: (client: C, signals: link.Signals) => void = () => undefined
): Kind => {
  const made = Effect.acquireRelease(
    Effect.try({
      try: () => {
        const held = leash()
        const client = make(held)
        const told = failure.collect()
        // without a listener an error would end the process
        client.on("error", told.add)
        return { client, held, told }
      },
      catch: failure.fromError
    }),
    ({ client, held }) => close(client, held)
  )
  return {
    check: Effect.scoped(Effect.asVoid(made)),
    open: (signals) =>
      made.pipe(
        Effect.tap(({ client, told }) => Effect.tryPromise({ try: () => client.connect(), catch: told.explain })),
        Effect.map(({ client }) => {
          client.on("error", () => {
            if (isLost(client)) signals.lose()
          })
          watch(client, signals)
          return connection(client)
        })
      )
  }
}

export const single = (options: RedisClientOptions): Kind =>
  opening(
    (leash) => createClient(prudent(options, leash)),
    // a ping that is refused is an error too
    (client) => !client.isOpen
  )

export const sentinel = (options: RedisSentinelOptions): Kind =>
  opening(
    (leash) =>
      createSentinel({
        scanInterval: 5000,
        ...options,
        // what fails is not tried again inside: the next attempt looks for the master anew
        maxCommandRediscovers: 0,
        passthroughClientErrorEvents: true,
        nodeClientOptions: prudent(options.nodeClientOptions ?? {}, leash),
        sentinelClientOptions: prudent(options.sentinelClientOptions ?? {}, leash)
      }),
    // errors of a sentinel are not the end: there are more
    (client) => client.getMasterNode() === undefined
  )

/**
 * The client asks for the layout of a cluster once, and then where a node says MOVED; a node that is gone says nothing,
 * and stays in the layout for ever. So a node that cannot be reached is a reason to open the connection anew, which asks
 * all the nodes that are known: those that were given may all have been replaced by now.
 */
export const cluster = (options: RedisClusterOptions): Kind => {
  let known: RedisClusterOptions["rootNodes"] = []
  return opening(
    (leash) =>
      createCluster({
        // a node that is down does not keep us from the others
        minimizeConnections: true,
        ...options,
        rootNodes: [...options.rootNodes, ...known],
        defaults: prudent(options.defaults ?? {}, leash)
      }),
    () => false,
    (client, { doubt }) => {
      const learn = () => {
        if (client.masters.length === 0) return
        known = [...client.masters, ...client.replicas].map(({ address, host, port }) => ({
          socket: mapped(options.nodeAddressMap, address) ?? { host, port }
        }))
      }
      learn()
      client.on("node-error", () => {
        learn()
        doubt()
      })
    }
  )
}

const mapped = (map: RedisClusterOptions["nodeAddressMap"], address: string) =>
  typeof map === "function" ? map(address) : map?.[address]

// ---------------------------------------------------------------------------------------------------------------
// listening
// ---------------------------------------------------------------------------------------------------------------

/** Hears the messages of a channel until the connection is lost, which calls `lose`. */
export const listen =
  (connected: link.Link<Connection>, channel: string, hear: (message: string) => void) =>
  ({ lose }: link.Signals): Effect.Effect<void, failure.Failure, Scope.Scope> =>
    Effect.gen(function*() {
      const held = leash()
      const client = yield* connected.use((connection) => connection.another(held))
      client.on("error", () => {
        if (!client.isOpen) lose()
      })
      yield* Effect.addFinalizer(() => close(client, held))
      yield* Effect.tryPromise({
        try: () => client.connect().then(() => client.subscribe(channel, hear)),
        catch: failure.fromError
      })
    })
