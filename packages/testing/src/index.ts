export * as Arbitraries from "./Arbitraries.js"
export * as AuthorizationServer from "./AuthorizationServer.js"
export * as Reply from "./Reply.js"
