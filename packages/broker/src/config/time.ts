// A time with its unit, as it stands in a configuration file.
import * as Duration from "effect/Duration"
import * as ParseResult from "effect/ParseResult"
import * as Schema from "effect/Schema"

const units = {
  ms: 1,
  millis: 1,
  s: 1000,
  second: 1000,
  seconds: 1000,
  m: 60_000,
  minute: 60_000,
  minutes: 60_000,
  h: 3_600_000,
  hour: 3_600_000,
  hours: 3_600_000,
  d: 86_400_000,
  day: 86_400_000,
  days: 86_400_000
} as const

const durationPattern = new RegExp(
  `^(\\d+(?:\\.\\d+)?) ?(${Object.keys(units).sort((a, b) => b.length - a.length).join("|")})$`
)

/** In milliseconds; `NaN` for a text that is no time. */
const millisOf = (text: string): number => {
  const [, amount, unit] = durationPattern.exec(text) ?? []
  return Math.round(Number(amount) * (units[unit as keyof typeof units] ?? Number.NaN))
}

/** A time within a range, both ends included, in whole milliseconds. */
export const time = (least: string, most: string) => {
  const [from, to] = [millisOf(least), millisOf(most)]
  const expected = `a time with its unit, for example "30 seconds" or "5 minutes", from ${least} to ${most}`
  return Schema.transformOrFail(
    Schema.String.pipe(Schema.pattern(durationPattern, { message: () => expected })),
    Schema.DurationFromSelf,
    {
      strict: true,
      decode: (text, _options, ast) => {
        const millis = millisOf(text)
        return millis >= from && millis <= to
          ? ParseResult.succeed(Duration.millis(millis))
          : ParseResult.fail(new ParseResult.Type(ast, text))
      },
      encode: (duration) => ParseResult.succeed(`${Duration.toMillis(duration)} ms`)
    }
  ).annotations({
    jsonSchema: { type: "string", title: `time from ${least} to ${most}`, pattern: durationPattern.source }
  })
}
