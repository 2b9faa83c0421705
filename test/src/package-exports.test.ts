/** What can be imported from each package, and nothing else. */
import { existsSync, readFileSync } from "node:fs"
import { createRequire } from "node:module"
import { fileURLToPath } from "node:url"
import { assert, describe, it } from "@effect/vitest"
// @ts-expect-error a script without types
import * as packageExports from "../packageExports.mjs"
// @ts-expect-error a script without types
import { libraries } from "../packages.mjs"

type Paths = Readonly<Record<string, unknown>>
interface Manifest {
  readonly name: string
  readonly exports: Paths
  readonly publishConfig: { readonly exports: Paths }
}

const { exportsOf, manifestOf } = packageExports as {
  readonly exportsOf: (name: string, current: Paths) => { readonly sources: Paths; readonly compiled: Paths }
  readonly manifestOf: (name: string) => URL
}

const read = (name: string): Manifest => JSON.parse(readFileSync(manifestOf(name), "utf8"))

/** The public modules that programs rely on: one that is missing here, or there, is a change to tell. */
const promised: Readonly<Record<string, string>> = {
  core:
    `AccessToken BackgroundRefresh BearerAuth Bytes Challenge CircuitBreaker ClientAuthentication Clocks Concealment Digest
    Disclosure FailureReply Grant Introspection Jwt Loopback OwnRequest RateLimit RefreshToken RetryAfter RetryPolicy Revocation Schemas
    ScopePolicy Scopes Secret ServerMetadata Settings SharedTokens SharedWork Spelling TokenCache TokenEndpoint TokenError
    TokenEvent TokenMetrics TokenMonitor TokenRequest TokenResponse TokenSource TokenStore`,
  testing: "Arbitraries AuthorizationServer LeakCheck Reply StoreConformance TestSource TokenErrors",
  jose: "ClientAssertion Dpop Jwks SigningKey",
  redis: "RedisTokenStore",
  genesys: `Analytics DataAction FakeCloud GenesysApi GenesysCloud GenesysError Limits Organizations Paging Region
    SdkBridge Users`,
  broker: "Broker BrokerApi BrokerConfig BrokerServer CallerKey ProfileSource"
}

describe.each(libraries as ReadonlyArray<string>)("%s: what can be imported", (name) => {
  const { exports, name: packageName, publishConfig } = read(name)

  it("is what was promised, under a flat path each", () => {
    const names = Object.keys(exports).filter((path) => path !== "." && !path.endsWith(".json"))
    assert.deepStrictEqual(names, promised[name]!.split(/\s+/).map((module) => `./${module}`))
  })

  it("is what its sources give: `npm run exports` writes it", () => {
    const { compiled, sources } = exportsOf(name, exports)
    assert.deepStrictEqual(exports, sources)
    assert.deepStrictEqual(publishConfig.exports, compiled)
  })

  it("is there", () => {
    const missing = Object.values(exports).filter((file) => !existsSync(new URL(String(file), manifestOf(name))))
    assert.deepStrictEqual(missing, [])
  })

  it("and nothing beside it", () => {
    const require = createRequire(fileURLToPath(new URL("../../package.json", import.meta.url)))
    const resolve = createRequire(require.resolve(fileURLToPath(manifestOf(name)))).resolve
    // a package may name itself: what it sees is what everybody sees
    assert.isString(resolve(packageName))
    for (const path of ["internal/slot", "lifecycle/TokenCache", "src/index.ts", "dist/index.js", "config/read"]) {
      assert.throws(() => resolve(`${packageName}/${path}`), /not defined by "exports"/)
    }
  })
})
