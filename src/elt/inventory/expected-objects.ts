import { TerminalError } from '../../errors.js';
import type { Session } from '../../model/database.js';
import type { ColumnType, ResourceConfig } from '../../model/project.js';
import { identifier } from '../../model/sql-identifier.js';
import { columnType } from '../schema/table-columns.js';
import type { CompiledQuery } from './compile-query.js';
import { readQuery } from './read-query.js';

export interface ExpectedObject {
  readonly url: string;
  /** The row's other columns, as one JSON object; numbers keep every digit. */
  readonly columns: string;
}

export interface ExpectedObjects {
  readonly objects: readonly ExpectedObject[];
  /** Types of the columns beside `url`, as the SELECT has them; empty without rows. */
  readonly types: Readonly<Record<string, ColumnType>>;
}

/** More would be too many rows for one SELECT to hand over, and too many files for one landing zone's folder. */
const MAX_OBJECTS = 1_000_000;

/**
 * The objects that an inventory names, in its order; an address that comes twice stands once, with its first columns. Reads only.
 * Throws `ELT_SQL_ERROR`, `ELT_INVENTORY_URL` (no column `url`, or one that is no http(s) address), `ELT_INVENTORY_TOO_LARGE`; no retry helps.
 */
export async function expectedObjects(
  session: Session,
  query: CompiledQuery,
  resource: ResourceConfig,
): Promise<ExpectedObjects> {
  const { file, sql } = query;
  const prefix = `SELECT (to_jsonb(q) ->> 'url') AS url, (to_jsonb(q) - 'url')::text AS columns FROM (`;
  const { rows, types } = await readQuery(session, query, prefix, async () => {
    const found = await session.query<{ url: string | null; columns: string }>(
      `${prefix}${sql}\n) AS q LIMIT ${MAX_OBJECTS + 1}`,
      [],
    );
    return { rows: found, types: await typesOf(session, sql, found[0]?.columns) };
  });
  if (rows.length > MAX_OBJECTS)
    throw new TerminalError('ELT_INVENTORY_TOO_LARGE', `${file} names more than ${MAX_OBJECTS} objects.`, {
      at: { file },
      next: 'Name fewer, or make several resources of it.',
    });
  const expected = new Map<string, ExpectedObject>();
  for (const { url, columns } of rows) {
    if (url === null || !/^https?:\/\//i.test(url) || !URL.canParse(url)) throw wrongUrl(file, resource, url);
    if (!expected.has(url)) expected.set(url, { url, columns });
  }
  return { objects: [...expected.values()], types };
}

async function typesOf(session: Session, sql: string, columns: string | undefined): Promise<ExpectedObjects['types']> {
  const names = Object.keys(JSON.parse(columns ?? '{}') as object);
  if (names.length === 0) return {};
  const [row] = await session.query<{ types: string[] }>(
    `SELECT ARRAY[${names.map((name) => `pg_typeof(q.${identifier(name)})::text`).join(', ')}] AS types FROM (${sql}\n) AS q LIMIT 1`,
    [],
  );
  return Object.fromEntries(names.map((name, index) => [name, columnType(row?.types[index] ?? 'text')]));
}

function wrongUrl(file: string, { id }: ResourceConfig, url: string | null): TerminalError {
  const found = url === null ? 'a row without one' : JSON.stringify(url.slice(0, 200));
  return new TerminalError(
    'ELT_INVENTORY_URL',
    `${file} has to give the addresses of ${id} in a column \`url\`; found ${found}, expected one such as https://example.org/a.csv.`,
    { at: { file }, next: 'Correct the SELECT.' },
  );
}
