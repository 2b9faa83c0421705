/**
 * Words of a success that may be shown, although any text there may be a token. A single word of up to seven letters
 * shows too little of a token to matter. A longer word, and each word of several that are joined, has to be in this
 * list.
 */
const listed: ReadonlySet<string> = new Set((
  "a accepted access accounts active admin administration algorithm amazon amazoncognito an and api app " +
  "application applications argument assertion assigned attempts attention aud audience auth auth0 authenticate " +
  "authenticating authentication authenticator authorisation authorization authorize available aws azure bad " +
  "basic be bearer body bootstrap by can cert certificate challenge characters checking client cloudflare " +
  "cloudfront code com commercial common complete conditions configuration configured connect connected " +
  "connection consent contains continue corporate credential credentials currently customer dashboard data " +
  "database de decrypted denied developer developers development directory disabled discovery dns do docs " +
  "document documentation domain done down downstream dpop duplicate early email employee empty enabled " +
  "encoding encrypted end endpoint enterprise entity entra environment error errors eu event example examples " +
  "exceeded exception exchange exhausted exp expected expires external failed federation field file fingerprint " +
  "firewall flow for forbidden forcepoint forgerock form fortigate fortinet found from gcp github gitlab global " +
  "gone google googleapis government grant group has header hospital host html http https id identity in " +
  "including incorrect info information insufficient insurance int interaction interactive internal internet " +
  "intranet introspection invalid io ip is iss issue issuer javascript json jwks jwt key keycloak keys kid " +
  "language last later level lifetime limit link list local locale localhost login logout long main maintenance " +
  "malformed management many match matching max media method microsoft microsoftonline min mismatch miss " +
  "missing mode more mtls multi multifactor multiple must mypurecloud name navigation need net never new no " +
  "nonce none not notification null oauth oauth2 object of offline oidc ok okta old on one only onmicrosoft " +
  "open operation operations or org organisation organization organizationid other overloaded overview page par " +
  "param parameter parameters parse pass password path per permanently permission permissions permitted ping " +
  "pkce plain platform please policies policy port post previously principal processing prod production proof " +
  "properties property protected protection protocol provided provider public query rate ratelimit raw read " +
  "ready realm reason received recognised recognized redirect redirecting redirection reference refresh region " +
  "register registered registration rejected repeated replaced req request requested requesting requests " +
  "required requires reset resource resources response responses restricted retry revocation rfc role root rule " +
  "safe salesforce same saml scheme scope scopes secret security selection send sent server service services " +
  "session set sharepoint short show sign signature signed site slow something specified squarespace sso stage " +
  "stale start starting state statement status stop sts sub subscription suspended suspicious sustainability " +
  "sync syntax system table tag task team temporarily temporary tenant test text than that the then this " +
  "throttled throttling time tls to together token tokens too transaction try type unauthenticated unauthorised " +
  "unauthorized unavailable undefined unexpected university unknown unreachable unregistered unsupported up " +
  "upstream uri url urlencoded us use used user username users v1 v2 v3 v4 validation value verification version names number items count total kind label array size verified verify " +
  "verifying view violation void wait warn was web well were will windows with wordpress workspace write wrong " +
  "www xml yes you your zone"
).split(" "))

const short = 7

export const isListed = (word: string): boolean => listed.has(word.toLowerCase())

/** `word` consists of letters and stands alone. */
export const has = (word: string): boolean => word.length <= short || isListed(word)

const joints = /([^\p{L}\p{N}]+)/u

/** Whether a text is punctuation that joins words. */
const isJoint = (text: string): boolean => /^(?:[-_./:=+~@]|:\/\/)?$/.test(text)

const isPart = (part: string): boolean =>
  /^\d{0,7}$/.test(part) || /^(?:AADSTS|IDX|ORA|ERR|RFC|AADB2C)\d{1,9}$/.test(part) ||
  isListed(part) || (/[a-z][A-Z]/.test(part) && part.split(/(?<=[a-z])(?=[A-Z])/).every(isListed))

/** A word, or several that are joined as in `invalid_client` or `/oauth2/token`. */
export const arePlain = (text: string): boolean =>
  text.length <= short
    ? /^[\p{L}\p{N}\-_./:=+~@]*$/u.test(text)
    : /^\p{Lu}?\p{Ll}*$/u.test(text)
    ? isListed(text)
    : text.split(joints).every((part, index) => index % 2 === 1 ? isJoint(part) : isPart(part))

/** A text in which only listed words, and words that `expected` has as well, are left. */
export const compared = (text: string, expected: string): string => {
  const known = new Set(expected.split(joints))
  return text.split(joints).map((part, index) =>
    known.has(part) || (index % 2 === 1 ? isJoint(part) : isListed(part)) ? part : "…"
  ).join("")
}
