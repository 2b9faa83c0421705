/**
 * The title of an HTML page tells a login page from a proxy's. But it is text, so of a title only what is made of plain
 * words is shown: words of at most seven letters, and longer ones that stand in this list. Nothing that could be a token
 * passes: a page of a success may hold one anywhere.
 */
const longer: ReadonlySet<string> = new Set((
  "access account accounts administration amazon application applications attention authentication authorisation " +
  "authorization authorize blocked bootstrap captcha challenge checking cloudflare cloudfront company conditions connected " +
  "connection continue corporate customer dashboard database default denied development directory document employee " +
  "enterprise environment exchange exception expired external failed federation firewall forbidden forgerock found " +
  "gateway genesys government hospital identity incorrect information insurance interactive internal internet intranet " +
  "invalid javascript keycloak limited loading maintenance management microsoft moment moved multiple navigation network " +
  "notification number office operation organisation organization outage overview password payment permanently " +
  "permission platform please portal private problem processing production protected protection provider proxy received " +
  "redirect redirecting redirection register registration rejected request requested required resource response " +
  "restricted salesforce security selection service services session signing single something squarespace starting " +
  "support suspended sustainability system temporarily temporary timeout tomcat unauthorised unauthorized unavailable " +
  "unexpected university unknown unreachable unsupported username validation verification verifying violation visitor " +
  "website welcome workspace zscaler fortinet fortigate forcepoint sharepoint wordpress authenticate authenticating"
).split(" "))

/** As far into a page as a title is looked for. */
const head = 8192

/** Of a title. */
const limit = 80

/** The words of the title that may be shown; empty when there is no title. */
export const shown = (html: string): string => {
  const start = /<title\b[^<>]{0,200}>/i.exec(html.slice(0, head))
  if (start === null) return ""
  const rest = html.slice(start.index + start[0].length, start.index + start[0].length + 400)
  const end = rest.search(/<\s*\/\s*title/i)
  const words = (end < 0 ? rest : rest.slice(0, end)).trim().split(/\s+/).filter((word) => word !== "")
  return words.map((word) => isPlain(word) ? word : "…").join(" ").replace(/…(?: …)+/g, "…").slice(0, limit)
}

const isPlain = (word: string): boolean => {
  const bare = word.replace(/^[("'«“]?/, "").replace(/[)"'»”.,:;!?…]{0,3}$/, "")
  return /^(?:[A-Z]?[a-z]*|[A-Z]+|\d{1,3}|[|–—-])$/.test(bare) && (bare.length <= 7 || longer.has(bare.toLowerCase()))
}
