/**
 * Before each test: the event loop gets a turn. Tests that never wait for anything would starve the line to vitest's main
 * process on a busy machine, and vitest ends a run whose worker has not answered for a minute.
 */
import { beforeEach } from "vitest"

beforeEach(() => new Promise((resolve) => setImmediate(resolve)))
