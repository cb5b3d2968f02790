import type { Session } from '../../model/database.js';
import type { ColumnType } from '../../model/project.js';
import { identifier, qualified } from '../../model/sql-identifier.js';
import { valueAs } from '../schema/value-as.js';
import type { LedgerLine } from './ledger.js';
import type { StageName } from './stage-table.js';
import type { TypedTable } from './unite-columns.js';

export interface Source extends TypedTable {
  /** Whose rows are taken; all when it is missing. */
  readonly ofLoads?: readonly LedgerLine[];
}

/** Puts rows of one table into another that has their columns, each value as the other's type. */
export async function copyRows(
  session: Session,
  source: Source,
  table: StageName,
  columns: ReadonlyMap<string, ColumnType>,
): Promise<void> {
  const names = [...source.columns.keys()];
  const into = [...names, '_load_id', '_row_number', '_loaded_at'].map(identifier).join(', ');
  const values = [
    ...names.map((name) => valueAs(identifier(name), columns.get(name)!, source.columns.get(name))),
    '_load_id',
    '_row_number',
    '_loaded_at',
  ].join(', ');
  const { ofLoads } = source;
  const filter = ofLoads === undefined ? '' : `WHERE _load_id = ANY($1::bigint[])`;
  await session.execute(
    `INSERT INTO ${qualified(table.schema, table.name)} (${into}) SELECT ${values} FROM ${qualified(source.table.schema, source.table.name)} ${filter}`,
    ofLoads === undefined ? [] : [ofLoads.map(({ loadId }) => loadId)],
  );
}
