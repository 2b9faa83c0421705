import { Cause, Exit, Tracer } from "effect"

/** A tracer that keeps of every span what an exporter would send. */
export const recorder = () => {
  const spans: Array<unknown> = []
  const tracer = Tracer.make({
    context: (f) => f(),
    span: (name, parent, context, links, startTime, kind) => {
      const attributes = new Map<string, unknown>()
      const events: Array<unknown> = []
      return {
        _tag: "Span",
        name,
        spanId: String(spans.length),
        traceId: "1",
        parent,
        context,
        status: { _tag: "Started", startTime },
        attributes,
        links,
        kind,
        sampled: true,
        end: (_, exit) =>
          void spans.push({
            name,
            attributes: Object.fromEntries(attributes),
            events,
            exit: Exit.isFailure(exit) ? Cause.pretty(exit.cause, { renderErrorCause: true }) : "success"
          }),
        attribute: (key, value) => void attributes.set(key, value),
        event: (...event) => void events.push(event),
        addLinks: () => {}
      }
    }
  })
  return { spans, tracer }
}
