/** The API of the demo, which believes no token: it looks each one up at the authorization server. */
import type { ServerResponse } from "node:http"
import * as Effect from "effect/Effect"
import type * as Scope from "effect/Scope"
import type { Failure } from "../output/failure.js"
import type { AuthorizationServer } from "./authorizationServer.js"
import * as loopback from "./loopback.js"

/** RFC 6750 §3. */
const challenge = {
  none: "Bearer realm=\"demo\"",
  invalid: "Bearer realm=\"demo\", error=\"invalid_token\", error_description=\"expired or unknown\""
}

const answer = (response: ServerResponse, status: number, body: unknown, headers: Record<string, string> = {}) =>
  void response.writeHead(status, { "content-type": "application/json", "cache-control": "no-store", ...headers })
    .end(`${JSON.stringify(body)}\n`)

/** The URL of what it protects. */
export const make = (server: AuthorizationServer): Effect.Effect<string, Failure, Scope.Scope> =>
  Effect.map(loopback.make, ({ handle, origin }) => {
    handle((request, response) => {
      request.resume()
      if (!/^\/calls(\?|$)/.test(request.url ?? "")) return answer(response, 404, { error: "not_found" })
      const [, token] = /^bearer +([\w.~+/-]+=*)$/i.exec(request.headers.authorization ?? "") ?? []
      if (token === undefined) {
        return answer(response, 401, { error: "no_token" }, { "www-authenticate": challenge.none })
      }
      server.isActive(token).then(
        (isActive) =>
          isActive
            ? answer(response, 200, { calls: ["09:00 Ada", "09:12 Grace", "09:30 Alan"] })
            : answer(response, 401, { error: "invalid_token" }, { "www-authenticate": challenge.invalid }),
        () => answer(response, 503, { error: "temporarily_unavailable" })
      )
    })
    return `${origin}/calls`
  })
