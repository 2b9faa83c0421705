// Finds the error that a reply states in its body, in the members that servers use for it.
import * as Option from "effect/Option"
import * as Predicate from "effect/Predicate"
import type { Decoded } from "./decode.js"

/** An error as stated in the body. */
export interface StatedError {
  /** As the server wrote it; `None` when the body has an explanation but no code. */
  readonly code: Option.Option<string>
  readonly description: Option.Option<string>
  readonly uri: Option.Option<string>
}

const text = (value: unknown): Option.Option<string> =>
  typeof value === "string" && value.trim() !== "" ? Option.some(value) : Option.none()

const code = (value: unknown): Option.Option<string> =>
  says(value)
    ? typeof value === "number" ? Option.some(String(value)) : value === true ? Option.some("error") : text(value)
    : Option.none()

/**
 * Some servers add to each success that there is no error: `"error": 0`, or an object with nothing else in it, where an
 * empty list is nothing, too.
 */
const says = (value: unknown): boolean =>
  Predicate.isRecord(value)
    ? Object.values(value).some(says)
    : Array.isArray(value)
    ? value.length > 0
    : value !== undefined && value !== null && value !== false && value !== 0 && value !== "0" && value !== ""

/** The members in which servers state errors, RFC 6749 §5.2 first. */
export const read = (decoded: Decoded): StatedError => {
  if (decoded._tag !== "Members") return { code: Option.none(), description: Option.none(), uri: Option.none() }
  const { members } = decoded
  const first = (...names: ReadonlyArray<string>) =>
    names.reduce((found, name) => Option.orElse(found, () => text(members.get(name))), Option.none<string>())
  const error = members.get("error")
  const description = first("error_description", "description", "message")
  const uri = first("error_uri")
  if (Predicate.isRecord(error) && says(error)) {
    // Facebook: {type, message, is_transient}; Google: {status, message, code}
    return {
      code: error.is_transient === true ? Option.some("temporarily_unavailable") : Option.orElse(
        text(error.code),
        () => Option.orElse(text(error.type), () => Option.orElse(text(error.status), () => Option.some("error")))
      ),
      description: Option.orElse(text(error.message), () => description),
      uri
    }
  }
  const named = code(error)
  if (Option.isSome(named)) return { code: named, description, uri }
  const listed = members.get("errors")
  const head: unknown = Array.isArray(listed) ? listed[0] : undefined
  if (Predicate.isRecord(head) && !members.has("access_token")) {
    const type = Option.orElse(text(head.errorType), () => text(head.error))
    if (Option.isSome(type)) {
      return {
        code: type,
        description: Option.orElse(text(head.message), () => description),
        uri
      }
    }
  }
  return { code: members.get("ok") === false ? Option.some("not_ok") : Option.none(), description, uri }
}
