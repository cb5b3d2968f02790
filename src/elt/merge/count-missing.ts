import type { Session } from '../../model/database.js';
import type { ColumnType, ResourceConfig } from '../../model/project.js';
import { identifier } from '../../model/sql-identifier.js';
import { findSalt, isForgottenSql } from '../forget/key-hash.js';
import { tableColumns } from '../schema/table-columns.js';
import { ASKED, hasSourceKey, isPresent } from './source-keys.js';
import { sqlName } from './unit.js';

interface Work {
  readonly env: string;
  readonly project: string;
  readonly resource: ResourceConfig;
  readonly target: Table;
  readonly columns: ReadonlyMap<string, ColumnType>;
  readonly keys: Table;
  /** Of the keys' columns. */
  readonly keyTypes: ReadonlyMap<string, ColumnType>;
}

type Condition = ReturnType<typeof isForgottenSql>;

interface Table {
  readonly schema: string;
  readonly name: string;
}

/**
 * Rows whose primary key the source has and the table has not, though they were asked for: the cursor passed them by, or they were
 * rejected. Those before its initial value, those that came while the load was under way and those of a forgotten key are none of them. Call it in the transaction that publishes. Costs one join of the keys with the table.
 *
 * @param keys as of `removeGone`
 */
export async function countMissing(session: Session, work: Work): Promise<number> {
  const { resource, target, columns, keys, keyTypes } = work;
  const isWhole = resource.primaryKey.map((name) => `k.${identifier(name)} IS NOT NULL`).join(' AND ');
  // Keys that an earlier version read, for a load that goes on in this one, say nothing of it.
  const isAsked = (await tableColumns(session, keys.schema, keys.name))?.has(ASKED) === true;
  const forgotten = await forgottenKeys(session, work);
  const [counted] = await session.query<{ rows: number }>(
    `SELECT count(*) FILTER (WHERE NOT (${forgotten.sql}))::float8 AS rows FROM ${sqlName(keys)} AS k
     WHERE ${isWhole} AND ${isAsked ? `k.${identifier(ASKED)}` : 'true'}
       AND NOT EXISTS (SELECT 1 FROM ${sqlName(target)} AS t WHERE ${isPresent(resource)} AND ${hasSourceKey(resource, columns, keyTypes)})`,
    forgotten.parameters,
  );
  return counted?.rows ?? 0;
}

/** Rows that are taken out of each load, where their primary key says whose they are. */
async function forgottenKeys(session: Session, { env, project, resource, keyTypes }: Work): Promise<Condition> {
  const personal = (resource.personal ?? []).flatMap(({ key, column }) =>
    resource.primaryKey.includes(column) ? [{ key, column, type: keyTypes.get(column)! }] : [],
  );
  const salt = personal.length === 0 ? undefined : await findSalt(session, env, project);
  return salt === undefined ? { sql: 'false', parameters: [] } : isForgottenSql({ env, project, salt }, 'k', personal);
}
