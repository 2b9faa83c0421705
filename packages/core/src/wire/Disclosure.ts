/**
 * Decides which parts of a server's response, or of any other text from outside, an error may show. Every package of
 * the library asks this module.
 *
 * **Rule: an error shows only what a list permits.** Of a success (2xx) it shows the {@link shape}, and no text,
 * because every text of a success may be a token. Of a refusal it shows the members in which servers explain errors,
 * without the secrets that were sent and without anything that looks like a credential. A text that could not be parsed
 * is described and never quoted. Secrets are hidden before a text is cut, and at a cut no beginning of a secret is
 * left.
 *
 * @since 0.1.0
 */

import * as Effect from "effect/Effect"
import type { LazyArg } from "effect/Function"
import * as Option from "effect/Option"
import * as Predicate from "effect/Predicate"
import * as Redacted from "effect/Redacted"
import type * as Tracer from "effect/Tracer"
import * as decode from "./decode.js"
import * as credentialLike from "./disclosure/credentialLike.js"
import * as errorNames from "./disclosure/errorName.js"
import * as mediaType from "./disclosure/mediaType.js"
import * as ownSpan from "./disclosure/ownSpan.js"
import * as unparsedUrl from "./disclosure/unparsedUrl.js"
import * as knownSecrets from "./knownSecrets.js"
import * as plainWords from "./plainWords.js"

/**
 * The parts of a response that its {@link shape} needs.
 *
 * @since 0.1.0
 * @category models
 */
export interface Answer {
  readonly body: Uint8Array
  /** The body was longer than the part that was read. */
  readonly overflow?: boolean | undefined
  /** The `Content-Encoding` that the HTTP client did not undo. */
  readonly contentEncoding?: string | undefined
  /** The coding of a compressed body that could not be decompressed and was not kept. */
  readonly compressed?: string | undefined
}

/**
 * Functions that give the text that may be shown, for a request whose secrets are known.
 *
 * @since 0.1.0
 * @category models
 */
export interface Disclosure {
  /**
   * An explaining text from outside. Secrets and anything that looks like a credential become `<redacted>`; the result
   * is printable and at most `limit` characters long, by default 200.
   */
  readonly text: (value: string, limit?: number) => string
  /**
   * The same for text from a success (2xx), where a token may stand anywhere: only plain words are shown.
   */
  readonly strict: (value: string, limit?: number) => string
  /** A name that is known not to be a credential: only the secrets that were sent become `<redacted>`. */
  readonly name: (value: string, limit?: number) => string
  /**
   * The `code` of an error of the runtime, such as `ECONNREFUSED`; `<redacted>` for a text that has not the form of
   * such a code.
   */
  readonly code: (value: string) => string
  /**
   * A value that the program acts on, such as a scope: in full and unchanged. A secret in it is hidden, unless it could
   * be a part of a name by chance: a secret `demo` does not hide the scope `demo-api`.
   */
  readonly value: (value: string) => string
  /**
   * A member, by {@link explains} and {@link isSecretName}: its text, or `<redacted>` if its name says that it is a
   * secret.
   */
  readonly member: (name: string, value: string, limit?: number) => string
  /**
   * The text of a refusal: the members that {@link explains} accepts, as `error: "invalid_client", code: 17`; empty
   * when there is none. Objects and lists are searched too, for at most 20 members.
   */
  readonly refusal: (
    members: ReadonlyMap<string, unknown> | Readonly<Record<string, unknown>>,
    limit?: number
  ) => string
  /**
   * A whole value in its own structure, for data that is passed on and not only shown: secrets are hidden in each text,
   * and no text is cut. Beyond some thousand texts, or a quarter of a million characters, texts are `<redacted>`; bytes
   * always are.
   */
  readonly whole: (data: unknown) => unknown
}

/**
 * @since 0.1.0
 * @category models
 */
export interface Options {
  /** Whether UUIDs are shown, because at this server they are names and not credentials. By default `false`. */
  readonly keepsUuids?: boolean | undefined
  /** Tokens from the response itself: `value` hides them, whatever they look like. */
  readonly issued?: ReadonlyArray<Redacted.Redacted> | undefined
}

/** How many characters of one text are kept. */
const defaultLimit = 200

/** How many members of one refusal are shown. */
const mostMembers = 20

/** No server nests so deep; members below this depth are left out. */
const deepest = 64

/**
 * One line, without control characters and characters that no reader sees.
 *
 * @since 0.1.0
 * @category getters
 */
export const printable = (value: string): string => value.replace(knownSecrets.invisible, " ").trim()

const cap = (value: string, limit: number): string => value.length <= limit ? value : `${value.slice(0, limit)}…`

/**
 * Secrets are found in any encoding and also in pieces of eight characters and more. One of two or three characters is
 * found only as a word of its own, in the text as it stands, and one of a single character not at all: the mask in place of
 * each `a` would tell what the secret is. They are read when the first text is shown, because most requests succeed.
 *
 * @example
 * ```ts
 * import * as Disclosure from "effect-bearer/Disclosure"
 * import { Redacted } from "effect"
 *
 * const disclosure = Disclosure.make([Redacted.make("correct-horse-battery")])
 * disclosure.text("The secret correct%2Dhorse%2Dbattery is wrong") // "The secret <redacted> is wrong"
 * ```
 *
 * @since 0.1.0
 * @category constructors
 */
export const make = (
  secrets: ReadonlyArray<Redacted.Redacted> | LazyArg<ReadonlyArray<Redacted.Redacted>>,
  { issued = [], keepsUuids = false }: Options = {}
): Disclosure => {
  const { all, beginning } = knownSecrets.hider(secrets)
  const unnameable = knownSecrets.hider(() => [
    ...(typeof secrets === "function" ? secrets() : secrets).filter((secret) => !isScopeName(Redacted.value(secret))),
    ...issued
  ])
  const explained = (value: string, limit = defaultLimit): string =>
    cap(credentialLike.hide(printable(beginning(value)), keepsUuids), limit)
  const disclosure: Disclosure = {
    text: explained,
    strict: (value, limit = defaultLimit) => cap(credentialLike.hideStrictly(printable(beginning(value))), limit),
    name: (value, limit = defaultLimit) => cap(printable(beginning(value)), limit),
    code: (value) => isCode(value) ? beginning(value) : knownSecrets.mask,
    value: unnameable.all,
    member: (name, value, limit) => isSecretName(name) ? knownSecrets.mask : explained(value, limit),
    refusal: (members, limit = 500) => {
      const entries = members instanceof Map
        ? Array.from(members as ReadonlyMap<string, unknown>)
        : Object.entries(members)
      return cap(
        telling(entries, 0).slice(0, mostMembers).map(([name, value]) => `${name}: ${shown(name, value)}`).join(", "),
        limit
      )
    },
    whole: (data) => whole(data, false, { depth: 0, left: new Budget(), within: new Set() })
  }
  const shown = (name: string, value: Value): string =>
    typeof value !== "string"
      ? disclosure.name(String(value))
      : JSON.stringify(identifies(name, value) ? disclosure.name(value) : explained(value))
  const hidden = (value: string): string => credentialLike.hide(all(value), keepsUuids)
  const whole = (data: unknown, isSecret: boolean, at: Place): unknown => {
    if (typeof data === "string") {
      return data !== "" && (isSecret || !at.left.takes(data)) ? knownSecrets.mask : hidden(data)
    }
    if (typeof data === "number" || typeof data === "bigint") return isSecret ? knownSecrets.mask : data
    if (typeof data === "symbol" || typeof data === "function") return undefined
    if (typeof data !== "object" || data === null) return data
    // bytes cannot be searched like text, and any secret can be read from them
    if (ArrayBuffer.isView(data) || data instanceof ArrayBuffer) return knownSecrets.mask
    if (at.depth > deepest || at.within.has(data)) return undefined
    const inside: Place = { depth: at.depth + 1, left: at.left, within: new Set(at.within).add(data) }
    if (Array.isArray(data)) {
      const spelled = spelledBy(data)
      if (spelled !== "" && (!at.left.takes(spelled) || all(spelled) !== spelled)) return knownSecrets.mask
      return data.map((item) => whole(item, isSecret, inside))
    }
    return Object.fromEntries(
      entriesOf(data).filter(([name]) => at.left.takes(name)).map((
        [name, value]
      ) => [hidden(name), whole(value, isSecret || isSecretName(name), inside)])
    )
  }
  return disclosure
}

/** A shorter list is no spelling of a secret. */
const shortestSpelling = 4

/** The text of a list that may spell a secret, such as the bytes of a `Buffer` in JSON, or letters. */
const spelledBy = (list: ReadonlyArray<unknown>): string =>
  list.length >= shortestSpelling && list.every((item) => typeof item === "number" || isLetter(item))
    ? JSON.stringify(list)
    : ""

const isLetter = (item: unknown): boolean => typeof item === "string" && item.length <= 4

/** The place of a part in a whole value. */
interface Place {
  readonly depth: number
  readonly left: Budget
  /** The objects around it, to stop at an object that holds itself. */
  readonly within: ReadonlySet<object>
}

/**
 * How many texts and characters of one whole value are searched: a server may send any number, and the search takes
 * time. A text beyond the limit is not shown, and neither is a member whose name is beyond it.
 */
class Budget {
  private texts = 5_000
  private characters = 262_144

  takes(text: string): boolean {
    this.texts--
    this.characters -= text.length
    return this.texts >= 0 && this.characters >= 0
  }
}

/** The members of an object; an object of the program's own may throw when it is read. */
const entriesOf = (object: object): ReadonlyArray<readonly [string, unknown]> => {
  try {
    return Object.entries(object)
  } catch {
    return []
  }
}

/** Whether a secret could be part of a scope by chance: short, and made of words in one case, such as `demo-api`. */
const isScopeName = (secret: string): boolean =>
  secret.length < 20 && !/[a-z][A-Z]/.test(secret) && credentialLike.isName(secret)

/** `ECONNREFUSED`, `UND_ERR_SOCKET`, `ERR_SSL_TLSV13_ALERT_CERTIFICATE_REQUIRED`; Bun and Deno write `ConnectionRefused`. */
const isCode = (code: string): boolean =>
  code.length <= 64 &&
  (/^[A-Z]{1,14}(?:_{1,2}(?:[A-Z]{1,14}(?:V?\d{1,3})?|\d{1,3}))*$/.test(code) ||
    /^(?:[A-Z][a-z]{1,14}){1,6}$/.test(code))

type Value = string | number | boolean

/** Names of members in which servers explain errors, in lower case and without `_` and `-`. */
const explaining: ReadonlySet<string> = new Set((
  "error errors errordescription erroruri errorcode errorcodes errortype errorsummary errorcauses errormessage errorid " +
  "errorhint errordetail errordetails suberror code codes description message messages title detail details reason reasons " +
  "status statuscode type hint category innererror traceid correlationid requestid contextid xrequestid incidentid timestamp " +
  "retryafter fault faultstring"
).split(" "))

/** Names of ids with which the operators of a server find the request in their log. */
const identifying: ReadonlySet<string> = new Set(
  "errorid traceid correlationid requestid contextid xrequestid incidentid".split(" ")
)

const identifies = (name: string, value: string): boolean =>
  identifying.has(plainName(name)) && /^[0-9a-f-]{1,64}$/i.test(value)

const plainName = (name: string): string => name.length > 40 ? "" : name.replace(/[_\-.]/g, "").toLowerCase()

/**
 * Whether a member of this name explains an error, and is shown.
 *
 * @since 0.1.0
 * @category guards
 */
export const explains = (name: string): boolean => explaining.has(plainName(name))

const secretName =
  /token(?![_-]?(?:type|endpoint|ur[il]|exp|life|use|format|name))|secret(?![_-]?(?:exp|name))|passw|authorization|assertion|credential|cookie|session|jwt|verifier|api[_-]?key|private/i

/**
 * Whether a member of this name holds a secret: `access_token`, `client_secret`, `password`, …
 *
 * @since 0.1.0
 * @category guards
 */
export const isSecretName = (name: string): boolean => secretName.test(name)

/** The explaining members of a refusal in their order, and those inside its objects and lists. */
const telling = (
  entries: ReadonlyArray<readonly [string, unknown]>,
  depth: number
): ReadonlyArray<readonly [string, Value]> =>
  entries.slice(0, 200).filter(([name]) => explains(name)).flatMap(([name, value]) => inside(name, value, depth))

const inside = (name: string, value: unknown, depth: number): ReadonlyArray<readonly [string, Value]> =>
  typeof value === "string"
    ? value.trim() === "" ? [] : [[name, value]]
    : typeof value === "number" || typeof value === "boolean"
    ? [[name, value]]
    : depth >= 3
    ? []
    : Array.isArray(value)
    // a long list of numbers or letters explains nothing, and may spell a secret
    ? value.length >= 2 * shortestSpelling && spelledBy(value) !== ""
      ? []
      : value.slice(0, mostMembers).flatMap((item) => inside(name, item, depth + 1))
    : Predicate.isRecord(value)
    ? telling(Object.entries(value), depth + 1)
    : []

/**
 * Describes a body by its kind and its length, without its text: `JSON: an object, 84 bytes`, `JSON cut off, 1024
 * bytes`, `HTML with the title "Sign in", 5120 bytes`, `XML`, `text`, `compressed (gzip)`, `text, in UTF-16`, `empty`.
 * Of a title only plain words are shown.
 *
 * @since 0.1.0
 * @category getters
 */
export const shape = (answer: Answer): string => shapeOf(decode.decode(answer.body), answer)

/**
 * The same for a body that is decoded already.
 *
 * @internal
 */
export const shapeOf = (
  decoded: decode.Decoded,
  { body, compressed, contentEncoding, overflow = false }: Answer
): string => {
  // nothing is kept of a response that is too large when it is decompressed
  if (decoded._tag === "Empty") {
    const kind = compressed === undefined ? "empty" : `compressed (${compressed}), which this runtime cannot decompress`
    return overflow ? "more than was looked at" : kind
  }
  const coding = mediaType.coding(contentEncoding)
  const form = decoded._tag === "Other" && decoded.kind === "text" && coding !== undefined
    ? `compressed (${coding})`
    : decoded.form
  return `${form}, ${overflow ? "more than " : ""}${body.length} ${body.length === 1 ? "byte" : "bytes"}`
}

/**
 * Type and subtype of a `Content-Type`, as far as they are well-known; other parts become an ellipsis. Empty when there
 * is no `Content-Type`.
 *
 * @since 0.1.0
 * @category getters
 */
export const contentType: (header: string | undefined) => string = mediaType.shown

/**
 * Origin and path of a URL of `http` or `https`, without user info, query and fragment. Any other text may hold a
 * password anywhere: it is described by its length, its scheme and the place where it breaks, and no part of it is
 * quoted.
 *
 * @example
 * ```ts
 * import { Disclosure } from "effect-bearer"
 *
 * Disclosure.url("https://api.example.com/users?key=s3cr3t") // "https://api.example.com/users"
 * Disclosure.url("https://me:s3#cr3t@api.example.com")
 * // "a text of 34 characters that begins with https: and breaks at character 14: "#" has to be escaped before an @"
 * ```
 *
 * @since 0.1.0
 * @category getters
 */
export const url = (value: string | URL): string => unparsedUrl.shown(value)

/**
 * A value from a success that should have been `expected`, such as the issuer in its metadata: the parts that both
 * values have, and well-known words, are shown; other parts become ellipses.
 *
 * @since 0.1.0
 * @category getters
 */
export const compared = (value: string, expected: string): string =>
  cap(plainWords.compared(printable(value.slice(0, 1000)), expected), defaultLimit)

/**
 * Effect logs, at debug level, what every fiber has failed with, those included that a deadline or a race begins. Use
 * it for effects whose failure may hold a secret, before it is turned into an error of the library.
 *
 * @since 0.1.0
 * @category combinators
 */
export const unlogged: <A, E, R>(self: Effect.Effect<A, E, R>) => Effect.Effect<A, E, R> = Effect
  .withUnhandledErrorLogLevel(Option.none())

/**
 * As `Effect.withSpan`, with one difference: the span ends with the exit that may be shown. An error that is not the
 * package's own may hold a secret: the span tells its name (see {@link errorName}) and nothing else. The caller of the
 * effect gets its failure as it is.
 *
 * `isOwn` says which errors are the package's own, whose messages hold no secret; by default those of `TokenError`. The
 * last error of a `RetriesExhausted` has to be one of them, too.
 *
 * @example
 * ```ts
 * import { Disclosure } from "effect-bearer"
 * import { Effect } from "effect"
 *
 * const measured = Effect.fail(new Error("s3cr3t")).pipe(
 *   Disclosure.withSpan("Vault.read", { kind: "client" }) // the span says: code of the program failed: Error
 * )
 * ```
 *
 * @since 0.1.0
 * @category combinators
 */
export const withSpan: (
  name: string,
  options?: Tracer.SpanOptions,
  isOwn?: (error: unknown) => boolean
) => <A, E, R>(self: Effect.Effect<A, E, R>) => Effect.Effect<A, E, Exclude<R, Tracer.ParentSpan>> = ownSpan.withSpan

/**
 * The name of an error that is not the library's own: its `_tag` or `name` if that looks like the name of a class,
 * otherwise `otherwise`. Nothing else of such an error may be shown.
 *
 * @since 0.1.0
 * @category getters
 */
export const errorName: (error: unknown, otherwise?: string) => string = errorNames.errorName
