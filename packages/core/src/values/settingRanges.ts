// The ranges of options that are numbers or durations, by the option that holds them. RetryPolicy, RefreshToken, SharedWork
// and endpointChecks keep their own.
import * as Settings from "./Settings.js"

/** `TokenSource.make` */
export const source = { timeout: Settings.duration("10 seconds", { least: 1, unlimited: true }) }

/** `TokenCache.Options` */
export const cache = {
  capacity: Settings.number(10_000, { least: 1 }),
  ahead: Settings.duration("5 minutes"),
  jitter: Settings.duration("10 seconds"),
  clockSkew: Settings.duration("30 seconds"),
  // with next to nothing, work that is only slow would be begun again and again
  overdueAfter: Settings.duration("1 minute", { least: "1 second" })
}

/** `minTtl` of `TokenSource.GetOptions` */
export const minTtl = Settings.duration(0, { unlimited: true })

/** `onMissingExpiry` of `TokenCache.Options` */
export const onMissingExpiry = { assume: Settings.duration("5 minutes", { least: 1 }) }

/** `BackgroundRefresh.Options` */
export const refresh = {
  ahead: Settings.duration("5 minutes"),
  jitter: Settings.duration("10 seconds"),
  idleTimeToLive: Settings.duration("1 hour", { unlimited: true })
}

/** `CircuitBreaker.Options` */
export const circuitBreaker = {
  failureThreshold: Settings.number(5, { least: 1 }),
  resetAfter: Settings.duration("30 seconds"),
  maxResetAfter: Settings.duration("5 minutes")
}

/** `RateLimit.Options` */
export const rateLimit = {
  limit: Settings.number(100, { least: 1 }),
  interval: Settings.duration("1 minute")
}

/** `RetryPolicy.Options` */
export const retry = {
  base: Settings.duration("500 millis"),
  cap: Settings.duration("30 seconds", { unlimited: true }),
  factor: Settings.number(2, { least: 1, most: Number.MAX_VALUE, unlimited: true }),
  maxRetries: Settings.number(3, { unlimited: true }),
  maxElapsed: Settings.duration("1 minute", { unlimited: true })
}

/** `TokenMetrics.Options` */
export const metrics = { every: Settings.duration("10 seconds", { least: "100 millis" }) }

/** `TokenMonitor.watch`: each round is a request per token. */
export const monitor = { every: Settings.duration("1 minute", { least: "1 second" }) }

/** `TokenMonitor.revokeOnClose` */
export const revocation = { timeout: Settings.duration("5 seconds") }

/** `Secret.VaultOptions` */
export const vault = { timeToLive: Settings.duration("5 seconds") }

/** `BearerAuth.Options`. The clock cannot sleep longer than 24.8 days. */
export const bearer = {
  replayDelay: Settings.duration(0, { most: "7 days" }),
  renewInterval: Settings.duration("5 seconds")
}

/** `BearerAuth.RetryThrottled`; "without limit" is 7 days. */
export const throttled = {
  maxRetries: Settings.number(3, { unlimited: true }),
  base: Settings.duration("500 millis", { unlimited: true }),
  cap: Settings.duration("30 seconds", { unlimited: true }),
  maxRetryAfter: Settings.duration("1 minute", { unlimited: true })
}
