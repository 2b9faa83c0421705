// Puts itself in the place of the HTTP client of the vendor's SDK.
import type { SdkHttpClient } from "./contract.js"

/**
 * The SDK's HTTP client with another `request`. All else (timeouts, agents, hooks) is `inner`'s, set and read there: the
 * SDK may change it at any time, and demands an instance of its own class.
 */
export const intercept = (inner: SdkHttpClient, request: SdkHttpClient["request"]): SdkHttpClient =>
  new Proxy(inner, {
    get: (target, key) => {
      if (key === "request") return request
      const value: unknown = Reflect.get(target, key)
      return typeof value === "function" && key !== "constructor" ? value.bind(target) : value
    },
    set: (target, key, value) => Reflect.set(target, key, value)
  })
