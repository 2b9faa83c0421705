/**
 * A token endpoint and an API on loopback, in a process of its own: its CPU time is nobody's cost.
 *
 * `POST /token?run=r&latency=200&lifetime=2` issues `token.<number>.<expiry in epoch ms>` after `latency` ms; it is
 * issued half-way through, as if the network took the other half. `GET /count?run=r` says how many were asked for.
 * `GET /outage?run=r&ms=2000` makes it answer 503 for so long. `GET /api` answers `ok`;
 * `GET /guarded?generation=2` does so for a token whose number is 2 or more, and refuses others with a 401.
 */
import { fork } from "node:child_process"
import * as Http from "node:http"
import type { AddressInfo } from "node:net"
import { fileURLToPath } from "node:url"

const serve = (): Http.Server => {
  const counts = new Map<string, number>()
  const downUntil = new Map<string, number>()
  const server = Http.createServer((request, response) => {
    const url = new URL(request.url!, "http://loopback")
    const run = url.searchParams.get("run") ?? ""
    switch (url.pathname) {
      case "/token": {
        const count = (counts.get(run) ?? 0) + 1
        counts.set(run, count)
        const latency = Number(url.searchParams.get("latency") ?? 0)
        const lifetime = Number(url.searchParams.get("lifetime") ?? 3600)
        const expiresAt = Date.now() + latency / 2 + lifetime * 1000
        request.resume()
        setTimeout(() => {
          if (Date.now() < (downUntil.get(run) ?? 0)) {
            response.writeHead(503).end()
            return
          }
          response.writeHead(200, { "content-type": "application/json", "cache-control": "no-store" })
          response.end(JSON.stringify({
            access_token: `token.${count}.${expiresAt}`,
            token_type: "Bearer",
            expires_in: lifetime
          }))
        }, latency)
        return
      }
      case "/outage": {
        downUntil.set(run, Date.now() + Number(url.searchParams.get("ms")))
        response.end()
        return
      }
      case "/guarded": {
        const number = Number(/^Bearer token\.(\d+)\./.exec(request.headers.authorization ?? "")?.[1] ?? -1)
        const isGood = number >= Number(url.searchParams.get("generation"))
        const body = isGood ? "{\"ok\":true}" : "{\"error\":\"invalid_token\"}"
        response.writeHead(isGood ? 200 : 401, {
          "content-type": "application/json",
          "content-length": String(body.length),
          ...(isGood ? {} : { "www-authenticate": "Bearer error=\"invalid_token\"" })
        })
        response.end(body)
        return
      }
      case "/count": {
        response.end(String(counts.get(run) ?? 0))
        return
      }
      default: {
        request.resume()
        response.writeHead(200, { "content-type": "text/plain" })
        response.end("ok")
      }
    }
  })
  server.keepAliveTimeout = 60_000
  return server
}

if (process.argv[2] === "serve") {
  const server = serve()
  server.listen(0, "127.0.0.1", 16_384, () => process.send!((server.address() as AddressInfo).port))
  process.on("disconnect", () => process.exit(0))
}

/** A server in a child process. */
export interface Server {
  readonly origin: string
  readonly count: (run: string) => Promise<number>
  readonly close: () => void
}

export const start = (): Promise<Server> =>
  new Promise((resolve, reject) => {
    const child = fork(fileURLToPath(import.meta.url), ["serve"])
    child.on("error", reject)
    child.once("message", (port) => {
      const origin = `http://127.0.0.1:${port}`
      resolve({
        origin,
        count: async (run) => Number(await (await fetch(`${origin}/count?run=${run}`)).text()),
        close: () => child.disconnect()
      })
    })
  })

/** The token endpoint of one measurement. */
export const tokenEndpoint = (options: {
  readonly origin: string
  readonly run: string
  readonly latency: number
  readonly lifetime: number
}): string => `${options.origin}/token?run=${options.run}&latency=${options.latency}&lifetime=${options.lifetime}`

/** Makes the token endpoint of one measurement answer 503 from now on for so long. */
export const outage = async (origin: string, run: string, ms: number): Promise<void> => {
  await fetch(`${origin}/outage?run=${run}&ms=${ms}`)
}

/** When the token ends by the server's clock, which is this machine's. */
export const expiryOf = (token: string): number => Number(token.slice(token.lastIndexOf(".") + 1))
