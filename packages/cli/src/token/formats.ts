/** A token in the form that a program reads: a shell, curl, git, kubectl, Bazel. */
import * as Either from "effect/Either"
import type { Failure } from "../output/failure.js"
import { failed } from "../output/failure.js"
import { quoted } from "../output/shell.js"

/** What is printed. */
export interface Given {
  readonly token: string
  /** As it stands in the header: `Bearer`. */
  readonly type: string
  readonly scopes: ReadonlyArray<string>
  /** Epoch milliseconds; absent if unknown. */
  readonly expiresAt: number | undefined
  /** Whole seconds that are left. */
  readonly remaining: number | undefined
  readonly profile: string
}

export const names = [
  "raw",
  "json",
  "header",
  "env",
  "curl",
  "headers-json",
  "kubernetes",
  "git",
  "bazel"
] as const

export type Format = typeof names[number]

export const isFormat = (text: string): text is Format => (names as ReadonlyArray<string>).includes(text)

/** The formats whose reader says on standard input what the token is for. */
export const asks = (format: Format): format is "git" | "bazel" => format === "git" || format === "bazel"

const headerOf = ({ token, type }: Given): string => `${type} ${token}`

/** RFC 3339, in whole seconds, and never later than the token ends. */
const timestamp = (millis: number): string =>
  new Date(Math.floor(millis / 1000) * 1000).toISOString().replace(".000Z", "Z")

const isoOf = (given: Given): string | undefined =>
  given.expiresAt === undefined || Math.abs(given.expiresAt) > 8.64e15 ? undefined : timestamp(given.expiresAt)

const optional = <A>(name: string, value: A | undefined) => value === undefined ? {} : { [name]: value }

/** Programs that put the token behind `Bearer` themselves. */
const bearerOnly = (given: Given, text: () => string): Either.Either<string, Failure> =>
  given.type.toLowerCase() === "bearer"
    ? Either.right(text())
    : Either.left(failed(`The token is of type ${given.type}, and this format is for Bearer tokens alone.`))

/** `client.authentication.k8s.io/v1`, or the older version that kubectl asks for. */
const kubernetes = (given: Given, execInfo: string | undefined): Either.Either<string, Failure> => {
  const versions = ["client.authentication.k8s.io/v1", "client.authentication.k8s.io/v1beta1"]
  let version = versions[0]
  if (execInfo !== undefined && execInfo.trim() !== "") {
    try {
      const parsed: unknown = JSON.parse(execInfo)
      const asked = typeof parsed === "object" && parsed !== null && "apiVersion" in parsed
        ? parsed.apiVersion
        : undefined
      version = versions.find((known) => known === asked)
    } catch {
      version = undefined
    }
  }
  if (version === undefined) {
    return Either.left(
      failed(`KUBERNETES_EXEC_INFO asks for a version that is not known here. These are: ${versions.join(", ")}.`)
    )
  }
  return bearerOnly(given, () =>
    JSON.stringify({
      apiVersion: version,
      kind: "ExecCredential",
      status: { ...optional("expirationTimestamp", isoOf(given)), token: given.token }
    }))
}

const git = (given: Given): string =>
  [
    "capability[]=authtype",
    `authtype=${given.type}`,
    `credential=${given.token}`,
    ...(given.expiresAt === undefined ? [] : [`password_expiry_utc=${Math.floor(given.expiresAt / 1000)}`]),
    ""
  ].join("\n")

/** The text, without a line break at its end. */
export const render = (
  format: Format,
  given: Given,
  environment: Readonly<Record<string, string | undefined>>
): Either.Either<string, Failure> => {
  switch (format) {
    case "raw":
      return Either.right(given.token)
    case "json":
      return Either.right(JSON.stringify({
        access_token: given.token,
        token_type: given.type,
        ...optional("expires_in", given.remaining),
        ...optional("expires_at", isoOf(given)),
        scope: given.scopes.join(" "),
        profile: given.profile
      }))
    case "header":
      return Either.right(`Authorization: ${headerOf(given)}`)
    case "env":
      return Either.right([
        `export OAUTH_ACCESS_TOKEN=${quoted(given.token)}`,
        `export OAUTH_TOKEN_TYPE=${quoted(given.type)}`,
        ...(given.expiresAt === undefined ? [] : [
          `export OAUTH_TOKEN_EXPIRES_AT=${Math.floor(given.expiresAt / 1000)}`
        ])
      ].join("\n"))
    case "curl":
      return Either.right(
        `header = "Authorization: ${headerOf(given).replaceAll("\\", "\\\\").replaceAll("\"", "\\\"")}"`
      )
    case "headers-json":
      return Either.right(JSON.stringify({ Authorization: headerOf(given) }))
    case "kubernetes":
      return kubernetes(given, environment["KUBERNETES_EXEC_INFO"])
    case "git":
      return Either.right(git(given))
    case "bazel":
      return Either.right(
        JSON.stringify({ headers: { Authorization: [headerOf(given)] }, ...optional("expires", isoOf(given)) })
      )
  }
}
