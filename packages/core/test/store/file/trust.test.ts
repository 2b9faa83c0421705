import { assert, describe, it } from "@effect/vitest"
import { Option } from "effect"
import * as trust from "../../../src/store/file/trust.js"

const me = Option.some(1000)
const of = (uid: number, mode: number) => ({ uid: Option.some(uid), mode })
const nobodyKnown = { uid: Option.none(), mode: 0o600 }

describe("which files of a store are trusted", () => {
  it("a file of this user or of root that only its owner may read", () => {
    assert.isUndefined(trust.ofFile(of(1000, 0o100600), false, me))
    assert.isUndefined(trust.ofFile(of(0, 0o100400), false, me))
    assert.match(trust.ofFile(of(1001, 0o600), false, me)!, /belongs to another user/)
    assert.match(trust.ofFile(of(1000, 0o640), false, me)!, /its mode is not 600/)
    assert.match(trust.ofFile(of(1000, 0o602), false, me)!, /its mode is not 600/)
    assert.match(trust.ofFile(of(1000, 0o600), true, me)!, /a link/)
  })

  it("root trusts no file of another user", () => {
    assert.match(trust.ofFile(of(1000, 0o600), false, Option.some(0))!, /belongs to another user/)
  })

  it("where the system tells no user ids, nobody's file is refused for its owner", () => {
    assert.isUndefined(trust.ofFile(nobodyKnown, false, me))
    assert.isUndefined(trust.ofFile(of(1001, 0o600), false, Option.none()))
    assert.isUndefined(trust.ofOwner("/tokens", nobodyKnown, me))
  })

  it("a directory of this user or of root that only its owner may write to", () => {
    assert.isUndefined(trust.ofMode("/tokens", { mode: 0o755 }))
    assert.match(trust.ofMode("/tokens", { mode: 0o775 })!, /^others may write to \/tokens,/)
    assert.match(trust.ofMode("/tokens", { mode: 0o702 })!, /set its mode to 700/)
    assert.isUndefined(trust.ofOwner("/tokens", of(0, 0o700), me))
    assert.match(trust.ofOwner("/tokens", of(1001, 0o700), me)!, /^\/tokens belongs to another user/)
  })

  it("a directory above may be written to by others only with the sticky bit", () => {
    const above = (info: ReturnType<typeof of>) => trust.ofDirectoryAbove("/a/tokens", "/a", info, me)
    assert.isUndefined(above(of(0, 0o755)))
    assert.isUndefined(above(of(0, 0o1777)))
    assert.match(above(of(0, 0o777))!, /^everybody may write to \/a, and so could replace \/a\/tokens/)
    // a group is not everybody
    assert.isUndefined(above(of(1000, 0o775)))
  })

  it("a directory above may be of the user that a container has no id for, but of no other user", () => {
    const above = (uid: number) => trust.ofDirectoryAbove("/a/tokens", "/a", of(uid, 0o755), me)
    assert.isUndefined(above(65_534))
    assert.match(above(1001)!, /^\/a belongs to another user, who could replace \/a\/tokens/)
  })
})
