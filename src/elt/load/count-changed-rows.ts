import type { Session } from '../../model/database.js';
import type { ColumnType, ResourceConfig } from '../../model/project.js';
import { identifier, qualified } from '../../model/sql-identifier.js';
import { valueAs } from '../schema/value-as.js';
import type { LedgerLine } from './ledger.js';
import { readColumns } from './read-columns.js';
import type { StageName } from './stage-table.js';

/** Rows of a stage that the table does not have, byte for byte. */
export async function countChangedRows(
  session: Session,
  options: {
    readonly resource: ResourceConfig;
    readonly target: StageName;
    readonly stage: StageName;
    readonly line: LedgerLine;
    readonly columns: ReadonlyMap<string, ColumnType>;
  },
): Promise<number> {
  const { resource, target, stage, line, columns } = options;
  const types = readColumns(line, resource);
  const names = [...types.keys()];
  const there = names.map((name) => `t.${identifier(name)}`).join(', ');
  const staged = names.map((name) => valueAs(`s.${identifier(name)}`, columns.get(name)!, types.get(name))).join(', ');
  const same = resource.primaryKey.map((key) => `t.${identifier(key)} = s.${identifier(key)}`).join(' AND ');
  const [counted] = await session.query<{ rows: number }>(
    `SELECT count(*)::float8 AS rows FROM ${qualified(stage.schema, stage.name)} AS s
     WHERE NOT EXISTS (SELECT 1 FROM ${qualified(target.schema, target.name)} AS t
       WHERE ${same} AND ROW(${there})::record *= ROW(${staged})::record)`,
  );
  return counted?.rows ?? 0;
}
