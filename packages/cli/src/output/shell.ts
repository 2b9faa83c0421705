/** A text as a shell takes it, whatever is in it: in single quotes. */
export const quoted = (text: string): string => `'${text.replaceAll("'", "'\\''")}'`
