// A stretch of time as people read it: whole milliseconds, and units from a second on.
import * as Duration from "effect/Duration"

/** `340ms`, `1s 340ms`, `2m 5s`; parts of a millisecond, which the steady clock counts, say nothing to anybody. */
export const shownDuration = (millis: number): string => {
  const whole = Math.round(millis)
  return whole < 1000 ? `${whole}ms` : Duration.format(Duration.millis(whole))
}
