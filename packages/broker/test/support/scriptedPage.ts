/** The files of the pages, with status events that a test writes: for states that no broker can be brought into at will. */
import { readFile } from "node:fs/promises"
import type { ServerResponse } from "node:http"
import * as Http from "node:http"
import type { AddressInfo } from "node:net"
import type { Scope } from "effect"
import { Effect } from "effect"
import type { Snapshot } from "../../src/operations/snapshot.js"

const files: Readonly<Record<string, readonly [string, string]>> = {
  "/": ["index.html", "text/html; charset=utf-8"],
  "/page/style.css": ["style.css", "text/css"],
  "/page/status.js": ["status.js", "text/javascript"],
  "/page/icon.svg": ["icon.svg", "image/svg+xml"]
}

export interface ScriptedPage {
  readonly origin: string
  /** How many streams were asked for. */
  readonly streams: () => number
  /** Sent to all that listen, and first to those that come. */
  readonly say: (snapshot: Snapshot) => void
  /** The next streams begin, and say nothing; those that are open go on. */
  readonly setSilent: (silent: boolean) => void
  /** Answers the next streams with this status. */
  readonly refuse: (status: number | undefined, headers?: Readonly<Record<string, string>>) => void
  /** Ends all streams. */
  readonly end: () => void
}

export const scriptedPage: Effect.Effect<ScriptedPage, never, Scope.Scope> = Effect.gen(function*() {
  const open = new Set<ServerResponse>()
  let last: Snapshot | undefined
  let streams = 0
  let isSilent = false
  let refusal: { readonly status: number; readonly headers: Readonly<Record<string, string>> } | undefined
  const write = (response: ServerResponse, snapshot: Snapshot) =>
    response.write(`event: status\ndata: ${JSON.stringify(snapshot)}\n\n`)
  const server = Http.createServer((request, response) => {
    const path = request.url ?? "/"
    if (path === "/status/events") {
      streams++
      if (refusal !== undefined) {
        response.writeHead(refusal.status, { "content-type": "application/json", ...refusal.headers })
        response.end(JSON.stringify({ error: "Refused", message: "refused by the test" }))
        return
      }
      response.writeHead(200, { "content-type": "text/event-stream", "cache-control": "no-store" })
      response.flushHeaders()
      open.add(response)
      response.once("close", () => open.delete(response))
      if (last !== undefined && !isSilent) write(response, last)
      return
    }
    const file = files[path]
    if (file === undefined) {
      response.writeHead(404).end()
      return
    }
    void readFile(new URL(`../../page/${file[0]}`, import.meta.url)).then((bytes) => {
      response.writeHead(200, {
        "content-type": file[1],
        "content-security-policy":
          "default-src 'none'; script-src 'self'; style-src 'self'; connect-src 'self'; img-src 'self'"
      })
      response.end(bytes)
    })
  })
  yield* Effect.acquireRelease(
    Effect.async<void>((resume) => {
      server.listen(0, "127.0.0.1", () => resume(Effect.void))
    }),
    () =>
      Effect.async<void>((resume) => {
        server.close(() => resume(Effect.void))
        server.closeAllConnections()
      })
  )
  return {
    origin: `http://127.0.0.1:${(server.address() as AddressInfo).port}`,
    streams: () => streams,
    say: (snapshot) => {
      last = snapshot
      for (const response of open) write(response, snapshot)
    },
    setSilent: (silent) => void (isSilent = silent),
    refuse: (status, headers = {}) => void (refusal = status === undefined ? undefined : { status, headers }),
    end: () => {
      for (const response of open) response.end()
    }
  }
})
