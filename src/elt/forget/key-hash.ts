import { createHash } from 'node:crypto';
import type { Queryable } from '../../model/database.js';
import { identifier } from '../../model/sql-identifier.js';

/** What stands for a key's value once it is forgotten. */
export function keyHash(salt: string, value: string): string {
  return createHash('sha256').update(`${salt}${value}`).digest('hex');
}

/** The same in SQL. @param salt a parameter such as `$1` */
export function keyHashSql(salt: string, text: string): string {
  return `encode(sha256(convert_to(${salt} || ${text}, 'UTF8')), 'hex')`;
}

/**
 * That the row `alias` belongs to a forgotten key, as a condition with its parameters.
 *
 * @param columns of the row that hold keys, with their types
 */
export function isForgottenSql(
  { env, project, salt }: { readonly env: string; readonly project: string; readonly salt: string },
  alias: string,
  columns: readonly { readonly key: string; readonly column: string; readonly type: string }[],
): { readonly sql: string; readonly parameters: readonly string[] } {
  const each = columns.map(
    ({ column, type }, index) =>
      `${keyHashSql('$1', keyText(`${alias}.${identifier(column)}`, type))} IN (
        SELECT key_hash FROM plumbline.erasures WHERE env = $2 AND project = $3 AND key_name = $${index + 4} AND NOT dry_run)`,
  );
  return { sql: each.join(' OR '), parameters: [salt, env, project, ...columns.map(({ key }) => key)] };
}

/** A key as text, whatever the type of its column: 42, 42.00 and '42' are one. @param column quoted, with its alias */
export function keyText(column: string, type: string): string {
  return /^(numeric|decimal)/.test(type) ? `trim_scale(${column})::text` : `${column}::text`;
}

/** As `keyText` writes it. */
export function normalKey(value: string, type: string | undefined): string {
  const text = value.trim();
  if (type === 'uuid') return text.toLowerCase();
  const isNumber = type !== undefined && /^(numeric|decimal|bigint|integer|smallint|double)/.test(type);
  const match = isNumber ? /^([+-]?)0*(\d+?)(?:\.(\d*?)0*)?$/.exec(text) : null;
  if (match === null) return isNumber ? text : value;
  const [, sign, whole = '', part = ''] = match;
  return `${sign === '-' && !/^0*$/.test(whole + part) ? '-' : ''}${whole}${part === '' ? '' : `.${part}`}`;
}

/** Undefined where nothing was ever forgotten. */
export async function findSalt(database: Queryable, env: string, project: string): Promise<string | undefined> {
  const [row] = await database.query<{ salt: string }>(
    'SELECT salt FROM plumbline.erasure_salts WHERE env = $1 AND project = $2',
    [env, project],
  );
  return row?.salt;
}
