import { assert, describe, it } from "@effect/vitest"
import * as proxy from "../../src/doctor/probes/proxy.js"

const of = (url: string, environment: Record<string, string>) => proxy.of(new URL(url), environment)?.url.host

describe("doctor: which proxy a URL goes through", () => {
  const HTTPS_PROXY = "http://secure.proxy:1"
  const HTTP_PROXY = "http://plain.proxy:2"

  it("the proxy is chosen by the scheme of the URL; HTTP_PROXY is used if there is no other", () => {
    assert.strictEqual(of("https://a.example", { HTTPS_PROXY, HTTP_PROXY }), "secure.proxy:1")
    assert.strictEqual(of("http://a.example", { HTTPS_PROXY, HTTP_PROXY }), "plain.proxy:2")
    assert.strictEqual(of("https://a.example", { HTTP_PROXY }), "plain.proxy:2")
    assert.strictEqual(of("http://a.example", { HTTPS_PROXY }), undefined)
    assert.strictEqual(of("https://a.example", {}), undefined)
  })

  it("no proxy is used for a host in NO_PROXY", () => {
    const goes = (url: string, NO_PROXY: string) => of(url, { HTTPS_PROXY, NO_PROXY }) !== undefined
    assert.isFalse(goes("https://a.example", "*"))
    assert.isFalse(goes("https://a.example", "b.example, a.example"))
    assert.isFalse(goes("https://login.a.example", ".a.example"))
    assert.isFalse(goes("https://login.a.example", "*.a.example"))
    assert.isFalse(goes("https://a.example:8443", "a.example:8443"))
    assert.isTrue(goes("https://a.example", "a.example:8443"))
    assert.isTrue(goes("https://nota.example", "a.example"))
    assert.isTrue(goes("https://a.example", ""))
  })
})
