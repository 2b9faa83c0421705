/** One listener: a server of node:http or node:https with the limits of the configuration, on a port or a socket. */
import { existsSync } from "node:fs"
import { chmod, lstat, mkdir, readFile, rm } from "node:fs/promises"
import type { Server } from "node:http"
import * as Http from "node:http"
import * as Https from "node:https"
import type { AddressInfo, Socket } from "node:net"
import { connect } from "node:net"
import { dirname } from "node:path"
import type { Duplex } from "node:stream"
import * as NodeHttpServer from "@effect/platform-node/NodeHttpServer"
import * as Duration from "effect/Duration"
import * as Effect from "effect/Effect"
import type * as Scope from "effect/Scope"
import * as TokenError from "effect-bearer/TokenError"
import type { App } from "../Broker.js"
import type { Limits } from "../BrokerConfig.js"
import { ListeningAt } from "../guard/guard.js"
import type { Listening } from "../guard/rules.js"
import { codeOf } from "../operations/systemError.js"
import { watch } from "./drain.js"
import { discreet } from "./tracing.js"

/** Where to listen, decided: one address each. */
export type Place =
  | {
    readonly host: string
    readonly port: number
    readonly kind: "loopback" | "network"
    readonly tls:
      | { readonly certificate: string; readonly key: string; readonly clientCa?: string | undefined }
      | undefined
  }
  | { readonly socket: string }

/** A server that listens. */
export interface Listener {
  readonly address: string
  readonly port: number | undefined
  readonly stop: Effect.Effect<void>
}

const failed = (field: string, what: string) => (cause: unknown) =>
  new TokenError.InvalidConfiguration({
    fields: [field],
    detail: `${what} (${codeOf(cause)})`
  })

export const listen = (
  app: App,
  place: Place,
  limits: Limits
): Effect.Effect<Listener, TokenError.InvalidConfiguration, Scope.Scope> =>
  Effect.gen(function*() {
    const server = yield* create(place, limits)
    const { stop } = watch(server)
    yield* Effect.acquireRelease(open(server, place), () => stop)
    const address = server.address()
    const port = address === null || typeof address === "string" ? 0 : address.port
    const listening: Listening = "socket" in place
      ? { kind: "socket", port: 0, tls: false }
      : { kind: place.kind, port, tls: place.tls !== undefined }
    // given to the runtime once, and not to each request
    const handler = yield* Effect.provideService(discreet(NodeHttpServer.makeHandler(app)), ListeningAt, listening)
    server.on("request", handler)
    return { address: nameOf(address, place), port: "socket" in place ? undefined : port, stop }
  })

const nameOf = (address: string | AddressInfo | null, place: Place): string =>
  address === null || typeof address === "string"
    ? `unix:${"socket" in place ? place.socket : ""}`
    : `${"tls" in place && place.tls !== undefined ? "https" : "http"}://${
      address.family === "IPv6" ? `[${address.address}]` : address.address
    }:${address.port}`

const create = (place: Place, limits: Limits): Effect.Effect<Server, TokenError.InvalidConfiguration> =>
  Effect.gen(function*() {
    const sending = Duration.toMillis(limits.sending)
    const options: Http.ServerOptions = {
      maxHeaderSize: limits.headers,
      headersTimeout: sending,
      requestTimeout: 2 * sending,
      // how late a slow client may be found out
      connectionsCheckingInterval: Math.min(1000, sending),
      // RFC 9112 §3.2: one Host header
      requireHostHeader: true,
      insecureHTTPParser: false
    }
    const server = "socket" in place || place.tls === undefined
      ? Http.createServer(options)
      : yield* secure({ ...options, handshakeTimeout: sending, ...(yield* credentials(place.tls)) })
    server.maxConnections = limits.connections
    server.keepAliveTimeout = 5000
    // their size is limited; a limit of their number would leave out the last ones, and a proxy appends its own
    server.maxHeadersCount = 0
    // such as no file descriptor left for one more connection: the next may find one
    server.on("error", () => {})
    const latest = new WeakMap<Duplex, Exchange>()
    server.prependListener("request", (request, response) => void latest.set(request.socket, { request, response }))
    server.on("clientError", (error, socket) => endOf(error, socket as BusySocket, latest.get(socket)))
    return server
  })

interface Exchange {
  readonly request: Http.IncomingMessage
  readonly response: Http.ServerResponse
}

interface BusySocket extends Socket {
  /** What node:http is answering on it now. */
  readonly _httpMessage?: { readonly headersSent: boolean } | null
}

/**
 * What is no HTTP is answered with nothing that it could quote, and its connection ends, whether the client closes it or
 * not. Into an answer that has begun nothing is written, and nothing to a client that has not finished its TLS handshake.
 * A request whose body is cut off may have its answer already, and gets no second one.
 */
const endOf = (error: NodeJS.ErrnoException, socket: BusySocket, latest: Exchange | undefined): void => {
  const { code = "" } = error
  const isAboutHttp = code.startsWith("HPE_") || code === "ERR_HTTP_REQUEST_TIMEOUT"
  const isAnswered = socket._httpMessage?.headersSent === true ||
    (latest !== undefined && !latest.request.complete && latest.response.headersSent)
  if (!isAboutHttp || !socket.writable || isAnswered) {
    socket.destroy()
    return
  }
  const status = code === "HPE_HEADER_OVERFLOW"
    ? "431 Request Header Fields Too Large"
    : code === "ERR_HTTP_REQUEST_TIMEOUT"
    ? "408 Request Timeout"
    : "400 Bad Request"
  socket.write(`HTTP/1.1 ${status}\r\nconnection: close\r\ncontent-length: 0\r\ncache-control: no-store\r\n\r\n`)
  socket.destroySoon()
}

/** A certificate or a key that OpenSSL does not take is named, without its words about it. */
const secure = (options: Https.ServerOptions): Effect.Effect<Server, TokenError.InvalidConfiguration> =>
  Effect.try({
    try: () => Https.createServer(options),
    catch: failed(
      "listen.tls",
      "`certificate` is not a certificate in PEM, `key` is not its private key in PEM, or `clientCa` is not a certificate"
    )
  })

const credentials = (tls: NonNullable<Extract<Place, { readonly host: string }>["tls"]>) =>
  Effect.gen(function*() {
    const read = (field: string, file: string) =>
      Effect.tryPromise({
        try: () => readFile(file),
        catch: failed(`listen.tls.${field}`, `the file cannot be read: ${file}`)
      })
    const { clientCa } = tls
    return {
      cert: yield* read("certificate", tls.certificate),
      key: yield* read("key", tls.key),
      minVersion: "TLSv1.2" as const,
      ...(clientCa === undefined ? {} : {
        ca: yield* read("clientCa", clientCa),
        // a caller may show a key instead: the guard decides
        requestCert: true,
        rejectUnauthorized: false
      })
    }
  })

const open = (server: Server, place: Place): Effect.Effect<void, TokenError.InvalidConfiguration> =>
  Effect.gen(function*() {
    if ("socket" in place) yield* prepare(place.socket)
    yield* Effect.async<void, TokenError.InvalidConfiguration>((resume) => {
      const refuse = (error: Error) =>
        resume(Effect.fail(
          failed(
            "listen",
            "socket" in place ? `cannot listen on ${place.socket}` : `cannot listen on ${place.host}:${place.port}`
          )(
            error
          )
        ))
      server.once("error", refuse)
      server.listen("socket" in place ? { path: place.socket } : { host: place.host, port: place.port }, () => {
        server.off("error", refuse)
        resume(Effect.void)
      })
    })
    if ("socket" in place) {
      yield* Effect.tryPromise({
        try: () => chmod(place.socket, 0o600),
        catch: failed("listen.socket", "its mode cannot be set")
      })
    }
  })

/** One call for each folder: with `recursive` Node.js tries for ever where the system creates none, as in `/proc`. */
const makeFolder = async (folder: string): Promise<void> => {
  const make = (isLast: boolean): Promise<boolean> =>
    mkdir(folder, { mode: 0o700 }).then(() => true, (error: unknown) => {
      if (codeOf(error) === "EEXIST") return true
      if (codeOf(error) === "ENOENT" && !isLast) return false
      throw error
    })
  if (await make(false)) return
  if (!existsSync(dirname(folder))) await makeFolder(dirname(folder))
  // once more, also where another process has made the one above meanwhile
  await make(true)
}

/** The folder is the owner's alone, and in the place of the socket there is nothing, or a socket without a listener. */
const prepare = (socket: string): Effect.Effect<void, TokenError.InvalidConfiguration> =>
  Effect.gen(function*() {
    const folder = dirname(socket)
    yield* Effect.tryPromise({
      try: () => makeFolder(folder),
      catch: failed("listen.socket", `its folder cannot be made: ${folder}`)
    })
    const { mode, uid } = yield* Effect.tryPromise({
      try: () => lstat(folder),
      catch: failed("listen.socket", `its folder cannot be looked at: ${folder}`)
    })
    if ((mode & 0o077) !== 0 || (process.getuid !== undefined && uid !== process.getuid())) {
      return yield* new TokenError.InvalidConfiguration({
        fields: ["listen.socket"],
        detail: `the folder ${folder} has to belong to the user of the broker, with mode 0700`
      })
    }
    const present = yield* Effect.promise(() => lstat(socket).catch(() => undefined))
    if (present === undefined) return
    if (!present.isSocket() || (yield* isInUse(socket))) {
      return yield* new TokenError.InvalidConfiguration({
        fields: ["listen.socket"],
        detail: `${socket} is there already, and is ${present.isSocket() ? "in use" : "no socket"}`
      })
    }
    yield* Effect.tryPromise({
      try: () => rm(socket, { force: true }),
      catch: failed("listen.socket", "an old socket cannot be removed")
    })
  })

/** Only a refused connection means that there is no listener: a connection that waits in a full queue fails, too. */
const isInUse = (socket: string): Effect.Effect<boolean> =>
  Effect.async<boolean>((resume) => {
    const probe = connect(socket)
    const end = (inUse: boolean) => {
      probe.destroy()
      resume(Effect.succeed(inUse))
    }
    probe.once("connect", () => end(true))
    probe.once("error", (error) => end(!["ECONNREFUSED", "ENOENT"].includes(codeOf(error))))
  })
