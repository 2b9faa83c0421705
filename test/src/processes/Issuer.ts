/** An authorization server in the process of the test. It knows every token it has issued, by hash. */
import { createHash } from "node:crypto"
import { AuthorizationServer, Reply } from "@effect-bearer/testing"
import type { Duration, Scope } from "effect"
import { Effect } from "effect"
import type { Report, Settings } from "./protocol.js"

/** A token request and the token it is answered with. */
export interface Issued {
  readonly scope: string
  /** Begins with 1 for each scope. */
  readonly number: number
  /** `scope/number` */
  readonly token: string
  readonly hash: string
  /** When it was asked for, and how long it lives from then on (epoch milliseconds). */
  readonly at: number
  readonly expiresAt: number
}

export interface Issuer {
  readonly tokenEndpoint: string
  readonly issued: (scope: string) => Effect.Effect<ReadonlyArray<Issued>>
  /** Answers the next request for a scope only after a while. */
  readonly delayNext: (scope: string, delay: Duration.DurationInput) => Effect.Effect<void>
  /** Requests that are being answered. */
  readonly inFlight: Effect.Effect<number>
}

/** A server whose tokens live that many seconds. */
export const start = (lifetime: (scope: string) => number): Effect.Effect<Issuer, never, Scope.Scope> =>
  Effect.gen(function*() {
    const log: Array<Issued> = []
    const delays = new Map<string, Duration.DurationInput>()
    const server = yield* AuthorizationServer.listen({
      answer: ({ at, form }) => {
        const scope = form.scope ?? ""
        const number = 1 + log.filter((issued) => issued.scope === scope).length
        const token = `${scope}/${number}`
        const seconds = lifetime(scope)
        const hash = createHash("sha256").update(token).digest("hex")
        log.push({ scope, number, token, hash, at, expiresAt: at + seconds * 1000 })
        const delay = delays.get(scope) ?? 0
        delays.delete(scope)
        return Reply.delayed(Reply.token({ access_token: token, expires_in: seconds }), delay)
      }
    })
    return {
      tokenEndpoint: server.tokenEndpoint,
      issued: (scope) => Effect.sync(() => log.filter((issued) => issued.scope === scope)),
      delayNext: (scope, delay) => Effect.sync(() => void delays.set(scope, delay)),
      inFlight: server.inFlight
    }
  })

/** Settings of workers that have all the time in the world, but for the lease. */
export const patient = (
  { tokenEndpoint }: Issuer,
  options: { readonly store: Settings["store"]; readonly lease: number }
): Settings => ({
  tokenEndpoint,
  clientId: "fleet",
  secret: "the secret of the fleet",
  endpointTimeout: 30_000,
  storeTimeout: 10_000,
  ...options
})

/** How many tokens were handed out when the server did not accept them any more, or had never issued them. */
export const servedLate = (issued: ReadonlyArray<Issued>, reports: ReadonlyArray<Report>): number =>
  reports.flatMap(({ tokens }) => tokens).filter(({ hash, last }) =>
    last >= (issued.find((token) => token.hash === hash)?.expiresAt ?? 0)
  ).length
