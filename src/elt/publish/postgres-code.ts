/** SQLSTATE of an error that PostgreSQL sent, else ''. https://www.postgresql.org/docs/current/errcodes-appendix.html */
export function postgresCode(error: unknown): string {
  const code = error instanceof Error ? (error as { code?: unknown }).code : undefined;
  return typeof code === 'string' && /^[0-9A-Z]{5}$/.test(code) ? code : '';
}
