const ESCAPE = /\\(?:u[0-9a-f]{4}|.)/g;

/**
 * A value as JSON that PostgreSQL's `jsonb` takes, null for nothing. It refuses NUL and lone surrogates, which a message about
 * somebody's data may quote: NUL becomes its picture `␀`, a lone surrogate U+FFFD.
 */
export function jsonb(value: unknown): string | null {
  if (value === undefined || value === null) return null;
  // JSON.stringify writes both as escapes, and a surrogate only where it is lone.
  return JSON.stringify(value).replace(ESCAPE, (escape) => {
    if (escape === '\\u0000') return '\u2400';
    return escape.startsWith('\\ud') ? '\ufffd' : escape;
  });
}
