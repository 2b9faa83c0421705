import { Effect, Stream } from "effect"
import { TokenStore } from "../../src/index.js"

type Operation = TokenStore.StoreError["operation"]

/** A store in memory that can be made to misbehave. */
export class FaultyStore {
  /** The fault of each operation; none by default. */
  readonly faults: Partial<
    Record<Operation, "unavailable" | "hangs" | "pooled" | "unreadable" | "dies" | "interrupted">
  > = {}
  readonly calls: Array<{ readonly operation: Operation; readonly key: string }> = []
  /** Loses all announcements. */
  deaf = false

  private constructor(private readonly inner: TokenStore.Service) {}

  static readonly make = Effect.map(
    Effect.provide(TokenStore.TokenStore, TokenStore.layerMemory),
    (inner) => new FaultyStore(inner)
  )

  breakDown(
    fault: "unavailable" | "hangs" | "pooled" | "dies" | "interrupted",
    operations: ReadonlyArray<Operation> = everything
  ) {
    for (const operation of operations) this.faults[operation] = fault
  }

  heal() {
    for (const operation of everything) delete this.faults[operation]
  }

  count(operation: Operation): number {
    return this.calls.filter((call) => call.operation === operation && !call.key.endsWith("~failure")).length
  }

  private guard<A>(operation: Operation, key: string, effect: Effect.Effect<A, TokenStore.StoreError>) {
    return Effect.suspend((): Effect.Effect<A, TokenStore.StoreError> => {
      this.calls.push({ operation, key })
      switch (this.faults[operation]) {
        case "hangs":
          return Effect.never
        // like an operation that waits for a connection of a pool
        case "pooled":
          return Effect.uninterruptible(Effect.never)
        case "interrupted":
          return Effect.interrupt
        case "dies":
          return Effect.die("boom")
        case "unavailable":
        case "unreadable":
          return Effect.fail(
            new TokenStore.StoreError({ operation, reason: this.faults[operation], detail: "told to" })
          )
        default:
          return effect
      }
    })
  }

  get service(): TokenStore.Service {
    return {
      get: (key) => this.guard("get", key, this.inner.get(key)),
      put: (token, lease) => this.guard("put", lease.key, this.inner.put(token, lease)),
      acquire: (key, ttl) => this.guard("acquire", key, this.inner.acquire(key, ttl)),
      release: (lease) => this.guard("release", lease.key, this.inner.release(lease)),
      remove: (key, token) => this.guard("remove", key, this.inner.remove(key, token)),
      changes: this.deaf ? Stream.never : this.inner.changes
    }
  }
}

const everything: ReadonlyArray<Operation> = ["get", "put", "acquire", "release", "remove"]
