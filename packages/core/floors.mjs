/**
 * The floors of core, lowest first. A module may import from its own floor and from those below it.
 * ESLint reads this list (`eslint.config.mjs`), so a new module finds its place here first.
 */
const barrels = [
  { regex: "^(effect|@effect/platform)$", message: "Import the module, not the barrel: it costs start-up time." },
  { regex: "^node:", message: "Core runs on every runtime: no Node built-ins." }
]
const noSchema = [
  ...barrels,
  { regex: "^effect/(Schema|SchemaAST|ParseResult)$", message: "Schemas is the one module with Schema in it." }
]
const noHttp = [
  ...noSchema,
  { regex: "^@effect/platform", message: "This floor knows nothing of HTTP." }
]

export const floors = [
  {
    name: "values",
    modules: [
      "Clocks",
      "Digest",
      "Settings",
      "SharedWork",
      "internal/runtime",
      "internal/underway",
      "internal/flight",
      "internal/scopeNames",
      "internal/tokenText",
      "Scopes",
      "Spelling",
      "TokenRequest",
      "AccessToken",
      "TokenError",
      "TokenEvent"
    ],
    forbidden: noHttp
  },
  {
    name: "wire",
    modules: [
      "Disclosure",
      "OwnRequest",
      "internal/settingRanges",
      "RetryAfter",
      "Jwt",
      "Secret",
      "ServerMetadata",
      "Introspection",
      "Revocation",
      "Challenge",
      "internal/credential",
      "ClientAuthentication",
      "TokenResponse",
      "Grant",
      "TokenEndpoint",
      "internal/version",
      "internal/knownSecrets",
      "internal/plainWords",
      "internal/credentialLike",
      "internal/mediaType",
      "internal/pageTitle",
      "internal/textEncoding",
      "internal/body",
      "internal/checks",
      "internal/json",
      "internal/decode",
      "internal/expiry",
      "internal/refusal",
      "internal/transport",
      "internal/endpointOptions",
      "internal/numericDate",
      "internal/remember",
      "internal/contentCoding",
      "internal/trace",
      "internal/tlsTrouble",
      "internal/proxyRefusal",
      "internal/traced",
      "internal/formEndpoint",
      "internal/unsent"
    ],
    forbidden: noSchema
  },
  {
    name: "lifecycle",
    modules: [
      "internal/anyError",
      "internal/backOff",
      "internal/polling",
      "internal/telemetry",
      "internal/tokenStore",
      "internal/storedToken",
      "internal/memoryStore",
      "internal/leaseClaim",
      "internal/finishing",
      "internal/fileStoreNames",
      "internal/makeFolder",
      "internal/fileStoreDirectory",
      "internal/fileStore",
      "internal/keyValueStore",
      "internal/sealedKeys",
      "internal/sealedEnvelope",
      "internal/sealedStore",
      "TokenStore",
      "internal/source",
      "internal/waitUntil",
      "internal/workers",
      "internal/lifetime",
      "internal/life",
      "internal/slot",
      "internal/slots",
      "internal/agenda",
      "internal/quietSleep",
      "internal/random",
      "internal/boundToken",
      "internal/bells",
      "internal/failureNote",
      "internal/storeCall",
      "internal/fallibleStore",
      "internal/sharing",
      "SharedTokens",
      "internal/sharedRefreshToken",
      "RetryPolicy",
      "RefreshToken",
      "TokenCache",
      "BackgroundRefresh",
      "CircuitBreaker",
      "RateLimit",
      "ScopePolicy",
      "TokenSource"
    ],
    forbidden: noSchema
  },
  {
    name: "edge",
    modules: [
      "internal/origins",
      "internal/renewalGuard",
      "internal/bearerOptions",
      "internal/bearerOverrides",
      "internal/bearerRefusal",
      "internal/bearerReplay",
      "internal/bearerHiding",
      "internal/bearerConceal",
      "Concealment",
      "internal/bearerMisuse",
      "internal/bearerClient",
      "TokenMetrics",
      "TokenMonitor",
      "BearerAuth"
    ],
    forbidden: noSchema
  },
  {
    // on top of all others, so that none of them can load it
    name: "schemas",
    modules: [
      "internal/quietIssue",
      "Schemas"
    ],
    forbidden: barrels
  }
]
