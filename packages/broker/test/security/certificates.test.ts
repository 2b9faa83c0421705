import { writeFile } from "node:fs/promises"
import * as Https from "node:https"
import { join } from "node:path"
import { connect } from "node:tls"
import { assert, describe, it } from "@effect/vitest"
import { Effect } from "effect"
import * as certificates from "../fixtures/certificates.js"
import type { Reply, SetUp } from "../support/broker.js"
import { basic, folder, form, get, setUp } from "../support/broker.js"
import * as raw from "../support/raw.js"

type Certificate = { readonly key: string; readonly cert: string } | undefined

/** A broker that speaks TLS and takes certificates of an authority. */
const setUpTls = (options: SetUp = {}, clientCa = true) =>
  Effect.gen(function*() {
    const directory = yield* folder
    const files = {
      certificate: certificates.server.cert,
      key: certificates.server.key,
      clientCa: certificates.authority
    }
    yield* Effect.forEach(Object.entries(files), ([name, text]) =>
      Effect.promise(() => writeFile(join(directory, name), text)))
    const tls = {
      certificate: join(directory, "certificate"),
      key: join(directory, "key"),
      ...(clientCa ? { clientCa: join(directory, "clientCa") } : {})
    }
    const made = yield* setUp({ ...options, config: { ...options.config, listen: [{ port: 0, tls }] } })
    const origin = made.listening.addresses.find((address) =>
      address.startsWith("https://127.")
    )!
    const ask = (
      path: string,
      certificate: Certificate,
      { body, headers = {}, method = "GET" }: {
        readonly method?: string
        readonly headers?: Record<string, string>
        readonly body?: string
      } = {}
    ) =>
      Effect.async<Pick<Reply, "status" | "text">>((resume) => {
        const request = Https.request(
          `${origin}${path}`,
          { method, headers, agent: false, ca: certificates.authority, ...certificate },
          (response) => {
            let text = ""
            response.setEncoding("utf8").on("data", (chunk: string) => text += chunk)
            response.on("close", () => resume(Effect.succeed({ status: response.statusCode ?? 0, text })))
          }
        )
        request.on("error", (error) => resume(Effect.succeed({ status: 0, text: error.message })))
        request.end(body)
      })
    return { ...made, origin, ask }
  })

const { authority: _, server: __, ...clients } = certificates

describe("client certificates", () => {
  // SPEC BROKER §3
  it.scopedLive("a certificate names a caller by its subject or alternative name; any other certificate names no caller", () =>
    Effect.gen(function*() {
      const { ask, audit, key } = yield* setUpTls({
        callers: [
          { id: "by-subject", certificates: [{ subject: "reporting" }], profiles: { main: {} } },
          { id: "by-uri", certificates: [{ san: "URI:spiffe://test/reporting" }], profiles: { main: {} } },
          { id: "by-address", certificates: [{ san: "IP:10.1.2.3" }], profiles: { main: {} } }
        ]
      })
      const header = { "x-effect-bearer": "true" }
      const expected: Record<keyof typeof clients, number> = {
        bySubject: 200,
        byUri: 200,
        byAddress: 200,
        ofAnother: 401,
        forServers: 401,
        twoSubjects: 401,
        withComma: 401,
        inSubject: 401,
        expired: 401
      }
      for (const [name, status] of Object.entries(expected)) {
        const certificate = clients[name as keyof typeof clients]
        const reply = yield* ask("/v1/profiles/main/token", certificate, { headers: header })
        assert.strictEqual(reply.status, status, name)
      }
      const callers = (yield* audit).trimEnd().split("\n").map((line) => JSON.parse(line).caller)
      assert.deepStrictEqual(callers.slice(0, 3), ["by-subject", "by-uri", "by-address"])

      // a key does as well, and without either there is nothing
      assert.strictEqual((yield* ask("/v1/profiles/main/token", undefined, { headers: get(key) })).status, 200)
      assert.strictEqual((yield* ask("/v1/profiles/main/token", undefined, { headers: header })).status, 401)
      // a certificate that is nobody's takes nothing from a key
      assert.strictEqual((yield* ask("/v1/profiles/main/token", clients.ofAnother, { headers: get(key) })).status, 200)
      // what pretends to come from a proxy that has seen a certificate is not looked at
      for (const name of ["x-client-cert", "x-ssl-client-s-dn", "x-forwarded-client-cert", "client-cert"]) {
        const reply = yield* ask("/v1/profiles/main/token", undefined, {
          headers: { ...header, [name]: "CN=reporting" }
        })
        assert.strictEqual(reply.status, 401, name)
      }
      // RFC 8705: the client names itself in the form, and it is the one of the certificate
      const token = (fields: Record<string, string>) =>
        ask("/oauth2/main/token", clients.bySubject, {
          method: "POST",
          headers: { "content-type": "application/x-www-form-urlencoded" },
          body: form({ grant_type: "client_credentials", ...fields })
        })
      assert.strictEqual((yield* token({ client_id: "by-subject" })).status, 200)
      assert.strictEqual((yield* token({ client_id: "by-uri" })).status, 400)
    }))

  // SPEC BROKER §3
  it.scopedLive("certificates do not count where the listener does not ask for them; a resumed session has the certificate of before", () =>
    Effect.gen(function*() {
      const callers = [{ id: "by-subject", certificates: [{ subject: "reporting" }], profiles: { main: {} } }]
      const { ask } = yield* setUpTls({ callers }, false)
      const header = { "x-effect-bearer": "true" }
      assert.strictEqual((yield* ask("/v1/profiles/main/token", clients.bySubject, { headers: header })).status, 401)

      const { origin } = yield* setUpTls({ callers })
      const overTls = (certificate: Certificate, session?: Buffer) =>
        Effect.async<{ readonly text: string; readonly session: Buffer | undefined; readonly reused: boolean }>(
          (resume) => {
            const { host, port } = new URL(origin)
            let latest: Buffer | undefined
            let text = ""
            const socket = connect({
              port: Number(port),
              host: "127.0.0.1",
              ca: certificates.authority,
              session,
              ...certificate
            })
            socket.on("session", (given: Buffer) => latest = given)
            socket.on("data", (chunk: Buffer) => text += chunk.toString())
            socket.on("error", () => {})
            socket.on(
              "close",
              () => resume(Effect.succeed({ text, session: latest, reused: socket.isSessionReused() }))
            )
            socket.write(raw.request("/inject/main", [["Host", host], ...Object.entries(header)]))
          }
        )
      const none = yield* overTls(undefined)
      assert.strictEqual(raw.statusOf(none.text), 401)
      assert.strictEqual(raw.statusOf((yield* overTls(undefined, none.session)).text), 401)
      const foreign = yield* overTls(clients.ofAnother)
      assert.strictEqual(raw.statusOf(foreign.text), 401)
      assert.strictEqual(raw.statusOf((yield* overTls(clients.ofAnother, foreign.session)).text), 401)
      const own = yield* overTls(clients.bySubject)
      assert.strictEqual(raw.statusOf(own.text), 200)
      // whose session it is, it is
      assert.include([200, 401], raw.statusOf((yield* overTls(undefined, own.session)).text))
    }))

  // SPEC BROKER §3
  it.scopedLive("clients that do not finish the handshake, or speak no TLS, are dropped", () =>
    Effect.gen(function*() {
      const { ask, key, origin } = yield* setUpTls({ config: { limits: { sending: "500 ms" } } })
      const plain = yield* raw.open(origin)
      yield* plain.write(raw.request("/health/live", [["Host", new URL(origin).host]]))
      const silent = yield* raw.open(origin)
      const half = yield* raw.open(origin)
      // the start of a handshake
      yield* half.write("\u0016\u0003\u0001\u0002\u0000\u0001\u0000\u0001\u00fc\u0003\u0003")
      for (const { gone } of [plain, silent, half]) assert.strictEqual(raw.statusOf(yield* gone), 0)
      assert.strictEqual((yield* ask("/v1/profiles/main/token", undefined, { headers: get(key) })).status, 200)
      // the port is not that of plain http
      const named = yield* ask("/health/live", undefined, {
        headers: { host: new URL(origin).host.replace(/:.*/, ":443") }
      })
      assert.strictEqual(named.status, 421)
      assert.strictEqual(
        (yield* ask("/health/live", undefined, { headers: { authorization: basic("x", "y") } })).status,
        200
      )
    }))
})
