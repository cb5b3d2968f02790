import { createWriteStream } from 'node:fs';
import { stat } from 'node:fs/promises';
import { join } from 'node:path';
import type { Session } from '../../model/database.js';
import type { ColumnType } from '../../model/project.js';
import { identifier, literal } from '../../model/sql-identifier.js';
import { byteSource } from '../read/open-bytes.js';
import { openCsv } from '../read/open-csv.js';
import type { JsonKind } from '../read/ndjson-line.js';
import { columnKind, kindTypes, type JsonColumnKind } from '../read/open-json.js';
import type { RowSource } from '../read/row-source.js';
import { nameColumns } from '../schema/name-columns.js';
import type { FlattenedSql } from './flatten-sql.js';

/** Of what PostgreSQL wrote no quotation mark is left open: more than any record that is read, with its quotation marks doubled. */
const MAX_ELEMENT_BYTES = 256 << 20;

/**
 * The elements of a nested column as a RowSource, written by PostgreSQL as a CSV file in `folder`: one column a key, with the types that keys of
 * JSON records have. Undefined when there is no element. Throws what `nameColumns` does.
 *
 * @param options.file what the user calls it, for messages
 * @param options.types by column, which decide how a value is written
 * @param options.optional columns though no element may have them
 * @param options.tolerance share of strings that a key of numbers may have and stay one
 */
export async function openElements(
  session: Session,
  { from, own }: FlattenedSql,
  options: {
    readonly folder: string;
    readonly file: string;
    readonly types: ReadonlyMap<string, ColumnType>;
    readonly optional: readonly string[];
    readonly tolerance: number;
    readonly signal?: AbortSignal | undefined;
  },
): Promise<RowSource | undefined> {
  const { folder, file, types, tolerance, signal } = options;
  const path = join(folder, 'elements.csv');
  const { headers, kindOf } = await session.transaction(async () => {
    // No element comes twice, and PostgreSQL would keep and compare each one in case it does: half of the time goes there.
    await session.execute('SET LOCAL enable_memoize = off');
    const kinds = await keyKinds(session, from, tolerance);
    const keys = [...new Set([...kinds.keys(), ...options.optional])].filter((name) => !own.has(name));
    const headers = [...own.keys(), ...keys];
    // Also that there are not too many of them for a SELECT.
    nameColumns(headers, file);
    const kindOf = (name: string): JsonColumnKind => kinds.get(name) ?? 'string';
    const isJson = (name: string): boolean => (types.get(name) ?? kindOf(name)) === 'jsonb';
    const values = headers.map((name) => {
      const key = literal(name);
      return own.get(name) ?? (isJson(name) ? `nullif(r.record -> ${key}, 'null')` : `r.record ->> ${key}`);
    });
    // Blanks at the ends of an unquoted text would be a matter of taste.
    const texts = headers.flatMap((name, index) => (own.has(name) || kindOf(name) === 'string' ? [`c${index}`] : []));
    const columns = values.map((value, index) => `${value} AS c${index}`);
    await session.copyTo(
      `COPY (SELECT ${columns.join(', ')} FROM ${from}) TO STDOUT (FORMAT csv, FORCE_QUOTE (${texts.map(identifier).join(', ')}), ENCODING 'UTF8')`,
      createWriteStream(path),
      signal === undefined ? {} : { signal },
    );
    return { headers, kindOf };
  });
  if ((await stat(path)).size === 0) return undefined;
  const csv = { delimiter: ',', quote: '"', header: headers };
  const source = await openCsv(await byteSource(path, file), folder, csv, signal, undefined, MAX_ELEMENT_BYTES);
  const byKind = headers.map((name) => kindTypes(kindOf(name)));
  return {
    ...source,
    types: byKind.map(({ type }) => type),
    allowed: byKind.map(({ allowed }) => allowed),
    dialect: { format: 'elements' },
  };
}

/** Keys of the elements in the order in which PostgreSQL has them, with what their values are. */
async function keyKinds(session: Session, from: string, tolerance: number): Promise<Map<string, JsonColumnKind>> {
  const found = await session.query<{ key: string; kind: JsonKind; values: number }>(
    // Keys alone, in the SELECT: a table of keys and values for each element takes twice as long. Of an object PostgreSQL has them in this order.
    `SELECT m.key, CASE m.type WHEN 'array' THEN 'nested' WHEN 'object' THEN 'nested' ELSE m.type END AS kind, sum(m.values)::float8 AS values
     FROM (SELECT k.key, jsonb_typeof(k.record -> k.key) AS type, count(*) AS values
       FROM (SELECT r.record, jsonb_object_keys(r.record) AS key FROM ${from}) AS k GROUP BY 1, 2) AS m
     GROUP BY 1, 2 ORDER BY octet_length(m.key), m.key COLLATE "C"
     -- Where keys are data there are any number: these are more than a table has columns, each with every kind of value.
     LIMIT 10000`,
  );
  const counts = new Map<string, Record<JsonKind, number>>();
  for (const { key, kind, values } of found) {
    const ofKey = counts.get(key) ?? { string: 0, number: 0, boolean: 0, null: 0, nested: 0 };
    counts.set(key, { ...ofKey, [kind]: values });
  }
  return new Map([...counts].map(([key, ofKey]) => [key, columnKind(ofKey, tolerance)]));
}
