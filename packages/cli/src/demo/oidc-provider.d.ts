/**
 * The entry point of oidc-provider prints a warning on Node 20, which cannot be configured away, although every feature
 * used here works there. The module behind the entry point is the same class and stays quiet.
 */
declare module "oidc-provider/lib/provider.js" {
  export { default as Provider } from "oidc-provider"
}
