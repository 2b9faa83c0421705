/**
 * Where secrets come from. Each of these is an effect that `ClientAuthentication` accepts: it runs at every attempt,
 * so that a secret that was rotated takes effect on the next token request, without a redeploy.
 *
 * @since 0.1.0
 */

import type { PlatformError } from "@effect/platform/Error"
import * as FileSystem from "@effect/platform/FileSystem"
import type * as HttpClient from "@effect/platform/HttpClient"
import * as HttpClientRequest from "@effect/platform/HttpClientRequest"
import * as Duration from "effect/Duration"
import * as Effect from "effect/Effect"
import * as Option from "effect/Option"
import * as Predicate from "effect/Predicate"
import * as Redacted from "effect/Redacted"
import * as Loopback from "../values/Loopback.js"
import * as permission from "../values/permission.js"
import { vault as ranges } from "../values/settingRanges.js"
import * as Settings from "../values/Settings.js"
import * as TokenError from "../values/TokenError.js"
import * as urls from "../values/urls.js"
import * as credential from "./credential.js"
import * as decode from "./decode.js"
import * as Disclosure from "./Disclosure.js"
import * as checks from "./endpointChecks.js"
import * as refusal from "./endpointRefusal.js"
import * as memo from "./memo.js"
import * as OwnRequest from "./OwnRequest.js"
import { traced } from "./requestSpan.js"
import * as RetryAfter from "./RetryAfter.js"
import * as statuses from "./statuses.js"
import * as variable from "./variable.js"

/**
 * Runs an effect that yields a secret, for authors of a `ClientAuthentication` or a grant. The value is never shown,
 * however the effect ends: the library's own errors pass, any other failure becomes `InvalidConfiguration` for `field`,
 * with a message that begins with `name`.
 *
 * @example
 * ```ts
 * import { Secret } from "effect-bearer"
 * import type { Effect, Redacted } from "effect"
 *
 * declare const signingKey: Effect.Effect<Redacted.Redacted, Error>
 *
 * const read = Secret.guarded(signingKey, { field: "authentication.key", name: "the signing key" })
 * ```
 *
 * @since 0.1.0
 * @category combinators
 */
export const guarded: <A>(
  effect: Effect.Effect<A, unknown>,
  origin: { readonly field: string; readonly name: string }
) => Effect.Effect<A, TokenError.RequestError> = credential.guarded

/**
 * A variable of the environment, or of whatever `ConfigProvider` is in place. The value is used unchanged. If it begins
 * or ends with white space, that is probably a mistake, and the error says so when the server refuses the secret.
 *
 * @example
 * ```ts
 * import { ClientAuthentication, Secret } from "effect-bearer"
 *
 * const authentication = ClientAuthentication.basic(Secret.env("CLIENT_SECRET"))
 * ```
 *
 * @since 0.1.0
 * @category constructors
 */
export const env = (name: string): Effect.Effect<Redacted.Redacted, TokenError.InvalidConfiguration> =>
  Effect.flatMap(variable.read(name), (value) =>
    value === undefined
      ? Effect.flatMap(variable.nameOf(name), (name) =>
        Effect.fail(
          new TokenError.InvalidConfiguration({
            fields: [name],
            detail: `${name} is missing or blank. Set it in the environment of the program.`
          })
        ))
      : Effect.succeed(Redacted.make(value)))

/** A larger file holds no secret; it is the wrong file. */
const largestFile = 65_536

/**
 * A secret from a file, as orchestrators mount them. The file is read at every attempt, so new content takes effect at
 * once. One line break at its end is not part of the secret.
 *
 * @example
 * ```ts
 * import { ClientAuthentication, Secret } from "effect-bearer"
 * import { Effect } from "effect"
 *
 * const authentication = Effect.map(Secret.file("/run/secrets/client-secret"), ClientAuthentication.basic)
 * ```
 *
 * @since 0.1.0
 * @category constructors
 */
export const file = (
  path: string
): Effect.Effect<
  Effect.Effect<Redacted.Redacted, TokenError.InvalidConfiguration>,
  never,
  FileSystem.FileSystem
> =>
  Effect.map(FileSystem.FileSystem, (fs) => {
    const unreadable = (detail: string) =>
      new TokenError.InvalidConfiguration({ fields: ["secret file"], detail: `${path} ${detail}` })
    const wrongFile = unreadable("is larger than 64 KiB: is it the right file?")
    // reading a pipe would block a thread of the runtime for good; a device may have no end
    const content = Effect.flatMap(fs.stat(path), ({ size, type }): Effect.Effect<Uint8Array, Trouble> =>
      type === "File" || type === "Unknown"
        ? size > BigInt(largestFile) ? Effect.fail(wrongFile) : fs.readFile(path)
        : Effect.fail(unreadable(`is no file (${type}): it is read at every attempt, which needs one that stays`)))
    return content.pipe(
      // only the reason of the error is kept
      Effect.mapError((error) =>
        error._tag === "InvalidConfiguration"
          ? error
          : unreadable(
            permission.denial(error.cause) ?? fileTrouble(error._tag === "SystemError" ? error.reason : error._tag)
          )
      ),
      Effect.flatMap((bytes) =>
        bytes.length > largestFile ?
          Effect.fail(wrongFile) :
          Option.match(utf8(bytes), {
            onNone: () =>
              Effect.fail(unreadable("is no UTF-8 text: is it the right file?")),
            onSome: (text) => {
              const secret = text.replace(/\r?\n$/, "")
              return secret.trim() === "" ? Effect.fail(unreadable("is empty")) : Effect.succeed(Redacted.make(secret))
            }
          })
      )
    )
  })

type Trouble = PlatformError | TokenError.InvalidConfiguration

const utf8 = Option.liftThrowable((bytes: Uint8Array) => new TextDecoder("utf-8", { fatal: true }).decode(bytes))

const fileTrouble = (reason: string): string => {
  switch (reason) {
    case "NotFound":
      return "does not exist: check the path, and that the secret is mounted"
    case "PermissionDenied":
      return "may not be read by this process: check its owner and mode"
    default:
      return `could not be read (${reason})`
  }
}

/**
 * Where a secret is in HashiCorp Vault, and how to reach it.
 *
 * @since 0.1.0
 * @category models
 */
export interface VaultOptions {
  /** For example `https://vault.example.com:8200`. Default: `VAULT_AGENT_ADDR`, then `VAULT_ADDR`. */
  readonly address?: string | URL | undefined
  /**
   * The token for Vault itself, or an effect that yields one, evaluated whenever Vault is asked. An error of the effect
   * is shown by its kind only, see {@link guarded}. Default: `VAULT_TOKEN`. It may be missing if
   * {@link VaultOptions.agent} is `true`.
   */
  readonly token?: Redacted.Redacted | Effect.Effect<Redacted.Redacted, TokenError.RequestError> | undefined
  /**
   * Whether a Vault Agent, or a Vault Proxy, answers at the address and adds a token of its own
   * (`use_auto_auth_token`). A given token is still sent; without one, the request has no token. Default: `true` on a
   * loopback host and for `VAULT_AGENT_ADDR`, otherwise `false`.
   */
  readonly agent?: boolean | undefined
  /** Default: `VAULT_NAMESPACE`, or none. */
  readonly namespace?: string | undefined
  /** Where the KV engine, version 2, is mounted. Default `"secret"`. */
  readonly mount?: string | undefined
  /** The path of the secret below the mount, as `vault kv get -mount=secret <path>` takes it. */
  readonly path: string
  /** The field that holds the secret, for example `"client_secret"`. */
  readonly field: string
  /**
   * How long a secret that was read is used without asking Vault again, so that the retries of a token request do not
   * flood Vault. A rotated secret takes effect this much later at most. Default 5 seconds; zero for asking at every
   * attempt.
   */
  readonly timeToLive?: Duration.DurationInput | undefined
  /** Limits of one request. Default 10 seconds in total. */
  readonly timeout?: checks.Given
  /** Permits `http` to a Vault that is not on a loopback host. Default `false`. */
  readonly allowInsecure?: boolean | undefined
}

/**
 * A field of a secret in HashiCorp Vault (KV version 2, over HTTP). If address, token, path or field are missing, one
 * error names all of them at once; Vault itself is asked when the secret is needed.
 *
 * **Details**
 *
 * A Vault that is sealed, or cannot answer now, is an `EndpointUnavailable` and is retried as a token endpoint would
 * be; a token without permission (403) and a secret that does not exist (404) are a `RejectedByEndpoint` whose advice
 * says which. Redirects, as standby nodes send them, are refused: give the address of the active node. The response of
 * Vault is never quoted, because all of it may be secret.
 *
 * A Vault Agent that listens on a socket of the file system is reached through the HTTP client: on Node.js, give
 * `NodeHttpClient.layerUndiciWithoutDispatcher` a dispatcher `new Agent({ connect: { socketPath: "/run/vault.sock" } })`
 * and `Secret.vault` the address `http://localhost`.
 *
 * @example
 * ```ts
 * import { ClientAuthentication, Secret } from "effect-bearer"
 * import { FetchHttpClient } from "@effect/platform"
 * import { Effect } from "effect"
 *
 * // VAULT_ADDR and VAULT_TOKEN come from the environment
 * const authentication = Secret.vault({ path: "genesys/production", field: "client_secret" }).pipe(
 *   Effect.map(ClientAuthentication.basic),
 *   Effect.provide(FetchHttpClient.layer)
 * )
 * ```
 *
 * @since 0.1.0
 * @category constructors
 */
export const vault = (
  options: VaultOptions
): Effect.Effect<
  Effect.Effect<Redacted.Redacted, TokenError.RequestError>,
  TokenError.InvalidConfiguration,
  HttpClient.HttpClient
> =>
  Effect.gen(function*() {
    const problems: Array<checks.Problem> = []
    const missing = (field: string, detail: string) => void problems.push({ field, detail })

    const ofAgent = options.address === undefined ? yield* variable.read("VAULT_AGENT_ADDR") : undefined
    const address = options.address ?? ofAgent ?? (yield* variable.read("VAULT_ADDR"))
    const addressField = options.address !== undefined
      ? "address"
      : ofAgent !== undefined
      ? "VAULT_AGENT_ADDR"
      : "VAULT_ADDR"
    if (address === undefined) {
      missing(addressField, "VAULT_ADDR is missing or blank; set it, or give the option address")
    }
    const agent = options.agent ?? (ofAgent !== undefined || (address !== undefined && isOnLoopback(address)))
    if (!agent && options.token === undefined && (yield* variable.read("VAULT_TOKEN")) === undefined) {
      missing(
        "VAULT_TOKEN",
        "VAULT_TOKEN is missing or blank; set it, or give the option token, or agent: true where a Vault Agent adds one"
      )
    }
    const namespace = options.namespace ?? (yield* variable.read("VAULT_NAMESPACE"))
    const mount = segments(options.mount ?? "secret")
    const path = segments(options.path)
    if (mount === undefined) missing("mount", "the mount is blank, or holds . or .. as a segment")
    if (path === undefined) missing("path", "the path is blank, or holds . or .. as a segment")
    if (options.field.trim() === "") missing("field", "the field is blank")
    const timeout = checks.timeouts(options.timeout, problems)
    problems.push(...Settings.problems(ranges, options))
    const isSocket = /^unix:/i.test(String(address ?? ""))
    if (isSocket) {
      missing(
        addressField,
        "a socket of the file system is reached through a dispatcher of the HTTP client, see Secret.vault: the address " +
          "is http://localhost then"
      )
    }
    const base = checks.url(address === undefined || isSocket ? "https://invalid.invalid" : address, {
      field: addressField,
      what: "the address of a Vault",
      example: "https://vault.example.com:8200",
      allowInsecure: options.allowInsecure,
      harm: "send Vault's token and the secret readable"
    }, problems)
    yield* checks.report(problems)

    const send = yield* OwnRequest.make
    const url = new URL(`${base.origin}${base.pathname.replace(/\/+$/, "")}/v1/${mount}/data/${path}`)
    const endpoint = `${url.origin}${url.pathname}`
    const token: Effect.Effect<Redacted.Redacted | undefined, TokenError.RequestError> = options.token === undefined
      ? agent
        ? Effect.map(variable.read("VAULT_TOKEN"), (value) => value === undefined ? undefined : Redacted.make(value))
        : env("VAULT_TOKEN")
      : credential.make(options.token, { field: "token", name: "the token for Vault" }).read

    const fetch = Effect.gen(function*() {
      const own = yield* token
      const answer = yield* send({
        request: HttpClientRequest.setHeaders(HttpClientRequest.get(url), [
          ...(own === undefined ? [] : [["x-vault-token", Redacted.value(own)] as const]),
          ["x-vault-request", "true"],
          ...(namespace === undefined ? [] : [["x-vault-namespace", namespace] as const])
        ]),
        endpoint,
        field: addressField,
        timeout: { ...timeout, total: Option.none() },
        secrets: own === undefined ? [] : [own]
      })
      return yield* read(answer, { endpoint, field: options.field, sentToken: own !== undefined })
    }).pipe(
      OwnRequest.deadline("total", timeout.total, endpoint),
      traced("Secret.vault", url)
    )
    const timeToLive = Duration.millis(Settings.value(ranges.timeToLive, options.timeToLive))
    return memo.make({ fetch: Effect.map(fetch, (value) => ({ value, timeToLive })), orStale: () => false }).get
  })

const isOnLoopback = (address: string | URL): boolean => {
  const url = urls.parse(String(address))
  return url !== undefined && Loopback.isLoopback(url.hostname)
}

/** The path with each segment encoded; `undefined` for a path that would lead elsewhere. */
const segments = (path: string): string | undefined => {
  const parts = path.trim().split("/").filter((part) => part !== "")
  return parts.length === 0 || parts.some((part) => part === "." || part === "..")
    ? undefined
    : parts.map(encodeURIComponent).join("/")
}

interface Asked {
  readonly endpoint: string
  readonly field: string
  readonly sentToken: boolean
}

/**
 * **The rule.** An error shows the status and the shape of a response, and phrases that are known to be Vault's own: no
 * other text.
 */
const read = (
  { receivedAt, reply }: OwnRequest.Answer,
  { endpoint, field, sentToken }: Asked
): Effect.Effect<Redacted.Redacted, TokenError.RequestError> =>
  Effect.suspend((): Effect.Effect<Redacted.Redacted, TokenError.RequestError> => {
    const { headers, status } = reply
    const decoded = decode.decode(reply.body)
    const members: ReadonlyMap<string, unknown> = decoded._tag === "Members" ? decoded.members : new Map()
    const description = stated(members)
    const retryAfter = RetryAfter.fromHeaders(headers, receivedAt)
    if (status === 429) {
      return Effect.fail(new TokenError.RateLimited({ endpoint, status, retryAfter, description }))
    }
    if (status === 408 || status === 412 || status === 425 || status >= 472) {
      return Effect.fail(new TokenError.EndpointUnavailable({ endpoint, status, retryAfter, description }))
    }
    const contentType = Disclosure.contentType(headers["content-type"])
    if (!statuses.isSuccess(status)) {
      return Effect.fail(
        new TokenError.RejectedByEndpoint({
          endpoint,
          status,
          contentType,
          excerpt: Option.getOrElse(description, () => ""),
          advice: Option.some(adviceFor(status, sentToken))
        })
      )
    }
    const malformed = (detail: string) => Effect.fail(refusal.malformed(reply, decoded, { endpoint }, detail))
    if (reply.overflow) return malformed("the reply is larger than 1 MiB")
    const outer = members.get("data")
    if (!Predicate.isRecord(outer)) return malformed("the reply is none of Vault's")
    if (!Predicate.isRecord(outer.data) || !Predicate.isRecord(outer.metadata)) {
      return malformed("the reply is none of the KV engine, version 2: which version is mounted here?")
    }
    const value = Object.hasOwn(outer.data, field) ? outer.data[field] : undefined
    return typeof value === "string" && value.trim() !== "" ? Effect.succeed(Redacted.make(value)) : Effect.fail(
      new TokenError.InvalidConfiguration({
        fields: ["field"],
        detail: `the secret at ${endpoint} ${
          value === undefined ? "has no field" : "has no text in the field"
        } "${field}"`
      })
    )
  })

/** The phrases with which Vault explains errors. A plugin, or a proxy, may put anything else into `errors`. */
const phrases: ReadonlyArray<string> = [
  "permission denied",
  "Vault is sealed",
  "invalid token",
  "bad token",
  "missing client token",
  "token expired",
  "namespace not authorized",
  "no handler for route",
  "unsupported path",
  "unsupported operation",
  "rate limit quota exceeded",
  "request path is not supported",
  "local node not active",
  "Vault is not initialized",
  "context deadline exceeded"
]

/** `{"errors": ["1 error occurred: * permission denied"]}` */
const stated = (members: ReadonlyMap<string, unknown>): Option.Option<string> => {
  const errors = members.get("errors")
  const text = Array.isArray(errors)
    ? errors.filter((item) => typeof item === "string").join("; ").slice(0, 10_000).toLowerCase()
    : ""
  const known = phrases.filter((phrase) => text.includes(phrase.toLowerCase()))
  return known.length === 0 ? Option.none() : Option.some(known.join("; "))
}

const adviceFor = (status: number, sentToken: boolean): string => {
  if (!sentToken && (status === 400 || status === 401 || status === 403)) {
    return "The request went without a token, because a Vault Agent that adds one was expected here: set VAULT_TOKEN, or " +
      "have the agent use its own token (use_auto_auth_token), and check what that token's policies allow."
  }
  switch (status) {
    case 400:
      return "Vault does not understand the request: check path, mount and namespace."
    case 401:
    case 403:
      return "Vault's token is wrong or has expired, or no policy of it allows to read this path (the policy names it " +
        "with /data/ behind the mount); a wrong mount says this, too."
    case 404:
      return "There is no secret at this path, or its latest version was deleted: check path, mount and namespace, and " +
        "that the mount is of the KV engine, version 2."
    default:
      return status >= 300 && status <= 399
        ? "Redirects are not followed, because that would carry Vault's token along: give the address of the active node."
        : "Check that the address is that of a Vault."
  }
}
