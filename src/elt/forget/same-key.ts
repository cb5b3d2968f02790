import type { DuckDBConnection } from '@duckdb/node-api';
import { identifier, literal } from '../../model/sql-identifier.js';
import { normalKey } from './key-hash.js';

const NUMBER = /^(U?(TINY|SMALL|BIG|HUGE)?INT(EGER)?|DECIMAL|FLOAT|REAL|DOUBLE)\b/;

/**
 * The condition, in SQL of DuckDB, that a column has the key. A value that is none of a number column's, such as 42.4 of one of
 * integers, is in no row: DuckDB by itself would round it to another person's.
 */
export async function sameKey(
  connection: DuckDBConnection,
  { column, type }: { readonly column: string; readonly type: string },
  values: readonly string[],
): Promise<string> {
  const own = identifier(column);
  if (!NUMBER.test(type)) {
    const spelled = type === 'UUID' ? values.map((value) => value.toLowerCase()) : values;
    return `${own}::VARCHAR IN (${spelled.map(literal).join(', ')})`;
  }
  const conditions: string[] = [];
  for (const number of new Set(values.map((value) => normalKey(value, 'numeric')))) {
    const cast = `TRY_CAST(${literal(number)} AS ${type})`;
    const [row] = (await connection.runAndReadAll(`SELECT ${cast}::VARCHAR`)).getRows();
    const written = row?.[0];
    if (typeof written === 'string' && normalKey(written, 'numeric') === number) conditions.push(`${own} = ${cast}`);
  }
  return conditions.length === 0 ? 'false' : `(${conditions.join(' OR ')})`;
}
