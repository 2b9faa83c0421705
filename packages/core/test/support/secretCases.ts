import { inspect } from "node:util"
import { HttpClient, HttpClientResponse } from "@effect/platform"
import { Cause, Effect, Exit, Logger, LogLevel, Tracer } from "effect"

/**
 * Property: no rendering of any result shows a secret, in any encoding, cut anywhere, at any place of any response. The
 * seed is that of the run (`TEST_SEED`); `SECRET_CASES` is the number of cases, by default 100 000.
 */
export const cases = Number(process.env.SECRET_CASES ?? 100_000)
export const seed = Number.parseInt(process.env.TEST_SEED ?? "", 10) || 20_261_127

/** Mulberry32: a case is known by its number. */
const random = (state: number) => {
  const next = (): number => {
    state = (state + 0x6d2b79f5) | 0
    let t = Math.imul(state ^ (state >>> 15), 1 | state)
    t = (t + Math.imul(t ^ (t >>> 7), 61 | t)) ^ t
    return ((t ^ (t >>> 14)) >>> 0) / 4_294_967_296
  }
  const below = (n: number): number => Math.floor(next() * n)
  return { below, pick: <A>(all: ReadonlyArray<A>): A => all[below(all.length)]! }
}
type Random = ReturnType<typeof random>

// ---------------------------------------------------------------------------------------------------------------
// a secret, in some encoding, in some place of some answer
// ---------------------------------------------------------------------------------------------------------------

const letters = "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789"
const alphabets = [
  letters,
  `${letters}-_`,
  `${letters}+/=`,
  `${letters}!#$%&'()*,.:;<>?@[]^\`{|}~"\\ `,
  `${letters}éßλ`
].map((alphabet) => Array.from(alphabet))

/** A token that is issued has the characters that a header can carry (RFC 6750 §2.1); a secret that is sent has any. */
const secretOf = ({ below, pick }: Random, sent: boolean): string => {
  const alphabet = pick(sent ? alphabets : alphabets.slice(0, 3))
  const text = Array.from({ length: 12 + below(53) }, () => pick(alphabet)).join("")
  // with white space at its ends it would be another secret after trimming
  return text.trim().length < 12 ? `${text.trim()}q7RkV2mXw9Lt` : text.trim()
}

const hex = (code: number, digits: number) => code.toString(16).padStart(digits, "0")

const encodings: ReadonlyArray<(text: string) => string> = [
  (text) => text,
  (text) => text.toUpperCase(),
  (text) => new URLSearchParams([["", text]]).toString().slice(1),
  (text) => encodeURIComponent(text),
  (text) => encodeURIComponent(text).toLowerCase(),
  (text) => Array.from(Buffer.from(text), (byte) => `%${hex(byte, 2)}`).join(""),
  (text) => JSON.stringify(text).slice(1, -1),
  (text) => text.split("").map((c) => `\\u${hex(c.charCodeAt(0), 4)}`).join(""),
  (text) => text.replaceAll("&", "&amp;").replaceAll("<", "&lt;").replaceAll("\"", "&quot;"),
  (text) => text.split("").map((c) => `&#${c.charCodeAt(0)};`).join(""),
  (text) => text.split("").map((c) => `&#x${hex(c.charCodeAt(0), 2)};`).join(""),
  (text) => Buffer.from(text).toString("base64"),
  (text) => Buffer.from(text).toString("base64url"),
  (text) => Buffer.from(`svc:${text}`).toString("base64"),
  (text) => Buffer.from(`a:${encodeURIComponent(text)}.`).toString("base64"),
  (text) => Buffer.from(text).toString("hex"),
  (text) => Array.from(text).join("\u0000"),
  (text) => JSON.stringify(Array.from(Buffer.from(text))),
  (text) => Array.from(Buffer.from(text)).join(", "),
  (text) => Array.from(text, (c) => c.charCodeAt(0)).join(" "),
  (text) => Array.from(Buffer.from(text), (byte) => hex(byte, 2)).join(" "),
  (text) => Array.from(Buffer.from(text), (byte) => hex(byte, 2)).join(":").toUpperCase(),
  (text) => Array.from(Buffer.from(text), (byte) => `0x${hex(byte, 2)}`).join(", "),
  (text) => text.replace(/[!-~]/g, (c) => String.fromCharCode(c.charCodeAt(0) + 0xfee0)),
  (text) => text.replace(/[a-z]/g, (c) => String.fromCodePoint(0x1d41a - 97 + c.charCodeAt(0))),
  (text) => Array.from(text).join("\u0301"),
  (text) => Array.from(text).join("\u0301").normalize("NFC"),
  (text) => Array.from(text).join(" "),
  (text) => JSON.stringify(Array.from(text)),
  (text) => Array.from(text).reverse().join("")
]

export interface Answer {
  readonly status: number
  readonly headers: Readonly<Record<string, string>>
  readonly body: Uint8Array
}

const names = [
  "error",
  "error_description",
  "error_uri",
  "message",
  "description",
  "errorCode",
  "code",
  "trace_id",
  "status",
  "title",
  "detail",
  "access_token",
  "refresh_token",
  "scope",
  "token_type",
  "expires_in",
  "client_secret",
  "data",
  "errors",
  "active",
  "issuer",
  "client_id",
  "x"
]

const statuses = [200, 200, 200, 201, 299, 301, 302, 400, 400, 401, 401, 403, 404, 405, 409, 418, 429, 500, 502, 503]
const types = ["application/json", "text/html; charset=utf-8", "application/x-www-form-urlencoded", "text/plain", "x"]

const utf32 = (text: string): Uint8Array =>
  Uint8Array.from(Array.from(text).flatMap((c) => [c.codePointAt(0)! & 255, (c.codePointAt(0)! >> 8) & 255, 0, 0]))

const toBytes: ReadonlyArray<(text: string) => Uint8Array> = [
  ...Array.from({ length: 8 }, () => (text: string) => Buffer.from(text)),
  (text) => Buffer.from(text, "utf16le"),
  (text) => Buffer.from(`\ufeff${text}`, "utf16le"),
  (text) => Buffer.from(`\ufeff${text}`, "utf16le").swap16(),
  utf32,
  (text) => utf32(`\ufeff${text}`)
]

/** `leak()` is the secret in some spelling; any number of them, anywhere. */
const answerOf = (random: Random, leak: () => string, token: string | undefined): Answer => {
  const { below, pick } = random
  // a token that the server issues is sent without encoding
  const usable = token === undefined ? names : names.filter((name) => !name.endsWith("_token"))
  const phrase = (): string =>
    pick([leak(), `wrong: ${leak()}`, `${"ab ".repeat(below(80))}${leak()} and ${leak()}`, `(${leak()})`])
  const value = (depth: number): unknown =>
    below(3) > 0 || depth > 2 ? phrase() : below(2) === 0 ? [value(depth + 1)] : members(depth + 1)
  const members = (depth = 0): Record<string, unknown> =>
    Object.fromEntries(
      Array.from({ length: 1 + below(5) }, () => [below(12) === 0 ? leak() : pick(usable), value(depth)])
    )
  const object = (): Record<string, unknown> =>
    token !== undefined && below(2) === 0 ? { access_token: token, ...members() } : members()
  const texts: ReadonlyArray<() => string> = [
    phrase,
    () => JSON.stringify(phrase()),
    () => JSON.stringify(object()),
    () => JSON.stringify(object()),
    () => JSON.stringify({ error: pick(["invalid_client", "other", phrase()]), ...object() }),
    () => JSON.stringify([object()]),
    () => {
      const text = JSON.stringify(object())
      return text.slice(0, below(text.length))
    },
    () => new URLSearchParams(Object.entries(members(3)).map(([name, value]) => [name, String(value)])).toString(),
    () => `access_token=${encodeURIComponent(token ?? phrase())}&error_description=${encodeURIComponent(phrase())}`,
    () => `<html><head><title>${phrase()}</title></head><body>${phrase()}</body></html>`,
    () => `<?xml version="1.0"?><error>${phrase()}</error>`,
    () => `token=${leak()}&x=1`,
    () => `Error: ${phrase()}\n${phrase()}`
  ]
  const header = () => phrase().replace(/[^\u0020-\u007e]/g, "") || "x"
  const headers: Record<string, string> = { "content-type": below(4) === 0 ? `text/${header()}` : pick(types) }
  for (const name of ["www-authenticate", "location", "retry-after", "content-encoding", "x-request-id"]) {
    if (below(4) === 0) {
      headers[name] = name === "location"
        ? `https://${leak()}.example.com/${header()}?${header()}`
        : header()
    }
  }
  headers.location = (headers.location ?? "").replace(/[^\u0020-\u007e]/g, "")
  return { status: pick(statuses), headers, body: pick(toBytes)(pick(texts)()) }
}

export interface Case {
  readonly secret: string
  readonly answer: Answer
}

/**
 * `sent`: the secret was sent. Otherwise the server has just issued it, and the answer is a success. `legal`: it is an
 * access token, and has only the characters that a header can carry.
 */
export const caseOf = (number: number, sent: boolean, legal = !sent): Case => {
  const generator = random(seed + number * 7919)
  const { below, pick } = generator
  const secret = secretOf(generator, !legal)
  const leak = (): string => {
    const from = below(2) === 0 ? 0 : below(secret.length - 8)
    const to = below(2) === 0 ? secret.length : from + 8 + below(secret.length - from - 7)
    const encoded = pick(encodings)(secret.slice(from, to))
    return below(6) === 0 ? pick(encodings)(encoded) : encoded
  }
  const answer = answerOf(generator, leak, sent ? undefined : secret)
  return { secret, answer: sent ? answer : { ...answer, status: pick([200, 201, 299]) } }
}

// ---------------------------------------------------------------------------------------------------------------
// the secret that is searched for
// ---------------------------------------------------------------------------------------------------------------

const piece = 8

/** The numbers of each row of numbers. */
const rows = (text: string, row: RegExp): ReadonlyArray<ReadonlyArray<string>> =>
  (text.match(row) ?? []).map((numbers) => numbers.split(/[^\da-z]+/i))

/** Written independently of the module under test. */
const decodedForms = (text: string): ReadonlyArray<string> => {
  const undone = [
    text,
    text.replace(/(?:%[0-9a-f]{2})+/gi, (codes) => Buffer.from(codes.replaceAll("%", ""), "hex").toString()),
    text.replace(/\\+u([0-9a-f]{4})/gi, (_, code) => String.fromCharCode(Number.parseInt(code, 16))).replaceAll(
      "\\",
      ""
    ),
    text.replace(/&#(\d+);/g, (_, code) => String.fromCharCode(Number(code)))
      .replace(/&#x([0-9a-f]+);/gi, (_, code) => String.fromCharCode(Number.parseInt(code, 16)))
      .replaceAll("&amp;", "&").replaceAll("&lt;", "<").replaceAll("&quot;", "\""),
    text.replace(/[\s\u0000]/g, ""),
    text.normalize("NFKD").replace(/\p{M}/gu, ""),
    text.replace(/([^])","/g, "$1"),
    Array.from(text).reverse().join("")
  ]
  const bytes = [
    ...(text.match(/[A-Za-z0-9+/_-]{11,}/g) ?? []).flatMap((run) =>
      [0, 1, 2, 3].map((shift) => Buffer.from(run.slice(shift), "base64"))
    ),
    ...(text.match(/[0-9a-f]{16,}/gi) ?? []).flatMap((run) =>
      [0, 1].map((shift) => Buffer.from(run.slice(shift), "hex"))
    ),
    ...rows(text, /\d{1,3}(?:[^\da-z]+\d{1,3}){7,}/gi).map((row) => Buffer.from(row.map(Number))),
    ...rows(text, /(?:0x)?[\da-f]{2}(?:[^\da-z]+(?:0x)?[\da-f]{2}){7,}/gi).map((row) =>
      Buffer.from(row.map((byte) => Number.parseInt(byte, 16)))
    )
  ]
  return [...undone, ...bytes.map((byte) => byte.toString())]
}

/** The first piece of the secret that can be read in the text. */
const found = (text: string, secret: string): string | undefined => {
  const pieces = Array.from({ length: secret.length - piece + 1 }, (_, i) => secret.slice(i, i + piece))
  const wanted = new Set(
    pieces.flatMap((part) => [part, part.toUpperCase(), part.replace(/\s/g, "")]).filter((part) =>
      part.length === piece
    )
  )
  // three characters are enough to tell most places apart
  const hash = (form: string, at: number) =>
    (form.charCodeAt(at) * 31 + form.charCodeAt(at + 3) * 7 + form.charCodeAt(at + 7)) & 0x3fff
  const possible = new Uint8Array(0x4000)
  for (const part of wanted) possible[hash(part, 0)] = 1
  for (const form of new Set(decodedForms(text))) {
    for (let i = 0; i + piece <= form.length; i++) {
      if (possible[hash(form, i)] === 0) continue
      const part = form.slice(i, i + piece)
      if (wanted.has(part)) return part
    }
  }
  return undefined
}

/** A text that also comes from another secret does not show this one. */
const seen = new Set<string>()

export const check = (rendered: string, { answer, secret }: Case, number: number): void => {
  if (seen.has(rendered)) return
  if (rendered.length < 500) seen.add(rendered)
  const part = found(rendered, secret)
  if (part === undefined) return
  throw new Error(
    `case ${number} of seed ${seed} shows "${part}" of ${JSON.stringify(secret)}:\n${rendered}\n` +
      `answer: ${answer.status} ${inspect(answer.headers)} ${Buffer.from(answer.body).toString()}`
  )
}

export const everything = (value: unknown): string =>
  [
    value instanceof Error ? `${value.message}\n${String(value)}\n${value.stack}` : String(value),
    JSON.stringify(value),
    inspect(value, { depth: Infinity, showHidden: true })
  ].join("\n")

export const clientOf = ({ body, headers, status }: Answer) =>
  HttpClient.make((request) =>
    Effect.sync(() =>
      HttpClientResponse.fromWeb(request, new Response(body as Uint8Array<ArrayBuffer>, { status, headers }))
    )
  )

/**
 * The results of a call that a program sees: the exit, its log lines, its spans. `isData`: the value of a success is
 * data that is passed on.
 */
export const observed = <A, E>(
  effect: Effect.Effect<A, E, HttpClient.HttpClient>,
  client: HttpClient.HttpClient,
  isData = false
): Effect.Effect<string> => {
  const lines: Array<string> = []
  const spans: Array<unknown> = []
  const keep = (line: string) => void lines.push(line)
  const logger = Logger.zip(
    Logger.zip(Logger.map(Logger.stringLogger, keep), Logger.map(Logger.logfmtLogger, keep)),
    Logger.map(Logger.jsonLogger, keep)
  )
  const tracer = Tracer.make({
    span: (name, parent, context, links, _startTime, kind) => {
      const attributes = new Map<string, unknown>()
      const events: Array<unknown> = []
      spans.push({ name, attributes, events })
      return {
        _tag: "Span",
        name,
        spanId: "1",
        traceId: "1",
        parent,
        context,
        status: { _tag: "Started", startTime: 0n },
        attributes,
        links: Array.from(links),
        sampled: true,
        kind,
        end: (_time, exit) => void events.push(isData && Exit.isSuccess(exit) ? "data of the program" : exit),
        attribute: (key, value) => void attributes.set(key, value),
        event: (name, _time, attributes) => void events.push([name, attributes]),
        addLinks: () => {}
      }
    },
    context: (run) => run()
  })
  return Effect.exit(effect).pipe(
    Effect.tap((exit) => Effect.logError("ended", Exit.isFailure(exit) ? exit.cause : exit.value)),
    Effect.map((exit) =>
      [everything(exit), Exit.isFailure(exit) ? Cause.pretty(exit.cause) : everything(exit.value)].join("\n")
    ),
    Effect.provideService(HttpClient.HttpClient, client),
    Effect.withTracer(tracer),
    Effect.provide(Logger.replace(Logger.defaultLogger, logger)),
    // Effect logs about fibers at debug level
    Logger.withMinimumLogLevel(LogLevel.All),
    Effect.map((exit) => [exit, ...lines, inspect(spans, { depth: Infinity })].join("\n"))
  )
}

/** The test runner needs an answer now and then. */
export const breath = (number: number) =>
  number % 200 === 0 ? new Promise<void>((resolve) => setImmediate(resolve)) : undefined
