// What a step of the pipeline takes, a source or an effect that makes one, and what it gives for either.
import * as Effect from "effect/Effect"
import type { With } from "./source.js"

/** A source, or an effect that makes one. */
export type Input = With<unknown> | Effect.Effect<With<unknown>, unknown, unknown>

/** What the source fails with. */
export type ErrorOf<S> = S extends Effect.Effect<infer A, infer _E, infer _R> ? SourceError<A> : SourceError<S>

type SourceError<A> = A extends With<infer E> ? E : never

/** What a step without an effect gives: `Out` for a source, an effect with `Out` for an effect. */
export type Mapped<S, Out> = S extends Effect.Effect<infer _A, infer E, infer R> ? Effect.Effect<Out, E, R> : Out

/** What a step with an effect gives: always an effect, which also fails as `S` does and needs what `S` needs. */
export type FlatMapped<S, Out, E = never, R = never> = S extends Effect.Effect<infer _A, infer E0, infer R0>
  ? Effect.Effect<Out, E0 | E, R0 | R>
  : Effect.Effect<Out, E, R>

// Each step has one generic signature, and no overloads: the compiler infers through `pipe`, `Effect.map` and
// `Effect.flatMap` from a single signature only.

/** Applies a step without an effect. */
export const map = <S extends Input, Out>(self: S, step: (self: With<ErrorOf<S>>) => Out): Mapped<S, Out> => {
  const input = self as With<ErrorOf<S>> | Effect.Effect<With<ErrorOf<S>>, unknown, unknown>
  return (Effect.isEffect(input) ? Effect.map(input, step) : step(input)) as Mapped<S, Out>
}

/** Applies a step with an effect. */
export const flatMap = <S extends Input, Out, E, R>(
  self: S,
  step: (self: With<ErrorOf<S>>) => Effect.Effect<Out, E, R>
): FlatMapped<S, Out, E, R> => {
  const input = self as With<ErrorOf<S>> | Effect.Effect<With<ErrorOf<S>>, unknown, unknown>
  return (Effect.isEffect(input) ? Effect.flatMap(input, step) : step(input)) as FlatMapped<S, Out, E, R>
}
