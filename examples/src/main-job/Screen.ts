/**
 * Where the job shows itself: on a terminal one line that is rewritten in place, otherwise plain lines, one a second.
 */
import { Array, Context, Duration, Effect, HashMap, Layer, Logger, LogLevel, Option, Schedule } from "effect"

export class Screen extends Context.Tag("@effect-bearer/examples/main-job/Screen")<Screen, {
  /** A line that stays. */
  readonly line: (text: string) => Effect.Effect<void>
  /** Shows what `status` says for as long as `effect` runs. */
  readonly live: <R2>(
    status: Effect.Effect<string, never, R2>
  ) => <A, E, R>(effect: Effect.Effect<A, E, R>) => Effect.Effect<A, E, R | R2>
}>() {}

const clearLine = "\r\u001b[2K"

const make = Effect.sync(() => {
  const { stdout } = process
  const onTerminal = stdout.isTTY === true
  let status = ""

  const line = (text: string) =>
    Effect.sync(() => void stdout.write(onTerminal ? `${clearLine}${text}\n${status}` : `${text}\n`))

  const show = (text: string) =>
    Effect.sync(() => {
      status = text.slice(0, Math.max(0, stdout.columns - 1))
      stdout.write(clearLine + status)
    })

  const hide = Effect.sync(() => {
    if (onTerminal) stdout.write(clearLine)
    status = ""
  })

  return Screen.of({
    line,
    live: (status) => (effect) =>
      Effect.scoped(Effect.zipRight(
        Effect.flatMap(status, onTerminal ? show : line).pipe(
          Effect.repeat(Schedule.spaced(onTerminal ? Duration.millis(100) : Duration.seconds(1))),
          Effect.interruptible,
          Effect.forkScoped
        ),
        Effect.ensuring(effect, hide)
      ))
  })
})

/** The library's warnings as lines of the screen: what happened, and the error behind it if there is one. */
const logger = (screen: Screen["Type"]) =>
  Logger.make<unknown, void>(({ annotations, logLevel, message }) => {
    const detail = Option.match(HashMap.get(annotations, "message"), {
      onNone: () => "",
      onSome: (text) => `: ${text}`
    })
    Effect.runSync(screen.line(`  ${logLevel.label.toLowerCase()}: ${Array.ensure(message).join(" ")}${detail}`))
  })

const logging = Layer.merge(
  Logger.minimumLogLevel(LogLevel.Warning),
  Logger.replaceEffect(Logger.defaultLogger, Effect.map(Screen, logger))
)

export const layer: Layer.Layer<Screen> = Layer.provideMerge(logging, Layer.effect(Screen, make))
