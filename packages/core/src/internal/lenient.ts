import * as Duration from "effect/Duration"

// Options that cannot stop a program: `NaN`, which is what a number read from configuration may be, counts as absent.

export const orDefault = (value: number | undefined, fallback: number): number =>
  value === undefined || Number.isNaN(value) ? fallback : value

export const millis = (value: Duration.DurationInput | undefined, fallback: number): number =>
  value === undefined || Number.isNaN(value) ? fallback : Duration.toMillis(value)
