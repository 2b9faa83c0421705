// How long a wait that the server asks for is believed.
import * as Duration from "effect/Duration"

/**
 * How long an API is left alone at its word. Whoever asks for longer than that is asked again all the same, as core does
 * with a token endpoint: a header that is wrong by some digits must not switch anything off for years.
 */
export const longest = Duration.minutes(5)

/** The longest limits of Genesys Cloud are by the day. */
const plausible = Duration.days(1)

/** When it makes sense to come back: a wait that no limit can mean is not repeated to anybody. */
export const sensible = (wait: Duration.Duration): Duration.Duration =>
  Duration.lessThanOrEqualTo(wait, plausible) ? wait : longest
