// What the scriptable server answers, whatever carries its bytes.
import * as Clock from "effect/Clock"
import * as Duration from "effect/Duration"
import * as Effect from "effect/Effect"
import * as Settings from "effect-bearer/Settings"
import * as Reply from "../Reply.js"
import type { Options, RecordedRequest } from "./contract.js"

/** What the server knows, whatever carries its bytes. */
export interface Desk {
  readonly requests: Array<RecordedRequest>
  /** Tokens handed out and when they run out. */
  readonly issued: Map<string, number>
  readonly revoked: Set<string>
  readonly queue: Array<Reply.Reply>
  readonly prefix: string
  readonly members: Readonly<Record<string, unknown>>
  readonly answer: (request: RecordedRequest, count: number) => Reply.Reply
  outage: boolean | Reply.Reply
  latency: Duration.Duration
  expiresIn: number | null
  bytesSent: number
}

/** What `setLatency` and `setExpiresIn` take as well. */
export const ranges = {
  latency: Settings.duration(0),
  expiresIn: Settings.number(3600, { least: Number.MIN_SAFE_INTEGER, most: Number.MAX_SAFE_INTEGER })
}

export const latency = (given: Options["latency"]): Duration.Duration =>
  Duration.millis(Settings.value(ranges.latency, given))

export const expiresIn = (given: Options["expiresIn"]): number | null =>
  given === null ? null : Settings.value(ranges.expiresIn, given)

/** A warning for what is no setting. */
export const complain = (given: Pick<Options, "expiresIn" | "latency">): Effect.Effect<void> =>
  Settings.warn(Settings.problems(
    ranges,
    given.expiresIn === null ? { latency: given.latency } : given,
    "AuthorizationServer"
  ))

export const make = (options: Options): Desk => ({
  requests: [],
  issued: new Map(),
  revoked: new Set(),
  queue: [],
  prefix: options.prefix ?? "token-",
  members: options.members ?? {},
  answer: options.answer ?? (() => Reply.token()),
  outage: false,
  latency: latency(options.latency),
  expiresIn: expiresIn(options.expiresIn),
  bytesSent: 0
})

export const isActive = (desk: Desk, token: string): Effect.Effect<boolean> =>
  Effect.map(Clock.currentTimeMillis, (now) => {
    const until = desk.issued.get(token)
    return until !== undefined && now < until && !desk.revoked.has(token)
  })

/** An answer with its tokens made out. */
export type Settled = Exclude<Reply.Reply, { readonly _tag: "Token" }>

/**
 * Records the request, chooses the answer and waits as long as the answer is meant to take. A token is made out when
 * the answer is sent, so the server's idea of its lifetime starts later than the client's.
 */
export const serve = (
  desk: Desk,
  request: Omit<RecordedRequest, "at" | "form" | "params">
): Effect.Effect<Settled> =>
  Effect.gen(function*() {
    const params = Array.from(new URLSearchParams(request.body))
    const recorded: RecordedRequest = {
      ...request,
      params,
      form: Object.fromEntries(params),
      at: yield* Clock.currentTimeMillis
    }
    desk.requests.push(recorded)
    const reply = desk.queue.shift() ??
      (desk.outage === true
        ? Reply.status(503)
        : desk.outage === false
        ? desk.answer(recorded, desk.requests.length)
        : desk.outage)
    const wait = Duration.sum(desk.latency, reply.delay)
    // a sleep of zero is still a sleep: under TestClock it would wait for a tick that nobody makes
    if (Duration.greaterThan(wait, Duration.zero)) yield* Effect.sleep(wait)
    return reply._tag === "Token" ? yield* settle(desk, recorded, reply) : reply
  })

/** A script may have handed out a number before its turn. */
const nextToken = ({ issued, prefix }: Desk): string => {
  let number = issued.size + 1
  while (issued.has(`${prefix}${number}`)) number++
  return `${prefix}${number}`
}

/** Servers say it in quotes, too. */
const millisOf = (lifetime: unknown): number => {
  const seconds = typeof lifetime === "number" || (typeof lifetime === "string" && lifetime.trim() !== "")
    ? Number(lifetime)
    : Number.NaN
  return Number.isNaN(seconds) ? Number.POSITIVE_INFINITY : seconds * 1000
}

const settle = (desk: Desk, request: RecordedRequest, reply: Extract<Reply.Reply, { readonly _tag: "Token" }>) =>
  Effect.map(Clock.currentTimeMillis, (now): Settled => {
    const members: Record<string, unknown> = {
      access_token: nextToken(desk),
      token_type: "Bearer",
      ...(desk.expiresIn === null ? {} : { expires_in: desk.expiresIn }),
      ...(request.form.scope === undefined ? {} : { scope: request.form.scope }),
      ...desk.members,
      ...reply.members
    }
    const { access_token: token, expires_in: lifetime } = members
    if (typeof token === "string") desk.issued.set(token, now + millisOf(lifetime))
    return Reply.json(members, { status: reply.status, headers: { "cache-control": "no-store" } }) as Settled
  })
