import { assert, describe, it } from "@effect/vitest"
import { Loopback } from "../../src/index.js"

describe("Loopback", () => {
  it("names localhost and names below it, 127.0.0.0/8 and ::1, in any case, with brackets or without", () => {
    for (const host of ["localhost", "LocalHost", "api.localhost", "127.0.0.1", "127.255.0.9", "::1", "[::1]"]) {
      assert.isTrue(Loopback.isLoopback(host), host)
    }
  })

  it("names no other host, though its name looks like one of these", () => {
    const others = ["localhost.example.com", "notlocalhost", "127.0.0.1.example.com", "128.0.0.1", "0.0.0.0", "::", ""]
    for (const host of others) assert.isFalse(Loopback.isLoopback(host), host)
  })

  it("knows the addresses that the parser of URLs has written in their usual form", () => {
    for (const url of ["http://127.1", "http://2130706433", "http://0x7f.1", "http://[0:0:0:0:0:0:0:1]"]) {
      assert.isTrue(Loopback.isLoopback(new URL(url).hostname), url)
    }
  })
})
