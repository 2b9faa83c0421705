/** The pages of `docs/errors` by their codes, as `scripts/bundle.mjs` puts them into the bundle. */
declare module "effect-bearer:errors" {
  const pages: Readonly<Record<string, string>>
  export default pages
}
