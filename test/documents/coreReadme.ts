/**
 * The page of `effect-bearer` on npm: the README of the repository, without what is about the repository only, and with
 * links that lead somewhere from there.
 */
import { absolute } from "./links.js"

const notice = "<!-- made of the README of the repository by `npm run documents`: change that one -->"
const ofTheRepository = /<!-- of the repository only -->[^]*?<!-- of the package as well -->\n+/g

export const coreReadme = (readme: string): string =>
  absolute(readme.replace(ofTheRepository, ""), ".").replace("\n", `\n\n${notice}\n`)
