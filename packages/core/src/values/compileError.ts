// A type that no value has: the compiler shows it, with a message, where something cannot work.

declare const CompileErrorId: unique symbol

/** See `RetryPolicy.CompileError`. */
export interface CompileError<Message extends string, Errors = never> {
  readonly [CompileErrorId]: readonly [Message, Errors]
}

/** The message for a string in place of a secret: `CompileError<PlainSecret>` stands beside the types of a secret. */
export type PlainSecret =
  "A secret is no plain string: give Redacted.make(secret), Config.redacted(\"CLIENT_SECRET\") or Secret.env(name)"
