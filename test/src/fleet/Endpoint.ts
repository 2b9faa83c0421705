/** A token endpoint at the other end of a network that loses things. */
import type { HttpClient } from "@effect/platform"
import { Duration, Effect, Option } from "effect"
import { AccessToken, TokenError } from "effect-bearer"
import type { VirtualTime } from "../VirtualTime.js"
import type { Refresh, Use } from "./Families.js"
import { Families } from "./Families.js"
import * as Http from "./Http.js"
import type { HeldLease, Issued, Process } from "./Process.js"
import type { EndpointFault, World } from "./World.js"
import { Dice, isDuring, second } from "./World.js"

export const location = "https://login.example/token"

/** What a token is asked for with, other than the client's own name. */
export interface Grant {
  readonly type: string
  readonly refresh: Refresh | undefined
}

const ownName: Grant = { type: "client_credentials", refresh: undefined }

/** Who is told what the endpoint is asked, and what it answers. */
export interface Observer {
  /** A request leaves a process; says under which lease it does. */
  readonly asked: (process: Process, grant: Grant) => HeldLease | undefined
  readonly issued: (token: Issued) => void
  readonly delivered: (token: Issued) => void
  readonly failed: (process: Process, error: string) => void
}

/** An answer: a token, or why there is none. */
type Answer = { readonly _tag: "Token"; readonly token: Issued } | Refusal

interface Refusal {
  readonly _tag: "Unavailable" | "Throttled" | "InvalidGrant"
  readonly retryAfter: Option.Option<Duration.Duration>
}

const statuses = { Unavailable: 503, Throttled: 429, InvalidGrant: 400 } as const

export class Endpoint {
  readonly tokens = new Map<string, Issued>()
  readonly families = new Families()
  newest: Issued | undefined = undefined
  private readonly dice: Dice

  constructor(
    private readonly world: World,
    private readonly time: VirtualTime,
    private readonly observer: Observer
  ) {
    this.dice = new Dice(world.seed, 3)
  }

  get fault(): EndpointFault | undefined {
    return this.world.endpoint.find((fault) => isDuring(fault, this.time.now))
  }

  revoke(token: Issued): void {
    token.revokedAt ??= this.time.now
  }

  /** One token request of a process, for those who have no use for HTTP. */
  fetch(process: Process): Effect.Effect<AccessToken.AccessToken, TokenError.RequestError> {
    const { lifetime } = this.world
    return Effect.suspend(() => {
      const wall = process.clock.unsafeCurrentTimeMillis()
      return Effect.flatMap(
        this.exchange(process, ownName),
        (answer) =>
          answer._tag === "Token"
            ? Effect.succeed(
              AccessToken.make({ value: answer.token.value, issuedAt: wall, expiresAt: wall + lifetime })
            )
            : Effect.fail(errorOf(answer))
      )
    }).pipe(
      Effect.timeoutFail({
        duration: this.world.deadline,
        onTimeout: () =>
          new TokenError.EndpointTimeout({
            endpoint: location,
            phase: "total",
            limit: Duration.millis(this.world.deadline)
          })
      })
    )
  }

  /** The same for those who have. */
  client(process: Process): HttpClient.HttpClient {
    return Http.client((form) => {
      const type = form.get("grant_type") ?? ""
      const refresh = this.families.get(form.get("refresh_token") ?? "")
      return Effect.map(this.exchange(process, { type, refresh }), (answer) => replyOf(answer, this.world.lifetime))
    })
  }

  /** There and back, if neither way is lost. Whoever has waited for long enough goes away. */
  private exchange(process: Process, grant: Grant): Effect.Effect<Answer> {
    const { dice, observer, time, world } = this
    return Effect.async<Answer>((resume) => {
      const sentAt = time.now
      const lease = observer.asked(process, grant)
      const use: Use = { by: process, at: sentAt, fate: "open" }
      grant.refresh?.uses.push(use)
      const isLost = dice.chance(world.lostExchanges)
      const onTheWayBack = dice.chance(0.5)
      let waiting = true
      const arrive = () => {
        const answer = this.answer(process, grant, sentAt, lease)
        if (answer !== undefined) time.after(answer.latency, () => receive(answer.answer))
      }
      const receive = (answer: Answer) => {
        if (isLost || process.dead || !waiting) return
        waiting = false
        use.fate = answer._tag === "Token" ? "answered" : "refused"
        if (answer._tag === "Token") {
          answer.token.delivered = true
          observer.delivered(answer.token)
        } else {
          observer.failed(process, answer._tag)
        }
        if (!process.dead) resume(Effect.succeed(answer))
      }
      if (!process.dead && !(isLost && !onTheWayBack)) time.after(this.latency(), arrive)
      return Effect.sync(() => {
        if (!waiting) return
        waiting = false
        // somebody who is stopped need not wait to the end
        const isOver = time.now - sentAt > world.deadline / 2
        use.fate = isOver ? "lost" : "dropped"
        if (isOver) observer.failed(process, "no answer")
      })
    })
  }

  /** What the endpoint makes of a request, if it makes anything of it. */
  private answer(
    process: Process,
    { refresh, type }: Grant,
    sentAt: number,
    lease: HeldLease | undefined
  ): { readonly latency: number; readonly answer: Answer } | undefined {
    const { families, fault, time, world } = this
    const refuse = (_tag: Refusal["_tag"]) => {
      const retryAfter = Option.map(Option.fromNullable(fault?.retryAfter), Duration.millis)
      return { latency: this.latency(), answer: { _tag, retryAfter } }
    }
    if (fault?.kind === "silent") return undefined
    if (fault?.kind === "down") return refuse("Unavailable")
    if (fault?.kind === "throttled") return refuse("Throttled")
    const next = world.rotation === undefined
      ? undefined
      : type === "refresh_token"
      ? families.spend(refresh, time.now)
      : families.login()
    if (world.rotation !== undefined && next === undefined) return refuse("InvalidGrant")
    const number = this.tokens.size + 1
    const token: Issued = {
      number,
      value: `t${number}`,
      by: process,
      sentAt,
      at: time.now,
      expiresAt: time.now + world.lifetime,
      lease,
      refresh: next,
      revokedAt: undefined,
      delivered: false,
      stored: false
    }
    this.tokens.set(token.value, token)
    this.newest = token
    this.observer.issued(token)
    return { latency: fault?.kind === "slow" ? world.slowness : this.latency(), answer: { _tag: "Token", token } }
  }

  private latency(): number {
    return this.dice.between(20, 200)
  }
}

const errorOf = ({ _tag, retryAfter }: Refusal): TokenError.RequestError => {
  const common = { endpoint: location, status: statuses[_tag], retryAfter, description: Option.none() }
  return _tag === "Throttled" ? new TokenError.RateLimited(common) : new TokenError.EndpointUnavailable(common)
}

const replyOf = (answer: Answer, lifetime: number): Http.Reply => {
  if (answer._tag !== "Token") {
    const { _tag, retryAfter } = answer
    const headers = Option.match(retryAfter, {
      onNone: () => ({}),
      onSome: (duration) => ({ "retry-after": String(Duration.toSeconds(duration)) })
    })
    const error = _tag === "InvalidGrant" ? "invalid_grant" : "temporarily_unavailable"
    return { status: statuses[_tag], headers, body: { error } }
  }
  const { refresh, value } = answer.token
  return {
    status: 200,
    headers: {},
    body: {
      access_token: value,
      token_type: "Bearer",
      expires_in: lifetime / second,
      refresh_token: refresh?.value
    }
  }
}
