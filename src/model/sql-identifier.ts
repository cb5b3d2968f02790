/** An identifier as PostgreSQL and DuckDB read it: always quoted, so any name is safe. */
export function identifier(name: string): string {
  if (name.includes('\0')) throw new RangeError('an SQL identifier cannot hold a NUL character');
  return `"${name.replaceAll('"', '""')}"`;
}

/** `"schema"."table"`. */
export function qualified(schema: string, name: string): string {
  return `${identifier(schema)}.${identifier(name)}`;
}

/** A text literal, valid whatever `standard_conforming_strings` says: no backslash is left to interpretation. */
export function literal(value: string): string {
  const quoted = `'${value.replaceAll("'", "''")}'`;
  return value.includes('\\') ? ` E${quoted.replaceAll('\\', '\\\\')}` : quoted;
}
