// Runs scripts on a connection, and makes errors of the store of what goes wrong.
import * as Effect from "effect/Effect"
import * as TokenStore from "effect-bearer/TokenStore"
import type { Connection } from "./clients.js"
import * as failure from "./failure.js"
import type * as link from "./link.js"
import type * as scripts from "./scripts.js"

type Operation = TokenStore.StoreError["operation"]

/** Arguments are made when there is a connection and they are sent: some are about the time. */
export const run = (connected: link.Link<Connection>) =>
(
  { sha1, text }: scripts.Script,
  keys: readonly [string, ...Array<string>],
  args: () => ReadonlyArray<string> = () => []
): Effect.Effect<unknown, failure.Failure> => {
  const send = (name: string, script: string) =>
    connected.use((connection, signal) =>
      connection.send(keys[0], [name, script, `${keys.length}`, ...keys, ...args()], signal)
    )
  // a server that does not know the script does afterwards
  return Effect.catchIf(send("EVALSHA", sha1), ({ code }) => code === "NOSCRIPT", () => send("EVAL", text))
}

/** `timeout` is in milliseconds. */
export const reporting =
  (connected: link.Link<Connection>, timeout: number) =>
  (operation: Operation) =>
  <A>(effect: Effect.Effect<A, failure.Failure | TokenStore.StoreError>): Effect.Effect<A, TokenStore.StoreError> =>
    effect.pipe(
      Effect.catchTag(
        "Failure",
        ({ detail }) => new TokenStore.StoreError({ operation, reason: "unavailable", detail })
      ),
      Effect.timeoutFail({
        duration: timeout,
        onTimeout: () =>
          new TokenStore.StoreError({
            operation,
            reason: "timeout",
            detail: connected.isUp() ? `no answer in ${timeout} ms` : failure.stillConnecting(timeout)
          })
      })
    )
