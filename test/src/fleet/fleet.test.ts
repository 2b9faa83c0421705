import { assert, describe, it } from "@effect/vitest"
import { Broken, simulate } from "./Fleet.js"
import type { World } from "./World.js"
import { generate, generateRotating, hard, hardRotating, minute, quiet, second, withClocksSet } from "./World.js"

/**
 * Whole fleets through simulated days. A world that breaks a promise is printed with the last minutes before that, and
 * with the command that shows it again. `npm run simulate -- --worlds 1000` goes on from here.
 */
describe("fleets", () => {
  const sizes = [1, 2, 3, 5, 8]
  for (const first of [7, 12]) {
    it(`random worlds ${first} to ${first + 4}: I1, I2, I3, I4, I5, I8 and I11 are kept`, async () => {
      for (const [n, replicas] of sizes.entries()) await simulate(generate(first + n, { replicas }))
    })
  }

  // FAULTS K1
  it("random worlds 1 to 5, all clocks put back and forward by an hour or a lifetime: so are they then", async () => {
    for (const [n, replicas] of sizes.entries()) {
      await simulate(withClocksSet(generate(1 + n, { replicas, hours: 6 })))
      await simulate(withClocksSet(generateRotating(1 + n, { replicas, hours: 3 })))
    }
  })

  for (const [name, world] of Object.entries(hard)) {
    it(`${name}: so are they then`, async () => {
      await simulate(world)
    })
  }

  describe("of processes that share a refresh token which is good for one use", () => {
    it("random worlds 1 to 5: it is spent once, and stored before an access token is seen (I12)", async () => {
      for (const [n, replicas] of sizes.entries()) {
        await simulate(generateRotating(1 + n, { replicas, hours: 3 }))
      }
    })

    for (const [name, world] of Object.entries(hardRotating)) {
      it(`${name}: so it is then`, async () => {
        const { logins, reused } = await simulate(world)
        // what could not be stored is stored as soon as that is possible, and is not given up
        if (world.lostCommands > 0) assert.isAtMost(logins, 3)
        if (world.emptied.length === 0) assert.strictEqual(reused, 0)
      })
    }

    it("without trouble it takes no login and one use per lifecycle", async () => {
      const rotation = { known: "auto", login: "human", accessTokens: "shared" } as const
      const { lifecycles, logins, spent, turnedAway } = await simulate(quiet({ replicas: 10, rotation }))
      assert.deepStrictEqual({ logins, spent, turnedAway }, { logins: 0, spent: lifecycles, turnedAway: 0 })
    })
  })

  it("a quiet day is one request per lifecycle, whatever the size of the fleet (I1)", async () => {
    const days = [1, 10, 50].map((replicas) => quiet({ replicas, skew: 30 * second, lostAnnouncements: 0.1 }))
    for (const day of days) {
      const { asked, lifecycles, turnedAway } = await simulate(day)
      assert.deepStrictEqual({ asked, turnedAway }, { asked: lifecycles, turnedAway: 0 })
      assert.strictEqual(lifecycles, 27)
    }
  })

  it("so is the start of a thousand, and their first renewal", async () => {
    const { asked, turnedAway } = await simulate(quiet({ replicas: 1000, hours: 1, skew: 30 * second }))
    assert.deepStrictEqual({ asked, turnedAway }, { asked: 2, turnedAway: 0 })
  })

  it("a run depends on nothing but its seed", async () => {
    const world: Partial<World> = { replicas: 3, hours: 6 }
    assert.deepStrictEqual(await simulate(generate(11, world)), await simulate(generate(11, world)))
  })

  it("a broken promise is told with what it takes to see it again", async () => {
    // with clocks that lose up to a fifth of the time nobody can know when a token ends
    const world = quiet({ seed: 42, replicas: 8, hours: 3, drift: 0.2, callEvery: minute })
    const error = await simulate(world).then(() => undefined, (error: unknown) => error)
    assert.instanceOf(error, Broken)
    assert.include(error.message, "I3: p")
    assert.include(error.message, "npm run simulate -- --quiet --seed 42 --replicas 8 --hours 3")
  })
})
