// Undoes the compression of a body.
import * as Effect from "effect/Effect"
import { maxBytes } from "./body.js"

/**
 * Undoes the compression of a body (RFC 9110 §8.4). Some clients of the platform decompress (`fetch`, which leaves the
 * header as it was), some do not, and some servers compress without being asked to, or without saying so.
 *
 * **The rule.** The first bytes decide, and the header only if they cannot: a body that looks like text is plain,
 * whatever the header says; a body that begins as gzip, zlib or zstd is that. At most {@link maxBytes} come out,
 * however small the body was.
 */
export type Undone =
  | { readonly _tag: "Plain"; readonly bytes: Uint8Array; readonly overflow: boolean }
  /** Still compressed: this runtime does not know the coding, or the bytes are cut short or damaged. */
  | { readonly _tag: "Compressed"; readonly coding: string; readonly why: "unknown" | "damaged" }

/** A coding as headers name it, and as `DecompressionStream` does. */
interface Coding {
  readonly name: string
  readonly format: string
}

const gzip: Coding = { name: "gzip", format: "gzip" }
const deflate: Coding = { name: "deflate", format: "deflate" }
/** The form that some servers send for `deflate`: without the header and the checksum of zlib. */
const rawDeflate: Coding = { name: "deflate", format: "deflate-raw" }
/** No browser and few runtimes undo these two codings yet, so it is tried whether this runtime does. */
const brotli: Coding = { name: "br", format: "brotli" }
const zstd: Coding = { name: "zstd", format: "zstd" }

/** How many codings are undone at most; no server applies more. */
const mostLayers = 4

/** `Content-Encoding: gzip, X-GZIP, identity` is two codings; the last one was applied last. */
const listed = (header: string | undefined): Array<string> =>
  (header ?? "").slice(0, 200).toLowerCase().split(",").map((name) => name.trim().replace(/^x-/, ""))
    .filter((name) => name !== "" && name !== "identity")

/** Undoes every coding that the bytes show or the header names. `header` is `content-encoding`. */
export const undo = (bytes: Uint8Array, header: string | undefined): Effect.Effect<Undone> => {
  if (header === undefined && marked(bytes) === undefined) return Effect.succeed(plain(bytes))
  return Effect.promise((signal) => undoAll(bytes, listed(header), signal))
}

/** The result for a body that `fetch` could not undo itself; its bytes are gone. */
export const damaged = (header: string | undefined): Undone => ({
  _tag: "Compressed",
  coding: listed(header).filter((name) => known.test(name)).join(", ") || "somehow",
  why: "damaged"
})

const known = /^[a-z0-9_.+-]{1,20}$/

const undoAll = async (raw: Uint8Array, names: Array<string>, signal: AbortSignal): Promise<Undone> => {
  let bytes = raw
  for (let layer = 0; layer < mostLayers; layer++) {
    const seen = marked(bytes)
    const named = names.pop()
    const coding = seen ?? (named === undefined || looksLikeText(bytes) ? undefined : unmarked(named))
    if (coding === undefined) return plain(bytes)
    if (typeof coding === "string") return { _tag: "Compressed", coding, why: "unknown" }
    let result = await decompress(bytes, coding.format, signal)
    if (coding === gzip && (result === "nothing" || result === "damaged")) {
      const end = await endOfGzip(bytes, signal)
      if (end !== undefined) result = await decompress(bytes.subarray(0, end), gzip.format, signal)
    }
    if (result === "unknown") return { _tag: "Compressed", coding: coding.name, why: "unknown" }
    if (result === "nothing") {
      // two bytes that look like zlib's prove nothing, and a body that `fetch` has decompressed is text
      return coding === gzip || coding === zstd || (named === coding.name && !looksLikeText(bytes))
        ? { _tag: "Compressed", coding: coding.name, why: "damaged" }
        : plain(bytes)
    }
    if (result === "damaged") return { _tag: "Compressed", coding: coding.name, why: "damaged" }
    if (result.overflow) return { _tag: "Plain", ...result }
    bytes = result.bytes
  }
  return { _tag: "Compressed", coding: "more often than anything is", why: "unknown" }
}

const plain = (bytes: Uint8Array): Undone => ({ _tag: "Plain", bytes, overflow: false })

/** The coding that the first bytes tell: RFC 1952 §2.3.1, RFC 1950 §2.2, RFC 8878 §3.1.1. */
const marked = (bytes: Uint8Array): Coding | undefined => {
  const [a, b, c, d] = bytes
  if (a === 0x1f && b === 0x8b) return gzip
  if (a === 0x28 && b === 0xb5 && c === 0x2f && d === 0xfd) return zstd
  // method 8, a window of at most 32 KiB, no dictionary; both bytes are a multiple of 31
  return a !== undefined && b !== undefined && (a & 0x0f) === 8 && a <= 0x78 && (b & 0x20) === 0 &&
      (a * 256 + b) % 31 === 0
    ? deflate
    : undefined
}

/** A coding that the first bytes do not show; only its name if the coding is unknown. */
const unmarked = (name: string): Coding | string | undefined => {
  switch (name) {
    case "deflate":
      return rawDeflate
    case "br":
      return brotli
    // both would show in the first bytes, and do not
    case "gzip":
    case "zstd":
      return undefined
    default:
      return known.test(name) ? name : "an unknown coding"
  }
}

/** Text is UTF-8, or UTF-16 and UTF-32, which hold NULs; and it holds no other control characters. */
const looksLikeText = (bytes: Uint8Array): boolean => {
  const start = bytes.subarray(0, 1024)
  if (!start.every((byte) => byte >= 0x20 || byte === 0 || (byte >= 0x09 && byte <= 0x0d && byte !== 0x0b))) {
    return false
  }
  const first = start.find((byte) => byte !== 0)
  return isUtf8(start) || first === 0x7b || first === 0x5b || first === 0x3c || first === 0xfe || first === 0xff
}

const isUtf8 = (bytes: Uint8Array): boolean => {
  try {
    // a character may be cut at the end
    new TextDecoder("utf-8", { fatal: true }).decode(bytes, { stream: true })
    return true
  } catch {
    return false
  }
}

/**
 * How many bytes go in at a time: with the highest ratio of deflate, about 4 MB come out before the limit is checked.
 */
const pieceBytes = 4096

type Decompressed =
  | { readonly bytes: Uint8Array; readonly overflow: boolean }
  /** It failed after some bytes came out. */
  | "damaged"
  /** It failed before any byte came out. */
  | "nothing"
  /** This runtime does not know the format. */
  | "unknown"

const decompress = async (bytes: Uint8Array, format: string, signal: AbortSignal): Promise<Decompressed> => {
  const stream = open(format)
  if (stream === undefined) return "unknown"
  const reader = stream.readable.getReader()
  const written = write(stream.writable.getWriter(), bytes)
  const out = new Uint8Array(maxBytes)
  let size = 0
  try {
    while (!signal.aborted) {
      const { done, value } = await reader.read()
      if (done) return { bytes: out.slice(0, size), overflow: false }
      const room = maxBytes - size
      out.set(value.subarray(0, room), size)
      size += Math.min(value.length, room)
      if (value.length > room) return { bytes: out, overflow: true }
    }
    return "damaged"
  } catch {
    return size === 0 ? "nothing" : "damaged"
  } finally {
    await reader.cancel().catch(() => undefined)
    await written
  }
}

/** How many bytes after a gzip stream are ignored: Node.js and browsers ignore them, `DecompressionStream` fails. */
const mostTrailing = 4096
const mostAttempts = 32

/**
 * Finds the end of a gzip stream that other bytes follow. Its last four bytes are the length of the decompressed data
 * (RFC 1952 §2.3.1), lowest byte first, which is at most {@link maxBytes}; each place where that fits is tried.
 */
const endOfGzip = async (bytes: Uint8Array, signal: AbortSignal): Promise<number | undefined> => {
  const least = Math.max(18, bytes.length - mostTrailing)
  let attempts = 0
  for (let end = bytes.length - 1; end >= least && attempts < mostAttempts && !signal.aborted; end--) {
    if (bytes[end - 1] !== 0 || bytes[end - 2]! > maxBytes >> 16) continue
    attempts++
    if (typeof await decompress(bytes.subarray(0, end), gzip.format, signal) !== "string") return end
  }
  return undefined
}

const open = (format: string): DecompressionStream | undefined => {
  try {
    return new DecompressionStream(format as CompressionFormat)
  } catch {
    return undefined
  }
}

/** Writes in pieces, each after the one before it was taken. The reader sees a failure. */
const write = async (writer: WritableStreamDefaultWriter<BufferSource>, bytes: Uint8Array): Promise<void> => {
  try {
    for (let at = 0; at < bytes.length; at += pieceBytes) {
      await writer.ready
      await writer.write(bytes.slice(at, at + pieceBytes))
    }
    await writer.close()
  } catch {
    // the reader gets the failure
  }
}
