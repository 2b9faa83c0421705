// The scripts that Redis runs: each operation of the store is one.
import { defineScript } from "redis"

// Each operation is one script, so that no other process comes in between. All keys of a script have the same hash tag,
// so that they are in one slot of a cluster. Announcements go by pcall: what was stored counts even if nobody hears of it.

/** A script, and the name a server that has seen it knows it by. */
export interface Script {
  readonly text: string
  readonly sha1: string
}

const script = (text: string): Script => ({
  text,
  sha1: defineScript({ SCRIPT: text, parseCommand: () => undefined, transformReply: (reply: unknown) => reply }).SHA1
})

/** `KEYS: token` → the stored text and for how many milliseconds it is still good, or nothing. */
export const get: Script = script(`
local token = redis.call('GET', KEYS[1])
if not token then return false end
return { token, redis.call('PTTL', KEYS[1]) }
`)

/**
 * `KEYS: lease, fence` `ARGV: owner, ttl, linger` → the fencing number, or nothing.
 *
 * It is the time of the server in microseconds, so that it grows even where an emptied server, or one that took over
 * with less than all of the data, remembers none; it is one more than the last where that is greater. What cannot be is
 * not believed: a lease without an end or longer than an hour, a number that is a day ahead of the time. What is no text
 * is not ours to overwrite.
 */
export const acquire: Script = script(`
if redis.call('EXISTS', KEYS[1]) == 1 then
  local holder = redis.pcall('GET', KEYS[1])
  if type(holder) ~= 'string' then return false end
  local left = redis.call('PTTL', KEYS[1])
  if left >= 0 and left <= math.max(3600000, tonumber(ARGV[2])) then return false end
end
local last = tonumber(redis.call('GET', KEYS[2]) or nil) or 0
local time = redis.call('TIME')
local now = time[1] * 1000000 + time[2]
if not (last < now + 86400000000) then last = 0 end
local fence = string.format('%.0f', math.max(now, last + 1))
redis.call('SET', KEYS[1], ARGV[1], 'PX', ARGV[2])
redis.call('SET', KEYS[2], fence, 'PX', ARGV[2] + ARGV[3])
return fence
`)

/**
 * `KEYS: token, fence` `ARGV: fence, text, lifetime, linger, channel, key` → whether the lease is the latest.
 *
 * Where the number of the latest lease is not known any more, the one the stored token begins with decides. A token
 * whose lifetime is over takes the place of the one before like any other, and leaves it empty.
 */
export const put: Script = script(`
local latest = redis.call('GET', KEYS[2])
if latest then
  if latest ~= ARGV[1] then return 0 end
else
  local stored = redis.pcall('GET', KEYS[1])
  local other = type(stored) == 'string' and tonumber(string.match(stored, '^%d+'))
  if other and other > tonumber(ARGV[1]) then return 0 end
  redis.call('SET', KEYS[2], ARGV[1], 'PX', ARGV[4])
end
if tonumber(ARGV[3]) > 0 then
  redis.call('SET', KEYS[1], ARGV[1] .. ' ' .. ARGV[2], 'PX', ARGV[3])
else
  redis.call('DEL', KEYS[1])
end
redis.pcall('PUBLISH', ARGV[5], ARGV[6])
return 1
`)

/** `KEYS: any` `ARGV: expected, channel, key` → whether the value was the one expected; then it is gone. */
export const removeIf: Script = script(`
if redis.call('GET', KEYS[1]) ~= ARGV[1] then return 0 end
redis.call('DEL', KEYS[1])
redis.pcall('PUBLISH', ARGV[2], ARGV[3])
return 1
`)
