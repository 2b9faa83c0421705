import { assert, describe, it } from "@effect/vitest"
import { Loopback } from "../../src/index.js"

describe("Loopback", () => {
  it("names localhost and names below it, 127.0.0.0/8 and ::1, in any case, with brackets or without", () => {
    const addresses = ["127.0.0.1", "127.255.0.9", "127.0.255.19", "127.10.20.30", "::1", "[::1]"]
    for (const host of ["localhost", "LocalHost", "api.localhost", ...addresses]) {
      assert.isTrue(Loopback.isLoopback(host), host)
    }
  })

  it("names no other host, though its name looks like one of these", () => {
    const others = ["localhost.example.com", "notlocalhost", "127.0.0.1.example.com", "128.0.0.1", "0.0.0.0", "::", ""]
    // no host of a URL looks like these, but other texts are asked about, too
    const parts = ["1127.0.0.1", "x.127.0.0.1", "local[host]", "[local]host", "[localhost", "::1]"]
    for (const host of [...others, ...parts]) assert.isFalse(Loopback.isLoopback(host), host)
  })

  it("knows the addresses that the parser of URLs has written in their usual form", () => {
    for (const url of ["http://127.1", "http://2130706433", "http://0x7f.1", "http://[0:0:0:0:0:0:0:1]"]) {
      assert.isTrue(Loopback.isLoopback(new URL(url).hostname), url)
    }
  })
})
