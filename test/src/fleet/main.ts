/**
 * `npm run simulate`: simulated days of whole fleets.
 *
 *     npm run simulate -- --worlds 100              a hundred random worlds
 *     npm run simulate -- --seed 7                  the world of one seed, again
 *     npm run simulate -- --seed 7 --replicas 10000 the same, with another size
 *     npm run simulate -- --quiet --replicas 10000  a day on which nothing goes wrong
 *     npm run simulate -- --rotating --worlds 100   the same with refresh tokens that rotate
 *     npm run simulate -- --clocks --worlds 100     the same with clocks that are put back and forward by an hour
 *     npm run simulate -- --hard                    days on which the worst comes at the worst time
 *     npm run simulate -- --table 1,10,100          the table of the README
 */
import { readFileSync } from "node:fs"
import { parseArgs } from "node:util"
import { Broken, simulate } from "./Fleet.js"
import { table } from "./table.js"
import type { World } from "./World.js"
import { generate, generateRotating, hard, hardRotating, quiet, withClocksSet } from "./World.js"

const { values } = parseArgs({
  options: {
    seed: { type: "string", default: "1" },
    worlds: { type: "string", default: "1" },
    replicas: { type: "string" },
    hours: { type: "string" },
    hard: { type: "boolean", default: false },
    quiet: { type: "boolean", default: false },
    rotating: { type: "boolean", default: false },
    clocks: { type: "boolean", default: false },
    table: { type: "string" },
    help: { type: "boolean", default: false }
  }
})

if (values.help) {
  const [, head = ""] = /^\/\*\*\n([^]*?) \*\//.exec(readFileSync(new URL(import.meta.url), "utf8")) ?? []
  console.log(head.replaceAll(/^ \*(?: {5})? ?/gm, ""))
  process.exit(0)
}

const seed = Number(values.seed)
const fixed = {
  ...(values.replicas === undefined ? {} : { replicas: Number(values.replicas) }),
  ...(values.hours === undefined ? {} : { hours: Number(values.hours) })
}

/** Whether all promises were kept. */
const live = async (world: World): Promise<boolean> => {
  const began = process.cpuUsage()
  try {
    const { askedAt: _, servedAt: __, ...report } = await simulate(world)
    const took = (process.cpuUsage(began).user / 1e6).toFixed(1)
    console.log(`${world.again}, ${took} s of CPU: ${JSON.stringify(report)}`)
    return true
  } catch (error) {
    if (!(error instanceof Broken)) throw error
    console.log(`${world.again}: BROKEN ${error.message}\n`)
    return false
  }
}

if (values.table !== undefined) {
  await table(values.table.split(",").map(Number), seed, (line) => console.log(line))
} else {
  const worlds = values.hard ? [...Object.values(hard), ...Object.values(hardRotating)] : Array.from(
    { length: Number(values.worlds) },
    (_, n) => {
      const world = values.quiet
        ? quiet({ ...fixed, seed: seed + n })
        : values.rotating
        ? generateRotating(seed + n, fixed)
        : generate(seed + n, fixed)
      return values.clocks ? withClocksSet(world) : world
    }
  )
  let broken = 0
  for (const world of worlds) if (!await live(world)) broken++
  console.log(broken === 0 ? "all promises kept" : `promises broken in ${broken} of ${worlds.length} worlds`)
  process.exitCode = broken === 0 ? 0 : 1
}
