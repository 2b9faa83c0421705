/** From an error of the library to a finding: what failed on the way, before the server could say anything of the client. */
import * as Duration from "effect/Duration"
import * as Option from "effect/Option"
import type * as TokenError from "effect-bearer/TokenError"
import type { Environment } from "../../settings/places.js"
import type { Finding } from "../findings.js"
import { finding } from "../findings.js"
import type { Answer } from "../observing.js"
import * as wording from "../wording.js"
import { notHttp, ofCode, unknown } from "./connection.js"
import * as proxies from "./proxy.js"

export interface Context {
  /** Where the request went. */
  readonly url: URL
  /** What the URL is meant to be: "the token endpoint". */
  readonly place: string
  readonly environment: Environment
  /** What came back, if anything did. */
  readonly answer: Answer | undefined
}

/** Names of headers that proxies and gateways add, as far as the answer has them. */
export const marks = (answer: Answer | undefined): ReadonlyArray<string> =>
  [
    "via",
    "proxy-authenticate",
    "proxy-connection",
    "x-squid-error",
    "x-cache",
    "cf-ray",
    "x-amzn-errortype",
    "x-amz-apigw-id",
    "x-amz-cf-id",
    "x-azure-ref",
    "x-akamai-request-id",
    "x-kong-response-latency",
    "x-envoy-upstream-service-time"
  ].filter((name) => answer?.headers[name] !== undefined)

export const isHtml = (error: TokenError.RequestError): boolean =>
  (error._tag === "MalformedResponse" || error._tag === "RejectedByEndpoint") &&
  (error.excerpt.startsWith("HTML") || error.contentType === "text/html")

/** The status and the type of what came. */
export const answered = (error: { readonly status: number; readonly contentType?: string }): string =>
  `answered ${error.status}${
    error.contentType === undefined
      ? ""
      : error.contentType === ""
      ? " without a content type"
      : ` with ${error.contentType}`
  }`

const proxyEvidence = ({ answer, environment, url }: Context): string => {
  const proxy = proxies.of(url, environment)
  const seen = marks(answer)
  return [
    proxy === undefined ? "" : ` ${proxy.variable} names the proxy ${wording.name(proxy.url.host)}.`,
    seen.length === 0 ? "" : ` The answer has the header${seen.length === 1 ? "" : "s"} ${seen.join(", ")}.`
  ].join("")
}

const proxyFix =
  "Have this host allowed at the proxy, or let it bypass the proxy: name it in NO_PROXY. If the network wants somebody to sign in " +
  "first, do that."

export const ofWay = (error: TokenError.RequestError, context: Context): Finding | undefined => {
  const { answer, place, url } = context
  const where = `${place} ${wording.place(url)}`
  const status = "status" in error ? error.status : answer?.status
  // content networks add a `Via` as well, also where they say that there is nothing
  const isProxied = proxies.of(url, context.environment) !== undefined ||
    (status !== 404 && status !== 405 && status !== 410 && marks(answer).some((name) => /^(?:via|proxy-)/.test(name)))
  switch (error._tag) {
    case "TransportError":
      return Option.match(error.code, {
        // the parser of undici has codes for some of its errors only
        onNone: () =>
          /\bHTTP\/1\.1 protocol\b|\bparse error\b/i.test(error.detail) ? notHttp(where) : ofCode(unknown, where),
        onSome: (code) => code.startsWith("HPE_") ? notHttp(where) : ofCode(code, where)
      })
    case "TlsError":
      return ofCode(error.code, where, "TLS")
    case "EndpointTimeout":
      return finding(
        "read-timeout",
        `${where} ${
          answer === undefined
            ? "took the request and did not answer"
            : `answered ${answer.status} and did not send the rest`
        } within ${wording.seconds(Duration.toMillis(error.limit))}.`,
        "Run this again. If it stays so, ask whoever runs the server; a server that is just slow needs a longer `timeout` in the " +
          "profile."
      )
    case "RateLimited":
      return finding(
        "rate-limit-reached",
        `${where} answered ${error.status}: too many requests.${
          Option.match(error.retryAfter, {
            onNone: () => "",
            onSome: (wait) => ` It wants ${wording.seconds(Duration.toMillis(wait))} of rest.`
          })
        }`,
        "Wait, then find out who asks so often: programs that get a token for each request, or many copies without a shared store. " +
          "Let them share one token."
      )
    case "EndpointUnavailable":
      return status === 511 ||
          (error.description._tag === "Some" && error.description.value.startsWith("it was a proxy"))
        ? finding(
          "proxy-in-the-way",
          `The proxy before ${where} answered ${error.status}.${proxyEvidence(context)}`,
          proxyFix
        )
        : finding(
          "server-failed",
          `${where} answered ${error.status}${error.status === 200 ? " with nothing in it" : ": it cannot serve now"}.${
            proxyEvidence(context)
          }`,
          "Look at the status page of the server, or ask whoever runs it. Nothing here can mend it."
        )
    case "RejectedByEndpoint":
      if (status === 407) {
        return finding(
          "proxy-authentication",
          `The proxy before ${where} answered 407: it wants credentials of its own.${proxyEvidence(context)}`,
          "Put user and password into the URL of HTTPS_PROXY (or HTTP_PROXY), or let this host bypass the proxy: name it in NO_PROXY."
        )
      }
      if (Option.exists(error.advice, (advice) => advice.startsWith("The proxy between"))) {
        return finding(
          "proxy-in-the-way",
          `The proxy before ${where} answered ${error.status} and does not connect.${proxyEvidence(context)}`,
          proxyFix
        )
      }
      if (error.status >= 300 && error.status <= 399) return redirect(where, error.status, url, answer)
      return isHtml(error) && isProxied ? html(error, where, context) : undefined
    case "MalformedResponse":
      return isHtml(error) && isProxied ? html(error, where, context) : undefined
    default:
      return undefined
  }
}

const html = (
  error: TokenError.MalformedResponse | TokenError.RejectedByEndpoint,
  where: string,
  context: Context
): Finding =>
  finding("proxy-in-the-way", `${where} ${answered(error)}: a page for people.${proxyEvidence(context)}`, proxyFix)

/** The origin and the path of a redirect are names; its query may hold anything. */
export const redirect = (where: string, status: number, url: URL, answer: Answer | undefined): Finding => {
  const location = answer?.headers["location"]
  const target = location !== undefined && URL.canParse(location, url)
    ? wording.place(new URL(location, url))
    : undefined
  return finding(
    "redirect",
    `${where} answered ${status}${target === undefined ? "" : ` and points to ${target}`}.`,
    "Redirects are not followed, because that would carry the secret along. Configure the URL that it leads to in the end; often " +
      "it is https instead of http, another host, or a slash at the end."
  )
}
