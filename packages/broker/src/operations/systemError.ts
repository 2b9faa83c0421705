/** What the system calls a failure: `ENOSPC`, `EADDRINUSE`. It is all that is shown of one. */
export const codeOf = (error: unknown): string => {
  const code: unknown = (error as { readonly code?: unknown } | null)?.code
  return typeof code === "string" ? code : "unknown error"
}
