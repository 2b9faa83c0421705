/** A HashiCorp Vault on a socket, for tests: one secret of the KV engine, version 2, at `secret/app/oauth`. */
import { createServer } from "node:http"
import type { AddressInfo } from "node:net"
import type { Scope } from "effect"
import { Effect } from "effect"

export interface VaultServer {
  readonly address: string
  /** The token that the server knows. It does not look like one. */
  readonly token: string
  /** What it holds in the field `client_secret`. */
  readonly store: { sealed: boolean; secret: string }
}

export const vaultServer: Effect.Effect<VaultServer, never, Scope.Scope> = Effect.gen(function*() {
  const token = "plain-vault-token"
  const store = { sealed: false, secret: "first" }
  const server = createServer((request, response) => {
    const reply = (status: number, body: unknown) =>
      response.writeHead(status, { "content-type": "application/json" }).end(JSON.stringify(body))
    if (store.sealed) return void reply(503, { errors: ["Vault is sealed"] })
    if (request.headers["x-vault-token"] !== token) return void reply(403, { errors: ["permission denied"] })
    if (request.url !== "/v1/secret/data/app/oauth") return void reply(404, { errors: [] })
    reply(200, { data: { data: { client_secret: store.secret }, metadata: { version: 1 } } })
  })
  yield* Effect.acquireRelease(
    Effect.async<void>((resume) => void server.listen(0, "127.0.0.1", () => resume(Effect.void))),
    () => Effect.sync(() => (server.closeAllConnections(), server.close()))
  )
  return { address: `http://127.0.0.1:${(server.address() as AddressInfo).port}`, token, store }
})
