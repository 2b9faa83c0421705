import { assert, describe, it } from "@effect/vitest"
import { Effect } from "effect"
import { carriesHeadersAlong, isRequestBound } from "../../src/values/runtime.js"

/** Changes globals for the length of an effect. */
const withGlobals = (globals: Readonly<Record<string, unknown>>) =>
  Effect.acquireRelease(
    Effect.sync(() =>
      Object.entries(globals).map(([name, value]) => {
        const before = Object.getOwnPropertyDescriptor(globalThis, name)
        Object.defineProperty(globalThis, name, { value, configurable: true })
        return [name, before] as const
      })
    ),
    (all) =>
      Effect.sync(() => {
        for (const [name, before] of all) {
          if (before === undefined) Reflect.deleteProperty(globalThis, name)
          else Object.defineProperty(globalThis, name, before)
        }
      })
  )

const cases: ReadonlyArray<readonly [string, boolean, Readonly<Record<string, unknown>>]> = [
  ["Node.js", false, {}],
  ["Node.js before 21", false, { navigator: undefined }],
  ["Node.js with a WebSocketPair for its tests", false, { navigator: undefined, WebSocketPair: class {} }],
  ["workerd", true, { navigator: { userAgent: "Cloudflare-Workers" } }],
  ["workerd before 2022-03-21", true, { navigator: undefined, WebSocketPair: class {}, process: undefined }],
  ["workerd, no_global_navigator, nodejs_compat", true, {
    navigator: undefined,
    WebSocketPair: class {},
    process: { versions: { node: "22.19.0" } }
  }],
  ["Deno", false, { navigator: { userAgent: "Deno/2.0" }, WebSocketPair: class {}, Deno: {} }]
]

describe("runtime", () => {
  for (const [name, expected, globals] of cases) {
    // FAULTS T
    it.scoped(name, () =>
      Effect.gen(function*() {
        yield* withGlobals(globals)
        assert.deepStrictEqual([isRequestBound(), carriesHeadersAlong()], [expected, expected])
      }))
  }
})
