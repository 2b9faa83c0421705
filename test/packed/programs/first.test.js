// The first program under Jest as it comes: CommonJS, no setting.
/* global test, expect */
test("a token is had", async () => {
  expect(await require("./first.cjs")).toBe("token-1 true 1")
})
