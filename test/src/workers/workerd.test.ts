/**
 * The library in real workerd, where timers, sockets and promises end with the request that began them, and a request
 * that has nothing pending of its own is ended by the runtime.
 */
import * as Http from "node:http"
import type { AddressInfo } from "node:net"
import { fileURLToPath } from "node:url"
import { assert, describe, it } from "@effect/vitest"
import { build } from "esbuild"
import { Miniflare } from "miniflare"
import { afterAll, beforeAll } from "vitest"

/** An authorization server and an API. Tokens are numbered; how long they live, and how long one takes, can be set. */
const listen = async () => {
  const state = { requests: 0, latency: 0, expiresIn: 3600, hold: false, hops: [] as Array<string> }
  const waiting: Array<() => void> = []
  const origin = () => `http://127.0.0.1:${(server.address() as AddressInfo).port}`
  const server: Http.Server = Http.createServer((request, response) => {
    request.resume()
    request.once("end", () => {
      if (request.url === "/api") {
        response.end(`${request.headers.authorization}`)
        return
      }
      if (request.url!.startsWith("/hop")) {
        state.hops.push(`${request.method} ${request.headers.authorization}`)
        response.writeHead(302, { location: new URL(request.url!, origin()).searchParams.get("to")! }).end()
        return
      }
      const number = ++state.requests
      const answer = () => {
        response.setHeader("content-type", "application/json")
        const body = { access_token: `token-${number}`, token_type: "Bearer", expires_in: state.expiresIn }
        response.end(JSON.stringify(body))
      }
      if (state.hold) waiting.push(answer)
      else setTimeout(answer, state.latency)
    })
  })
  await new Promise<void>((resolve) => server.listen(0, "127.0.0.1", resolve))
  const port = (server.address() as AddressInfo).port
  return {
    state,
    origin: origin(),
    /** The same server under a name that is another origin. */
    otherOrigin: `http://localhost:${port}`,
    release: () => waiting.splice(0).forEach((answer) => answer()),
    close: () => {
      server.closeAllConnections()
      server.close()
    }
  }
}

const until = async (condition: () => boolean | Promise<boolean>) => {
  while (!await condition()) await new Promise((resolve) => setTimeout(resolve, 20))
}

let script = ""

beforeAll(async () => {
  const { outputFiles } = await build({
    entryPoints: [fileURLToPath(new URL("worker.ts", import.meta.url))],
    bundle: true,
    write: false,
    format: "esm",
    platform: "browser",
    target: "es2022",
    conditions: ["workerd", "worker", "browser"],
    logLevel: "warning"
  })
  script = outputFiles[0]!.text
}, 120_000)

const dates: ReadonlyArray<readonly [date: string, flag: string]> = [
  // without a `navigator`; and with it, but without `URL.canParse`
  ["2022-03-01", ""],
  ["2022-03-22", ""],
  // before and after requests could resume each other
  ["2024-01-01", ""],
  ["2024-01-01", "no_global_navigator"],
  ["2025-09-01", ""]
]

describe.each(dates)("workerd, compatibility date %s %s", (compatibilityDate, flag) => {
  let servers: Awaited<ReturnType<typeof listen>>
  beforeAll(async () => {
    servers = await listen()
  })
  afterAll(() => servers.close())

  /** A new isolate for each test. */
  const isolate = async <A>(
    settings: Partial<typeof servers.state>,
    use: (get: (path: string, signal?: AbortSignal) => Promise<string>) => Promise<A>
  ): Promise<A> => {
    Object.assign(servers.state, { requests: 0, latency: 0, expiresIn: 3600, hold: false, hops: [] }, settings)
    const worker = new Miniflare({
      modules: true,
      script,
      compatibilityDate,
      compatibilityFlags: flag === "" ? [] : [flag],
      bindings: { TOKEN_ENDPOINT: `${servers.origin}/token`, API: `${servers.origin}/api` },
      handleRuntimeStdio: (stdout, stderr) => {
        stdout.resume()
        stderr.resume()
      }
    })
    try {
      const url = await worker.ready
      return await use(async (path, signal) => {
        const response = await fetch(new URL(path, url), signal === undefined ? {} : { signal })
        const text = await response.text()
        return response.status === 200 ? text : `${response.status} ${text}`
      })
    } finally {
      await worker.dispose()
    }
  }

  // FAULTS T
  it(
    "a redirect to another origin is followed without the token, one to the same origin with it",
    () =>
      isolate({}, async (get) => {
        const to = (url: string, path = "/hop") => `${path}?to=${encodeURIComponent(url)}`
        assert.strictEqual(await get(to(`${servers.otherOrigin}/api`)), "undefined")
        assert.strictEqual(await get(to(`${servers.origin}/api`)), "Bearer token-1")
        assert.strictEqual(await get(to(`${servers.origin}${to(`${servers.otherOrigin}/api`)}`)), "undefined")
        assert.strictEqual(await get(to("/api")), "Bearer token-1")
        // through a client that sets the settings of fetch inside, and through a fetch with a bearer, too
        assert.strictEqual(await get(to(`${servers.otherOrigin}/api`, "/settledHop")), "undefined")
        assert.strictEqual(await get(to("/api", "/settledHop")), "Bearer token-1")
        assert.strictEqual(await get(to(`${servers.otherOrigin}/api`, "/fetchHop")), "undefined")
        assert.strictEqual(await get(to("/api", "/fetchHop")), "Bearer token-1")
      }),
    60_000
  )

  // FAULTS W, T
  it(
    "a redirect to another origin goes there, and not to the API once more without the token",
    () =>
      isolate({}, async (get) => {
        const to = `?to=${encodeURIComponent(`${servers.otherOrigin}/api`)}`
        for (const path of ["/hop", "/fetchHop"]) assert.strictEqual(await get(`${path}${to}`), "undefined")
        assert.strictEqual(await get(`/fetchPost${to}`), "true undefined")
        assert.deepStrictEqual(servers.state.hops, ["GET Bearer token-1", "GET Bearer token-1", "POST Bearer token-1"])
      }),
    60_000
  )

  // FAULTS L2
  it(
    "callers that come together before there is a token share one request",
    () =>
      isolate({ latency: 200 }, async (get) => {
        const answers = await Promise.all(Array.from({ length: 20 }, () => get("/token")))
        assert.deepStrictEqual(new Set(answers), new Set(["token-1"]))
        assert.strictEqual(servers.state.requests, 1)
      }),
    60_000
  )

  // FAULTS L1
  it(
    "a client that leaves takes its token request with it; those who wait ask anew",
    () =>
      isolate({ hold: true }, async (get) => {
        const leaving = new AbortController()
        const left = get("/token", leaving.signal).catch(() => "left")
        await until(() => servers.state.requests === 1)
        const others = [get("/token"), get("/token")]
        leaving.abort()
        assert.strictEqual(await left, "left")
        servers.state.hold = false
        // whichever of the two requests the runtime lets live
        servers.release()
        const answers = await Promise.all(others)
        assert.isTrue(answers.every((answer) => /^token-[12]$/.test(answer)), answers.join("; "))
      }),
    60_000
  )

  // FAULTS L1
  it(
    "a request that is answered while its token request is under way leaves nobody waiting for it",
    () =>
      isolate({ hold: true }, async (get) => {
        assert.include(await get("/impatient"), "503")
        servers.state.hold = false
        // the first answer never comes
        const answers = await Promise.all([get("/token"), get("/token"), get("/token")])
        assert.deepStrictEqual(new Set(answers), new Set(["token-2"]))
      }),
    60_000
  )

  // these wait for tokens to end; nothing in them depends on what an older date lacks
  if (flag !== "" || compatibilityDate < "2024") return

  // FAULTS L1
  it(
    "three lifecycles: every request is answered, and each lifecycle costs one token request",
    () =>
      isolate({ expiresIn: 3, latency: 50 }, async (get) => {
        const seen = new Set<string>()
        await until(async () => {
          for (const answer of await Promise.all([get("/token"), get("/api"), get("/token")])) {
            assert.match(answer, /^(Bearer )?token-\d+$/)
            seen.add(answer)
          }
          return servers.state.requests > 3
        })
        assert.isTrue(seen.has("token-3"))
      }),
    60_000
  )

  it(
    "with waitUntil a token is renewed behind the answer's back, without it a request does so when it must",
    () =>
      isolate({ expiresIn: 6, latency: 100 }, async (get) => {
        assert.strictEqual(await get("/ahead"), "token-1")
        // from three quarters of its life on each request may start the renewal; it is answered with the token there is
        const answers: Array<string> = []
        await until(async () => {
          answers.push(await get("/ahead"))
          return servers.state.requests > 1
        })
        assert.deepStrictEqual(new Set(answers), new Set(["token-1"]))
        await until(async () => (await get("/token")) === "token-2")
        // and without it, nothing is started that could not live
        const before = servers.state.requests
        await until(async () => (await get("/token")) === "token-3")
        assert.strictEqual(servers.state.requests, before + 1)
      }),
    60_000
  )
})
