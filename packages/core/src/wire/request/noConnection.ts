// Tells from the error of an HTTP client whether a connection was never made, so that nothing of the request was sent.
import type { Trace } from "./failureTrace.js"

/** Codes that a runtime uses for nothing but a connection that was not made. */
const certain: ReadonlySet<string> = new Set([
  "ECONNREFUSED",
  "ENOTFOUND",
  "EHOSTUNREACH",
  "ENETUNREACH",
  "UND_ERR_CONNECT_TIMEOUT",
  "ERR_SOCKET_CONNECTION_TIMEOUT",
  // Bun
  "ConnectionRefused",
  "FailedToOpenSocket"
])

/** `EAI_AGAIN`, `EAI_FAIL` …: the name was not found. */
export const isCode = (code: string): boolean => certain.has(code) || code.startsWith("EAI_")

/** Looking up a name, and connecting: whatever the code, for example `connect EMFILE`. */
const connecting = /^(?:connect|bind|getaddrinfo|query\w*)$/

/** Node.js, and Deno; the code is that of any lost connection, or there is none. */
const words = /\bbefore secure TLS connection was established\b|\bclient error \(Connect\)|\berror trying to connect\b/

/** Deno: the same codes, but of a connection that was in use. */
const wordsOfUse = /\bclient error \(SendRequest\)/

/** `read EHOSTUNREACH` is of a connection that was in use: the request may have been sent. */
export const isIn = ({ codes, messages, syscalls }: Trace): boolean =>
  syscalls.every((syscall) => connecting.test(syscall)) &&
  !messages.some((message) => wordsOfUse.test(message)) &&
  (syscalls.length > 0 || codes.some(isCode) || messages.some((message) => words.test(message)))
