/**
 * Tells the hosts that only programs on the same machine can reach. Plain `http` is allowed to them: nothing of it goes
 * over a network. Every package of the library asks this module.
 *
 * @since 0.1.0
 */

/**
 * Whether a host is a loopback host: `localhost` or a name below it (RFC 6761 §6.3), an address of `127.0.0.0/8`, or
 * `::1`, in brackets or without. Give the `hostname` of a `URL` where there is one: the parser of `URL` has written
 * addresses in one form, so that `127.1` is `127.0.0.1`.
 *
 * @example
 * ```ts
 * import { Loopback } from "effect-bearer"
 *
 * Loopback.isLoopback(new URL("http://127.1:8080/").hostname) // true
 * Loopback.isLoopback("localhost.example.com") // false
 * ```
 *
 * @since 0.1.0
 * @category guards
 */
export const isLoopback = (host: string): boolean => {
  const name = host.toLowerCase().replace(/^\[(.*)\]$/, "$1")
  return name === "localhost" || name.endsWith(".localhost") || name === "::1" || /^127\.\d+\.\d+\.\d+$/.test(name)
}
