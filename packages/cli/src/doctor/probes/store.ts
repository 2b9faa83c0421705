/**
 * The store that the profile's tokens are shared in: a token that is none is put under a key of its own, read and removed.
 * The store is opened as the programs open it, so that what fails here is what fails there.
 */
import { accessSync, constants, readdirSync, rmSync, statSync } from "node:fs"
import { dirname, join, resolve } from "node:path"
import type * as FileSystem from "@effect/platform/FileSystem"
import * as HttpClient from "@effect/platform/HttpClient"
import type * as Path from "@effect/platform/Path"
import type { BrokerConfig } from "@effect-bearer/broker"
import * as ProfileSource from "@effect-bearer/broker/ProfileSource"
import * as Clock from "effect/Clock"
import * as Context from "effect/Context"
import * as Effect from "effect/Effect"
import * as Either from "effect/Either"
import * as Layer from "effect/Layer"
import * as Option from "effect/Option"
import * as Random from "effect/Random"
import * as Redacted from "effect/Redacted"
import * as AccessToken from "effect-bearer/AccessToken"
import * as Digest from "effect-bearer/Digest"
import type * as TokenError from "effect-bearer/TokenError"
import * as TokenStore from "effect-bearer/TokenStore"
import type { Environment } from "../../settings/places.js"
import { tokenFolder } from "../../settings/places.js"
import type { Finding } from "../findings.js"
import { finding } from "../findings.js"
import type { Observer } from "../observing.js"
import type { Seen } from "../report.js"
import { found, skipped } from "../report.js"
import * as wording from "../wording.js"
import * as variables from "./variables.js"

const unreachable = (evidence: string): Finding =>
  finding(
    "store-unreachable",
    evidence,
    "Check where the store is in the configuration, that it runs, and the network between. Meanwhile each process gets tokens of its own: " +
      "nothing fails, but the server is asked more often."
  )

const readOnly = (evidence: string): Finding =>
  finding(
    "store-read-only",
    evidence,
    "Give the user of this process the right to write there. Of Redis, take the address of the master (or the sentinels), not of a replica, " +
      "and give its user the permissions that the README of @effect-bearer/redis lists."
  )

/** What a store says when it cannot do its part begins with the word of the server or the system. */
const ofStore = (detail: string, where: string): Finding => {
  const evidence = `${where}: ${wording.name(detail, 300)}.`
  if (/\b(?:NOAUTH|WRONGPASS)\b/.test(detail)) {
    return finding(
      "store-wrong-password",
      evidence,
      "Compare user and password in the URL of Redis with what the server has (`ACL LIST` there). Characters such as @, : and / have to be " +
        "percent-encoded in a URL."
    )
  }
  return /\b(?:READONLY|NOPERM|MISCONF|NOREPLICAS|OOM)\b/.test(detail) ? readOnly(evidence) : unreachable(evidence)
}

/** What keeps a folder from being opened. */
const ofFolder = (error: TokenError.InvalidConfiguration, folder: string): Finding => {
  const evidence = `${wording.name(error.detail, 400)}.`
  return /others may write|everybody may write|belongs to another user/.test(error.detail)
    ? openToOthers(evidence)
    : /\b(?:EACCES|EROFS|EPERM|PermissionDenied|ENOSPC|EDQUOT)\b/.test(error.detail)
    ? readOnly(evidence)
    : unreachable(error.detail.includes(folder) ? evidence : `${wording.name(folder, 300)}: ${evidence}`)
}

const openToOthers = (evidence: string): Finding =>
  finding(
    "store-open-to-others",
    evidence,
    "Give the folder to the user of this process and set its mode to 700 (`chmod 700`): whoever may read it has the tokens, and whoever may " +
      "write there can plant some. If others could read it so far, revoke the tokens."
  )

const statOf = (path: string) => {
  try {
    return statSync(path, { throwIfNoEntry: false })
  } catch {
    return undefined
  }
}

/** The nearest folder above that is there: what is missing is created in it. */
const above = (path: string): string => {
  const parent = dirname(path)
  return parent === path || statOf(parent) !== undefined ? parent : above(parent)
}

/** What a look at the folder tells before anything is done there. */
const look = (folder: string): { readonly findings: ReadonlyArray<Finding>; readonly isThere: boolean } => {
  const info = statOf(folder)
  if (info === undefined) {
    const parent = above(folder)
    if (statOf(parent)?.isDirectory() !== true) {
      return {
        isThere: false,
        findings: [
          unreachable(`${wording.name(folder, 300)} cannot be there: ${wording.name(parent, 300)} is no folder.`)
        ]
      }
    }
    try {
      accessSync(parent, constants.W_OK | constants.X_OK)
      return { isThere: false, findings: [] }
    } catch {
      return {
        isThere: false,
        findings: [
          readOnly(`${wording.name(folder, 300)} is not there, and may not be created in ${wording.name(parent, 300)}.`)
        ]
      }
    }
  }
  const isOpen = process.platform !== "win32" && info.isDirectory() && (info.mode & 0o077) !== 0
  return {
    isThere: true,
    findings: isOpen
      ? [
        openToOthers(
          `The folder ${wording.name(folder, 300)} has mode ${
            (info.mode & 0o777).toString(8)
          }: others than its owner may use it.`
        )
      ]
      : []
  }
}

const token = Effect.map(
  Clock.currentTimeMillis,
  (now) =>
    AccessToken.make({
      value: Redacted.make("no-token-of-anybody"),
      issuedAt: now,
      expiresAt: Option.some(now + 60_000)
    })
)

/** A store in a folder remembers of a key that was removed that it was: of this one nobody needs to know. */
const forget = (folder: string | undefined, key: string) =>
  Effect.ignore(Effect.try(() => {
    if (folder === undefined) return
    const name = `${Digest.nameOf(key)}.`
    for (const file of readdirSync(folder)) if (file.startsWith(name)) rmSync(join(folder, file), { force: true })
  }))

/** Puts, reads and removes. */
const use = (store: TokenStore.Service, folder: string | undefined) =>
  Effect.gen(function*() {
    const key = `doctor:${(yield* Random.nextIntBetween(0, 2 ** 31)).toString(16)}`
    const lease = yield* store.acquire(key, "10 seconds")
    if (Option.isNone(lease)) return "its key is held by somebody else"
    const put = yield* token
    return yield* Effect.gen(function*() {
      const isStored = yield* store.put(put, lease.value)
      const got = yield* store.get(key)
      return isStored && Option.isSome(got) && AccessToken.isSame(got.value, put)
        ? undefined
        : "what was stored cannot be read again"
    }).pipe(
      Effect.ensuring(Effect.ignore(store.remove(key, put))),
      Effect.ensuring(Effect.ignore(store.release(lease.value))),
      Effect.ensuring(forget(folder, key))
    )
  })

type Services = FileSystem.FileSystem | Path.Path

export const probe = (
  store: BrokerConfig.Store | undefined,
  { environment, observer }: { readonly environment: Environment; readonly observer: Observer }
): Effect.Effect<Seen, never, Services> => {
  const folder = store === undefined ? tokenFolder(environment) : "folder" in store ? store.folder : undefined
  const where = folder === undefined ? "Redis" : wording.name(folder, 300)
  const check = folder === undefined ? "token store in Redis" : `token store in ${where}`
  const looked = folder === undefined ? { findings: [], isThere: true } : look(resolve(folder))
  if (!looked.isThere) {
    return Effect.succeed(
      looked.findings.length > 0
        ? found(check, looked.findings)
        : skipped(check, "it is not there yet; the first token creates it")
    )
  }
  const layer = store === undefined ? TokenStore.layerFile({ directory: folder! }) : ProfileSource.layerStore(store)
  const used = Effect.scoped(
    Effect.flatMap(Layer.build(layer), (context) => use(Context.get(context, TokenStore.TokenStore), folder))
  ).pipe(Effect.provideService(HttpClient.HttpClient, observer.at("vault")))
  return Effect.map(Effect.either(used), (result) => {
    const findings = Either.match(result, {
      onRight: (trouble) => trouble === undefined ? [] : [unreachable(`${where}: ${trouble}.`)],
      onLeft: (error): ReadonlyArray<Finding> =>
        error._tag === "StoreError"
          ? [ofStore(error.detail, where)]
          : opening(error, folder, references(store), environment)
    })
    // that a folder is open to others is said once
    const all = looked.findings.length > 0 ? findings.filter(({ code }) => code !== "store-open-to-others") : findings
    return found(check, [...looked.findings, ...all], "a key of its own was stored, read and removed")
  })
}

/** What the library says of a key is not repeated: it tells its length. */
const isOfKey = ({ fields }: TokenError.InvalidConfiguration): boolean =>
  fields.some((field) => field === "key" || field.startsWith("previous"))

const references = (store: BrokerConfig.Store | undefined): ReadonlyArray<BrokerConfig.SecretReference> => [
  ...store !== undefined && "redis" in store ? [store.redis.url] : [],
  ...store?.sealWith ?? []
]

const opening = (
  error: TokenError.InvalidConfiguration,
  folder: string | undefined,
  store: ReadonlyArray<BrokerConfig.SecretReference>,
  environment: Environment
): ReadonlyArray<Finding> => {
  // a variable that is not set is among the findings already
  if (variables.isToldOf(error, store, environment)) return []
  if (isOfKey(error)) {
    return [
      finding(
        "unusable-profile",
        "A key in `sealWith` of the store is none, or two of them have the same name.",
        "A key is 32 random bytes as base64 or hexadecimal digits: `openssl rand -base64 32` makes one. All programs that share the " +
          "store need the same."
      )
    ]
  }
  return folder === undefined || !error.fields.includes("directory")
    ? [
      unreachable(`${folder === undefined ? "Redis" : wording.name(folder, 300)}: ${wording.name(error.detail, 300)}.`)
    ]
    : [ofFolder(error, folder)]
}
