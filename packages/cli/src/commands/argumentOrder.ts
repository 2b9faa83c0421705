/** Puts options before arguments. */
export const inOrder = (argv: ReadonlyArray<string>): ReadonlyArray<string> => argv
