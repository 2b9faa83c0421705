import { describeWith, program } from "../programs.js"

const needed = [program("redis-server"), program("redis-cli")]

/** A `describe` whose tests need Redis: they fail without it on CI, and are skipped, loudly, anywhere else. */
export const describeWithRedis = (name: string, tests: () => void): void => describeWith(needed, name, tests)
