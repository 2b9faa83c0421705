export * as ClientAssertion from "./ClientAssertion.js"
export * as Dpop from "./Dpop.js"
export * as Jwks from "./Jwks.js"
export * as SigningKey from "./SigningKey.js"
