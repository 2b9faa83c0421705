/**
 * The names of content types that an error may show. The list is closed, because a type may hold anything: names that
 * are not on it become an ellipsis, as in `application/vnd.….v1+json`.
 */
const words: ReadonlySet<string> = new Set((
  "application text image audio video multipart message font model " +
  "json xml html xhtml plain yaml csv css javascript ecmascript form www urlencoded octet stream problem jwt jose jwk jwks " +
  "set token introspection api hal ld pdf zip gzip tar protobuf msgpack cbor grpc soap atom rss samlassertion " +
  "samlmetadata markdown rtf png jpeg gif svg webp icon mp4 mpeg mixed data event ndjson javascript x vnd prs oauth authz " +
  "v1 v2 v3 v4 v5 binary force download unknown http rfc822 alternative related seq patch merge schema geo amz google " +
  "microsoft oracle ibm github mozilla apple okta collection siren"
).split(" "))

const token = "[!#$%&'*+.^_`|~0-9A-Za-z-]+"
const grammar = new RegExp(`^(${token})/(${token})$`)

/** Type and subtype of a `Content-Type` (RFC 9110 §8.3.1), without parameters; empty when there is none. */
export const shown = (header: string | undefined): string => {
  const name = (header ?? "").slice(0, 200).split(";", 1)[0]!.trim()
  if (name === "") return ""
  const match = grammar.exec(name)
  return match === null ? "an unreadable content type" : `${known(match[1]!)}/${known(match[2]!)}`
}

const known = (name: string): string =>
  name.toLowerCase().split(/([.+-])/).map((part) => words.has(part) || /^[.+-]?$/.test(part) ? part : "…").join("")

const codings: ReadonlySet<string> = new Set(["gzip", "x-gzip", "deflate", "br", "zstd", "compress", "x-compress"])

/** A `Content-Encoding` that says that the body is compressed. */
export const coding = (header: string | undefined): string | undefined =>
  (header ?? "").slice(0, 200).toLowerCase().split(",").map((name) => name.trim()).find((name) => codings.has(name))
