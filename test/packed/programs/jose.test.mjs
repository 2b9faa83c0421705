// Tests that are ES modules themselves can import it with any Node.js, if Jest may load such modules.
/* global test, expect */
import { ClientAssertion } from "@effect-bearer/jose"

test("a package that stands on an ES module", () => {
  expect(typeof ClientAssertion.privateKeyJwt).toBe("function")
})
