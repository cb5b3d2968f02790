import { createHash } from 'node:crypto';
import { TerminalError } from '../../errors.js';
import type { Session } from '../../model/database.js';
import type { ResourceConfig } from '../../model/project.js';
import { identifier } from '../../model/sql-identifier.js';
import type { CompiledQuery } from '../inventory/compile-query.js';
import { readQuery } from '../inventory/read-query.js';
import { jsonElements } from '../read/ndjson-line.js';
import { namedColumns } from './resource-request.js';

/** A row that an API is asked for. */
export interface ParentRow {
  /** What the request names, as JSON text: numbers with every digit. */
  readonly values: ReadonlyMap<string, string>;
  /** What is added to each record: name → JSON text. */
  readonly columns: ReadonlyMap<string, string>;
}

export interface ParentRows {
  /** In an order that is the same each time; none twice. */
  readonly rows: readonly ParentRow[];
  /** Rows that have nothing, or '', in a column that the address names: there is nothing to ask for. */
  readonly without: number;
  /** Of all rows: another one has other rows, or the same in other places. */
  readonly digest: string;
}

/** Each is a request at least; what has more wants a SELECT of those that are new. */
const MAX_ROWS = 200_000;

/** The rows that a resource is asked for, one by one. Reads only. Throws `ELT_SQL_ERROR`, `ELT_HTTP_ROWS`; no retry helps. */
export async function parentRows(
  session: Session,
  query: CompiledQuery,
  resource: ResourceConfig,
): Promise<ParentRows> {
  const { path, at, id } = resource;
  const config = resource.http!;
  const named = namedColumns(config, path);
  const needed = [...new Set([...named, ...Object.values(config.forEach!.columns)])];
  const row = `jsonb_build_array(${needed.map((name) => `to_jsonb(q.${identifier(name)})`).join(', ')})`;
  const key = named.map((name) => `coalesce(q.${identifier(name)}::text, '') <> ''`).join(' AND ');
  const prefix = `SELECT row, "isWhole" FROM (SELECT DISTINCT ${row}::text AS row, (${key}) AS "isWhole" FROM (`;
  const found = await readQuery(session, query, prefix, () =>
    session.query<{ row: string; isWhole: boolean }>(
      `${prefix}${query.sql}\n) AS q) AS r ORDER BY row COLLATE "C" LIMIT ${MAX_ROWS + 1}`,
    ),
  );
  if (found.length > MAX_ROWS)
    throw new TerminalError('ELT_HTTP_ROWS', `${id} would be asked for more than ${MAX_ROWS} rows one by one.`, {
      at,
      next: 'Name fewer with `for_each: { query: … }`, for example those that changed.',
    });
  const whole = found.filter(({ isWhole }) => isWhole);
  return {
    rows: whole.map((one) => rowOf(one.row, needed, config.forEach!.columns)),
    without: found.length - whole.length,
    digest: createHash('sha256').update(JSON.stringify(whole)).digest('hex').slice(0, 16),
  };
}

function rowOf(row: string, names: readonly string[], added: Readonly<Record<string, string>>): ParentRow {
  const elements = jsonElements(row);
  const json = new Map(names.map((name, index) => [name, elements[index]!]));
  return {
    values: json,
    columns: new Map(Object.entries(added).map(([name, column]) => [name, json.get(column)!])),
  };
}
