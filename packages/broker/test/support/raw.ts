/** A client that says exactly what it is told to, byte for byte, and may go on as no client should. */
import { connect } from "node:net"
import { Duration, Effect } from "effect"

/** A connection, and what came over it. */
export interface Connection {
  readonly write: (text: string) => Effect.Effect<void>
  /** What has come so far. */
  readonly received: Effect.Effect<string>
  /** Waits until what has come contains this. */
  readonly until: (text: string) => Effect.Effect<string>
  /** Waits until the other side says that nothing more comes. */
  readonly ended: Effect.Effect<string>
  /** Waits until the other side has ended, and takes nothing any more: it is found out by writing. */
  readonly gone: Effect.Effect<string>
}

/** How long anything may take on a machine that does much else. */
const patience = Duration.seconds(60)

export const open = (origin: string) =>
  Effect.map(
    Effect.acquireRelease(
      Effect.async<Connection & { readonly destroy: () => void }>((resume) => {
        const { hostname, pathname, port, protocol } = new URL(origin)
        const socket = protocol === "unix:"
          ? connect({ path: pathname, allowHalfOpen: true })
          : connect({ host: hostname.replace(/^\[|\]$/g, ""), port: Number(port), allowHalfOpen: true })
        let text = ""
        let isEnded = false
        let isGone = false
        const waiting = new Set<() => void>()
        const look = () => waiting.forEach((check) => check())
        socket.setEncoding("latin1")
        socket.on("data", (chunk: string) => {
          text += chunk
          look()
        })
        socket.on("end", () => {
          isEnded = true
          look()
        })
        socket.on("close", () => {
          isEnded = isGone = true
          look()
        })
        socket.on("error", () => {})
        const when = (what: string, holds: () => boolean) =>
          Effect.async<string>((resume) => {
            const check = () => {
              if (!holds()) return
              waiting.delete(check)
              resume(Effect.sync(() => text))
            }
            waiting.add(check)
            check()
            return Effect.sync(() => waiting.delete(check))
          }).pipe(
            Effect.timeoutFail({ duration: patience, onTimeout: () => new Error(`not ${what}; received: ${text}`) }),
            Effect.orDie
          )
        const write = (text: string) => Effect.sync(() => void (isGone || socket.write(text, "latin1")))
        socket.once("connect", () =>
          resume(Effect.succeed({
            write,
            received: Effect.sync(() => text),
            until: (wanted) => when(`until ${JSON.stringify(wanted)}`, () => text.includes(wanted)),
            ended: when("ended", () => isEnded),
            gone: Effect.zipRight(
              when("ended", () => isEnded),
              Effect.raceFirst(
                when("gone", () => isGone),
                Effect.forever(Effect.zipRight(write("x"), Effect.sleep(20)))
              )
            ),
            destroy: () => socket.destroy()
          })))
        socket.once("error", (error) => resume(Effect.die(error)))
      }),
      ({ destroy }) => Effect.sync(destroy)
    ),
    (connection): Connection => connection
  )

/** One message, and all that comes back until the other side ends. */
export const exchange = (origin: string, message: string) =>
  Effect.scoped(Effect.gen(function*() {
    const connection = yield* open(origin)
    yield* connection.write(message)
    return yield* connection.ended
  }))

/** The lines of a request that ends its connection; a header that is `undefined` is left out. */
export const request = (
  target: string,
  headers: ReadonlyArray<readonly [name: string, value: string]>,
  { body = "", method = "GET", version = "1.1" } = {}
): string =>
  [
    `${method} ${target} HTTP/${version}`,
    ...headers.map(([name, value]) => `${name}: ${value}`),
    "Connection: close",
    "",
    body
  ].join("\r\n")

/** The status of the first answer in a text; zero where there is none. */
export const statusOf = (text: string): number => Number(/^HTTP\/1\.1 (\d{3})/.exec(text)?.[1] ?? 0)

/** The answers in a text; what has a body does not end with a line. */
export const answersOf = (text: string): ReadonlyArray<string> =>
  text.split(/(?=HTTP\/1\.1 \d{3} )/).filter((answer) => answer !== "")

export const answersIn = (text: string): number => answersOf(text).length
