// The HTTP server of the fake cloud: it records, makes faults, and answers.
import * as Headers from "@effect/platform/Headers"
import * as HttpServerRequest from "@effect/platform/HttpServerRequest"
import * as HttpServerResponse from "@effect/platform/HttpServerResponse"
import * as Clock from "effect/Clock"
import * as Effect from "effect/Effect"
import type { Answer, Incoming } from "./answer.js"
import { apiError, notFound, oauthError, tokenPath } from "./answer.js"
import { api } from "./api.js"
import { forwardedHost, hosts } from "./client.js"
import type { Fault } from "./contract.js"
import type { State } from "./state.js"
import { token } from "./token.js"

export const serve = (state: State) =>
  Effect.gen(function*() {
    const request = yield* HttpServerRequest.HttpServerRequest
    const host = request.headers[forwardedHost] ?? request.headers["host"] ?? ""
    const known = hosts.has(host)
    const incoming: Incoming = {
      method: request.method,
      host,
      environment: known ? host.replace(/^(login|api)\./, "") : host,
      role: !known ? "both" : host.startsWith("login.") ? "login" : "api",
      url: new URL(request.url, "http://localhost"),
      headers: request.headers,
      body: yield* Effect.orElseSucceed(request.text, () => ""),
      at: yield* Clock.currentTimeMillis,
      correlationId: crypto.randomUUID()
    }
    const record = recorded(incoming)
    state.requests.push(record)
    const answer = yield* answered(state, incoming)
    record.status = answer.status
    return HttpServerResponse.text(answer.body, {
      status: answer.status,
      contentType: answer.headers["content-type"] ?? "application/json",
      headers: Headers.fromInput({ "inin-correlation-id": incoming.correlationId, ...answer.headers })
    })
  })

const recorded = ({ at, body, headers, host, method, url }: Incoming): State["requests"][number] => ({
  at,
  method,
  host,
  path: url.pathname + url.search,
  headers: Object.fromEntries(
    Object.entries(headers).map(([name, value]) => [
      name,
      name === "authorization" ? String(value).replace(/\s.*$/s, " <redacted>") : String(value)
    ])
  ),
  body: body.replace(/(client_secret=)[^&]*/g, "$1<redacted>"),
  status: 0
})

const answered = (state: State, incoming: Incoming): Effect.Effect<Answer> => {
  const fault = faultFor(state, incoming)
  switch (fault?._tag) {
    case undefined:
      return Effect.sync(() => usual(state, incoming))
    case "Slow":
      return Effect.zipRight(Effect.sleep(fault.delay), Effect.sync(() => usual(state, incoming)))
    case "Reply":
      return Effect.succeed(fault)
    case "Refusal":
      return Effect.succeed({
        ...(isToken(incoming)
          ? oauthError(fault.status, fault.code, fault.message)
          : apiError(incoming, fault.status, fault.code, fault.message, fault.messageParams)),
        headers: fault.headers
      })
  }
}

const isToken = (incoming: Incoming): boolean => incoming.url.pathname === tokenPath

const faultFor = (state: State, incoming: Incoming): Fault | undefined => {
  const host = isToken(incoming) ? "login" : "api"
  const found = state.faults.find(({ left, target }) =>
    left > 0 && (target.host === undefined || target.host === host) &&
    (target.path === undefined || incoming.url.pathname.startsWith(target.path))
  )
  if (found !== undefined) found.left--
  return found?.fault
}

const usual = (state: State, incoming: Incoming): Answer => {
  if (isToken(incoming)) {
    return incoming.role === "api"
      ? notFound(incoming, "HTTP 404 Not Found")
      : token(state, incoming)
  }
  return incoming.role === "login" ? notFound(incoming, "HTTP 404 Not Found") : api(state, incoming)
}
