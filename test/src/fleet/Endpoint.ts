/** A token endpoint at the other end of a network that loses things. */
import { Duration, Effect, Option } from "effect"
import { AccessToken, TokenError } from "effect-bearer"
import type { VirtualTime } from "../VirtualTime.js"
import type { HeldLease, Issued, Process } from "./Process.js"
import type { EndpointFault, World } from "./World.js"
import { Dice, isDuring, second } from "./World.js"

const endpoint = "https://login.example/token"

/** Who is told what the endpoint is asked, and what it answers. */
export interface Observer {
  /** A request leaves a process; says under which lease it does. */
  readonly asked: (process: Process) => HeldLease | undefined
  readonly issued: (token: Issued) => void
  readonly delivered: (token: Issued) => void
  readonly failed: (process: Process, error: string) => void
}

export class Endpoint {
  readonly tokens = new Map<string, Issued>()
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

  /** One token request of a process. */
  fetch(process: Process): Effect.Effect<AccessToken.AccessToken, TokenError.RequestError> {
    const { time, world } = this
    return Effect.suspend(() => {
      const sentAt = time.now
      const wall = process.clock.unsafeCurrentTimeMillis()
      const lease = this.observer.asked(process)
      const isLost = this.dice.chance(world.lostExchanges)
      const onTheWayBack = this.dice.chance(0.5)
      return Effect.async<AccessToken.AccessToken, TokenError.RequestError>((resume) => {
        let waiting = true
        if (process.dead || (isLost && !onTheWayBack)) return undefined
        time.after(this.latency(), () => {
          const answer = this.answer(process, sentAt, lease)
          if (answer === undefined) return
          time.after(answer.latency, () => {
            if (isLost || process.dead || !waiting) return
            if ("error" in answer) return resume(Effect.fail(answer.error))
            answer.token.delivered = true
            this.observer.delivered(answer.token)
            resume(Effect.succeed(
              AccessToken.make({
                value: answer.token.value,
                issuedAt: wall,
                expiresAt: wall + world.lifetime
              })
            ))
          })
        })
        return Effect.sync(() => {
          waiting = false
        })
      })
    }).pipe(
      Effect.timeoutFail({
        duration: world.deadline,
        onTimeout: () =>
          new TokenError.EndpointTimeout({ endpoint, phase: "total", limit: Duration.millis(world.deadline) })
      }),
      Effect.tapError((error) => Effect.sync(() => this.observer.failed(process, error._tag)))
    )
  }

  /** What the endpoint makes of a request, if it makes anything of it. */
  private answer(process: Process, sentAt: number, lease: HeldLease | undefined) {
    const { time, world } = this
    const { fault } = this
    const retryAfter = Option.map(Option.fromNullable(fault?.retryAfter), Duration.millis)
    const description = Option.none()
    if (fault?.kind === "silent") return undefined
    if (fault?.kind === "down") {
      return {
        latency: this.latency(),
        error: new TokenError.EndpointUnavailable({ endpoint, status: 503, retryAfter, description })
      }
    }
    if (fault?.kind === "throttled") {
      return {
        latency: this.latency(),
        error: new TokenError.RateLimited({ endpoint, status: 429, retryAfter, description })
      }
    }
    const number = this.tokens.size + 1
    const token: Issued = {
      number,
      value: `t${number}`,
      by: process,
      sentAt,
      at: time.now,
      expiresAt: time.now + world.lifetime,
      lease,
      revokedAt: undefined,
      delivered: false,
      stored: false
    }
    this.tokens.set(token.value, token)
    this.newest = token
    this.observer.issued(token)
    return { latency: fault?.kind === "slow" ? 12 * second : this.latency(), token }
  }

  private latency(): number {
    return this.dice.between(20, 200)
  }
}
