/**
 * The text of `GET /metrics`: what the broker counted, what it knows of each token now, and every metric of the process
 * that Effect keeps, those of effect-bearer among them. prom-client writes the format.
 */
import * as Duration from "effect/Duration"
import * as Effect from "effect/Effect"
import * as Metric from "effect/Metric"
import * as MetricState from "effect/MetricState"
import * as Option from "effect/Option"
import * as TokenSource from "effect-bearer/TokenSource"
import { Registry as Exposition } from "prom-client"
import type { Registry } from "../profile/registry.js"
import type { Activity } from "./activity.js"
import type { Audit } from "./audit.js"

type Labels = Readonly<Record<string, string>>

interface Value {
  readonly labels: Labels
  readonly value: number
  readonly metricName?: string | undefined
}

type Kind = "counter" | "gauge" | "histogram" | "summary"

export const text = (registry: Registry, activity: Activity, audit: Audit): Effect.Effect<string> =>
  Effect.gen(function*() {
    const exposition = new Exposition()
    const families = new Map<string, { readonly help: string; readonly type: Kind; readonly values: Array<Value> }>()
    const add = (name: string, type: Kind, help: string, values: ReadonlyArray<Value>) => {
      const family = families.get(name)
      if (family === undefined) families.set(name, { help, type, values: [...values] })
      else family.values.push(...values)
    }

    add(
      "effect_bearer_broker_requests_total",
      "counter",
      "Requests by surface, profile, caller and outcome",
      activity.counts().map(({ caller, count, outcome, profile, surface }) => ({
        labels: { surface, profile: profile ?? "", caller: caller ?? "", outcome },
        value: count
      }))
    )
    add(
      "effect_bearer_broker_audit_lines_lost",
      "gauge",
      "Audit lines that could not be written since the last that could",
      [{ labels: {}, value: audit.lost() }]
    )
    add("effect_bearer_broker_audit_lines_lost_total", "counter", "Audit lines that could not be written", [{
      labels: {},
      value: audit.lostEver()
    }])
    for (const { name, own } of registry.all()) {
      const { remaining, token } = yield* TokenSource.status(own)
      add("effect_bearer_broker_token_usable", "gauge", "Whether the profile has a usable token", [{
        labels: { profile: name },
        value: Option.isSome(token) ? 1 : 0
      }])
      if (Option.isSome(remaining)) {
        add("effect_bearer_broker_token_remaining_seconds", "gauge", "How long the token of the profile still lives", [{
          labels: { profile: name },
          value: Duration.toSeconds(remaining.value)
        }])
      }
    }
    for (const { metricKey, metricState } of yield* Metric.snapshot) {
      const labels = Object.fromEntries(metricKey.tags.map(({ key, value }) => [safe(key), value]))
      const name = safe(metricKey.name)
      const help = Option.getOrElse(metricKey.description, () => name)
      if (MetricState.isCounterState(metricState)) {
        add(name, "counter", help, [{ labels, value: Number(metricState.count) }])
      } else if (MetricState.isGaugeState(metricState)) {
        add(name, "gauge", help, [{ labels, value: Number(metricState.value) }])
      } else if (MetricState.isHistogramState(metricState)) {
        add(name, "histogram", help, [
          ...metricState.buckets.map(([bound, count]) => ({
            metricName: `${name}_bucket`,
            labels: { ...labels, le: Number.isFinite(bound) && bound < Number.MAX_VALUE ? String(bound) : "+Inf" },
            value: count
          })),
          { metricName: `${name}_sum`, labels, value: metricState.sum },
          { metricName: `${name}_count`, labels, value: metricState.count }
        ])
      }
    }
    for (const [name, { help, type, values }] of families) {
      // the registry asks a metric for its values when the text is made
      exposition.registerMetric({
        name,
        get: () => Promise.resolve({ name, help, type, values, aggregator: "sum" })
      } as never)
    }
    return yield* Effect.promise(() => exposition.metrics())
  })

/** The characters that names may have. */
const safe = (name: string): string => name.replace(/[^a-zA-Z0-9_]/g, "_").replace(/^(\d)/, "_$1")
